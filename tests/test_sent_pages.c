/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sent_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "libxc_stream.h"

#define OTHER_TYPE (1ull << 60)

static uint8_t page[PAGE_BYTES], other[PAGE_BYTES];

/* Whether it need not be sent; else it is. */
static bool was_sent(void *sent, uint64_t entry, const uint8_t *content)
{
	return !sent_pages_note(sent, entry, content);
}

static int set_up(void **state)
{
	memset(page, 'a', sizeof(page));
	memset(other, 'b', sizeof(other));
	*state = sent_pages_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	sent_pages_free(*state);
	return 0;
}

static void a_page_is_known_as_long_as_it_does_not_change(void **state)
{
	assert_false(was_sent(*state, 7, page));
	assert_true(was_sent(*state, 7, page));
	assert_false(was_sent(*state, 7, other));
	assert_false(was_sent(*state, 7, page));
	assert_true(was_sent(*state, 7, page));
}

static void one_changed_bit_is_seen_wherever_it_is(void **state)
{
	for (size_t bit = 0; bit < PAGE_BYTES * 8u; bit += 41) {
		(void)was_sent(*state, 7, page);
		page[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(was_sent(*state, 7, page));
	}
}

static void pages_that_share_a_place_are_told_apart(void **state)
{
	assert_false(was_sent(*state, 7, page));
	assert_false(was_sent(*state, 7 + SENT_PAGES_PLACES, page));
	assert_false(was_sent(*state, 7, page));
}

static void a_page_of_another_type_is_another(void **state)
{
	assert_false(was_sent(*state, 7, page));
	assert_false(was_sent(*state, 7 | OTHER_TYPE, page));
}

static void a_zero_page_is_not_known_before_it_was_sent(void **state)
{
	memset(page, 0, sizeof(page));
	assert_false(was_sent(*state, 0, page));
	assert_true(was_sent(*state, 0, page));
	assert_true(was_sent(*state, 0, NULL));
	assert_false(was_sent(*state, 1, NULL));
	assert_true(was_sent(*state, 1, page));
}

static void what_is_forgotten_is_not_known(void **state)
{
	assert_false(was_sent(*state, 7, page));
	sent_pages_forget(*state, 7);
	assert_false(was_sent(*state, 7, page));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_is_known_as_long_as_it_does_not_change),
		TEST(one_changed_bit_is_seen_wherever_it_is),
		TEST(pages_that_share_a_place_are_told_apart),
		TEST(a_page_of_another_type_is_another),
		TEST(a_zero_page_is_not_known_before_it_was_sent),
		TEST(what_is_forgotten_is_not_known),
	};

	return cmocka_run_group_tests_name("sent_pages", tests, NULL, NULL);
}
