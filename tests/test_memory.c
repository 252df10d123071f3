/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec_choice.h"

/* What is wished by a request under a policy, where `configured` is in the configuration. */
static struct memory_terms wish(const char *request, bool policy_compresses, unsigned configured)
{
	CLEANUP_JSON_VALUE struct json_value *json = json_parse(request, strlen(request), NULL);
	const struct policy_rules policy = { .compress = policy_compresses };
	struct memory_terms terms = { .compress = configured, .channels = 3 };

	assert_non_null(json);
	memory_wish(json, &policy, &terms);
	return terms;
}

static void a_policy_compresses_unless_somebody_named_a_codec(void **state)
{
	static const struct {
		const char *request;
		bool policy_compresses;
		unsigned configured, wished;
	} cases[] = {
		{ "{}", false, CODEC_NONE, CODEC_NONE },
		{ "{}", true, CODEC_NONE, COMPRESS_AUTO },
		{ "{}", true, CODEC_LZ4, CODEC_LZ4 },
		{ "{\"compress\": \"zstd\"}", true, CODEC_LZ4, CODEC_ZSTD },
		{ "{\"compress\": \"none\"}", true, CODEC_NONE, CODEC_NONE },
		{ "{\"compress\": \"none\"}", true, COMPRESS_AUTO, CODEC_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(wish(cases[i].request, cases[i].policy_compresses,
				      cases[i].configured).compress, cases[i].wished);
}

static void what_a_request_does_not_say_is_as_configured(void **state)
{
	struct memory_terms said = wish("{\"channels\": 5, \"verify\": true}", false, CODEC_NONE);
	struct memory_terms silent = wish("{}", false, CODEC_NONE);

	(void)state;
	assert_int_equal(said.channels, 5);
	assert_true(said.verify);
	assert_int_equal(silent.channels, 3);
	assert_false(silent.verify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_compresses_unless_somebody_named_a_codec),
		cmocka_unit_test(what_a_request_does_not_say_is_as_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
