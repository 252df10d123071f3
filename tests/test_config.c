/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder of its own for each test, with at most these files in it. */
struct place {
	char folder[64];
	char main[96], fragments[96], first[128], second[128];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	snprintf(place->folder, sizeof(place->folder), "/tmp/test_config.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->main, sizeof(place->main), "%s/main.conf", place->folder);
	snprintf(place->fragments, sizeof(place->fragments), "%s/main.conf.d", place->folder);
	snprintf(place->first, sizeof(place->first), "%s/10-first.conf", place->fragments);
	snprintf(place->second, sizeof(place->second), "%s/9-last.conf", place->fragments);
	assert_int_equal(mkdir(place->fragments, 0700), 0);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	unlink(place->first);
	unlink(place->second);
	unlink(place->main);
	rmdir(place->fragments);
	rmdir(place->folder);
	free(place);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void what_is_not_said_has_its_default(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	write_file(place->main, "");

	assert_int_equal(config_load(place->main, &config, &err), 0);
	assert_string_equal(config.listen, "127.0.0.1");
	assert_int_equal(config.port, 8002);
	assert_true(config.tls);
	assert_int_equal(config.downtime_limit_ms, 0);
	assert_string_equal(config.policy, "minimal-downtime");
	assert_true(config.host_name[0] != '\0');
	assert_true(config.libexec_dir[0] == '/');
}

static void every_kind_of_value_is_read(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	write_file(place->main, "# a comment\n"
				"[agent]\n"
				"name = A ; another\n"
				"state = /srv/xenferry\n"
				"[peer]\n"
				"port = 0\n"
				"tls = off\n"
				"[policy]\n"
				"drain-ms = 1234\n");

	assert_int_equal(config_load(place->main, &config, &err), 0);
	assert_string_equal(config.host_name, "A");
	assert_string_equal(config.state_dir, "/srv/xenferry");
	assert_int_equal(config.port, 0);
	assert_false(config.tls);
	assert_int_equal(config.drain_ms, 1234);
}

static void an_indented_line_is_a_key_of_its_own(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	write_file(place->main, "[peer]\nlisten = 127.0.0.2\n  port = 8003\n");

	assert_int_equal(config_load(place->main, &config, &err), 0);
	assert_string_equal(config.listen, "127.0.0.2");
	assert_int_equal(config.port, 8003);
}

/* One row a mistake: the file, and what the message must name beside file and line. */
static const struct mistake {
	const char *text;
	unsigned line;
	const char *named;
} mistakes[] = {
	{ "[agent]\nnmae = A\n", 2, "'nmae'" },
	{ "\n[pear]\nport = 1\n", 3, "[pear]" },
	{ "port = 1\n", 1, "[]" },
	{ "[peer]\n\nport = 65536\n", 3, "port" },
	{ "[peer]\nport = -1\n", 2, "'-1'" },
	{ "[peer]\nport = 8002x\n", 2, "'8002x'" },
	{ "[peer]\ntls = maybe\n", 2, "on or off" },
	{ "[agent]\nstate = var/lib\n", 2, "absolute path" },
	{ "[agent]\nname =\n", 2, "name" },
	{ "[agent]\nname = a b\n", 2, "blanks" },
	{ "[policy]\ndowntime-limit-ms = -1\n", 2, "a number from 0 to 600000" },
	{ "[policy]\nnothing\n", 2, "neither a [section]" },
};

static void a_mistake_is_refused_by_file_and_line(void **state)
{
	const struct place *place = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		char where[128];
		struct config config;
		struct err err;

		write_file(place->main, mistakes[i].text);
		snprintf(where, sizeof(where), "%s:%u: ", place->main, mistakes[i].line);

		assert_int_equal(config_load(place->main, &config, &err), -EINVAL);
		assert_int_equal(err.code, ERR_USAGE);
		assert_ptr_equal(strstr(err.message, where), err.message);
		assert_non_null(strstr(err.message, mistakes[i].named));
	}
}

static void a_line_that_is_too_long_is_refused_and_not_cut(void **state)
{
	const struct place *place = *state;
	char text[400] = "[agent]\nstate = /";
	struct config config;
	struct err err;

	memset(text + strlen(text), 'x', 300);
	write_file(place->main, text);

	assert_int_equal(config_load(place->main, &config, &err), -EINVAL);
	assert_non_null(strstr(err.message, ":2: the line is longer"));
}

static void fragments_come_after_the_file_in_the_order_of_their_names(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	write_file(place->main, "[peer]\nport = 1\nincoming-max = 7\n");
	write_file(place->first, "[peer]\nport = 2\n");
	write_file(place->second, "[peer]\nport = 3\n");

	assert_int_equal(config_load(place->main, &config, &err), 0);
	assert_int_equal(config.port, 3);
	assert_int_equal(config.incoming_max, 7);
}

static void a_mistake_in_a_fragment_names_the_fragment(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	write_file(place->main, "");
	write_file(place->first, "[peer]\nprot = 2\n");

	assert_int_equal(config_load(place->main, &config, &err), -EINVAL);
	assert_non_null(strstr(err.message, "10-first.conf:2: "));
}

static void a_file_that_was_asked_for_must_be_there(void **state)
{
	const struct place *place = *state;
	struct config config;
	struct err err;

	assert_int_equal(config_load(place->main, &config, &err), -ENOENT);
	assert_non_null(strstr(err.message, place->main));
}

static void the_reference_has_every_section_and_balanced_lists(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);

	config_reference(out);

	fclose(out);
	assert_non_null(strstr(text, "=head2 [agent]"));
	assert_non_null(strstr(text, "=head2 [policy]"));
	assert_non_null(strstr(text, "=item B<port> = 8002"));
	free(text);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

static void an_arbiter_wants_what_it_works_with(void **state)
{
	static const struct {
		const char *text, *reason; /* NULL: it is fine */
	} cases[] = {
		{ "[arbiter]\nkind = none\n", NULL },
		{ "[arbiter]\nkind = oracle\n", "none, operator, lease, sanlock or command" },
		{ "[arbiter]\nkind = command\n", "wants a command" },
		{ "[arbiter]\nkind = command\ncommand = /bin/ask\n", NULL },
		{ "[arbiter]\nkind = lease\nlease = /shared/lease\n", "host-id" },
		{ "[arbiter]\nkind = lease\nhost-id = 3\n", "wants a lease" },
		{ "[arbiter]\nkind = lease\nlease = /shared/lease\nhost-id = 33\n", "1 to 32" },
		{ "[arbiter]\nkind = lease\nlease = /shared/lease\nhost-id = 3\n", NULL },
#ifdef HAVE_SANLOCK
		{ "[arbiter]\nkind = sanlock\nlease = /shared/lease\nhost-id = 3\n",
		  "wants a lease, a host-id and a lockspace" },
		{ "[arbiter]\nkind = sanlock\nlease = /shared/lease\nhost-id = 3\n"
		  "lockspace = xenferry\n", NULL },
#else
		{ "[arbiter]\nkind = sanlock\nlease = /shared/lease\nhost-id = 3\n"
		  "lockspace = xenferry\n", "this build has none" },
#endif
	};
	const struct place *place = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config;
		struct err err = { ERR_NONE, "" };
		int rc;

		write_file(place->main, cases[i].text);
		rc = config_load(place->main, &config, &err);
		assert_int_equal(rc, cases[i].reason ? -EINVAL : 0);
		assert_true(!cases[i].reason || strstr(err.message, cases[i].reason));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACED(what_is_not_said_has_its_default),
		PLACED(every_kind_of_value_is_read),
		PLACED(an_indented_line_is_a_key_of_its_own),
		PLACED(a_mistake_is_refused_by_file_and_line),
		PLACED(an_arbiter_wants_what_it_works_with),
		PLACED(a_line_that_is_too_long_is_refused_and_not_cut),
		PLACED(fragments_come_after_the_file_in_the_order_of_their_names),
		PLACED(a_mistake_in_a_fragment_names_the_fragment),
		PLACED(a_file_that_was_asked_for_must_be_there),
		cmocka_unit_test(the_reference_has_every_section_and_balanced_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
