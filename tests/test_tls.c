/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-tls as it was built, on sockets of the loopback: who is let in and who is not, and what
 * both sides are told.
 */
#include "tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "link.h"
#include "tls_ends.h"
#include "tlv.h"

static struct tls_pool pool;
static struct tls_identity a, b;

static int set_up(void **state)
{
	(void)state;
	tls_pool_begin(&pool);
	tls_pool_issue(&pool, "A", "DNS:A,IP:192.0.2.11", NULL, &a);
	tls_pool_issue(&pool, "B", "DNS:B,DNS:b.example.org,IP:192.0.2.12", NULL, &b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_pool_end(&pool);
	return 0;
}

/* What a REFUSED frame says; "" when it is none. */
static void hear_refusal(int fd, char *text, size_t size)
{
	uint8_t bytes[WIRE_FRAME_BYTES + 2048];
	struct wire_frame frame;
	struct tlv_reader reader;
	struct tlv_field field;

	text[0] = '\0';
	if (end_receive(fd, bytes, WIRE_FRAME_BYTES) != WIRE_FRAME_BYTES ||
	    wire_decode_frame(bytes, &frame, NULL) < 0 || frame.type != WIRE_REFUSED)
		return;
	assert_true(frame.size <= 2048);
	assert_int_equal(end_receive(fd, bytes, frame.size), frame.size);
	tlv_reader_init(&reader, bytes, frame.size);
	while (tlv_next(&reader, &field) > 0)
		if (field.type == WIRE_FIELD_MESSAGE)
			assert_int_equal(tlv_get_string(&field, text, size), 0);
}

static void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* ---- who is let in ---- */

static void both_learn_who_is_there_and_bytes_pass(void **state)
{
	struct tls_end source, target;
	char bytes[8];

	(void)state;
	ends_meet(&a, "B", &b, &source, &target);

	assert_int_equal(source.report.rc, 0);
	assert_int_equal(target.report.rc, 0);
	assert_string_equal(target.report.names, "A 192.0.2.11 ");
	assert_string_equal(source.report.names, "B b.example.org 192.0.2.12 ");
	end_send(source.plain, "there", 5);
	assert_int_equal(end_receive(target.plain, bytes, 5), 5);
	assert_memory_equal(bytes, "there", 5);
	end_send(target.plain, "back", 4);
	assert_int_equal(end_receive(source.plain, bytes, 4), 4);
	assert_memory_equal(bytes, "back", 4);
	end_forget(&source);
	end_forget(&target);
}

static void any_of_its_names_is_the_targets(void **state)
{
	static const char *const names[] = { "b", "b.example.org", "192.0.2.12" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tls_end source, target;

		ends_meet(&a, names[i], &b, &source, &target);
		assert_int_equal(source.report.rc, 0);
		end_forget(&source);
		end_forget(&target);
	}
}

/* What is wrong with a certificate, and what is said where it is seen, and where it is from. */
static const struct bad {
	struct tls_flaw flaw;
	const char *seen, *told;
} bads[] = {
	{ { .begins_s = -7200, .ends_s = -3600 }, "has expired", "expired" },
	{ { .begins_s = 1800 }, "not valid yet", "this host's certificate" },
	{ { .issuer = "foreign" }, "not of this pool", "another authority" },
};

static void a_bad_certificate_of_a_source_is_refused_and_both_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct tls_identity bad;
		struct tls_end source, target;
		char text[ERR_MESSAGE_MAX];

		tls_pool_issue(&pool, "bad", "DNS:A", &bads[i].flaw, &bad);
		ends_meet(&bad, "B", &b, &source, &target);

		assert_int_equal(target.report.rc, -EKEYREJECTED);
		assert_int_equal(target.report.err.code, ERR_REFUSED);
		assert_says(target.report.err.message, bads[i].seen);
		/* TLS 1.3: its own side of the handshake was good */
		assert_int_equal(source.report.rc, 0);
		hear_refusal(source.plain, text, sizeof(text));
		assert_says(text, bads[i].told);
		end_forget(&source);
		end_forget(&target);
	}
}

static void a_bad_certificate_of_a_target_is_refused_and_both_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct tls_identity bad;
		struct tls_end source, target;

		tls_pool_issue(&pool, "bad", "DNS:B", &bads[i].flaw, &bad);
		ends_meet(&a, "B", &bad, &source, &target);

		assert_int_equal(source.report.rc, -EKEYREJECTED);
		assert_int_equal(source.report.err.code, ERR_REFUSED);
		assert_says(source.report.err.message, bads[i].seen);
		assert_int_equal(target.report.rc, -EKEYREJECTED);
		assert_says(target.report.err.message, bads[i].told);
		end_forget(&source);
		end_forget(&target);
	}
}

static void a_certificate_for_something_else_is_refused(void **state)
{
	struct tls_identity server, client;
	struct tls_end source, target;

	(void)state;
	tls_pool_issue(&pool, "server", "DNS:A", &(struct tls_flaw){ .usage = "serverAuth" },
		       &server);
	ends_meet(&server, "B", &b, &source, &target);
	assert_int_equal(target.report.rc, -EKEYREJECTED);
	assert_says(target.report.err.message, "not made out for a host");
	end_forget(&source);
	end_forget(&target);
	tls_pool_issue(&pool, "client", "DNS:B", &(struct tls_flaw){ .usage = "clientAuth" },
		       &client);
	ends_meet(&a, "B", &client, &source, &target);
	assert_int_equal(source.report.rc, -EKEYREJECTED);
	end_forget(&source);
	end_forget(&target);
}

static void a_target_of_another_name_is_refused(void **state)
{
	static const char *const names[] = { "C", "example.org", "192.0.2.13", "*" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tls_end source, target;

		ends_meet(&a, names[i], &b, &source, &target);
		assert_int_equal(source.report.rc, -EKEYREJECTED);
		assert_says(source.report.err.message, "but of: B b.example.org 192.0.2.12");
		assert_int_equal(target.report.rc, -EKEYREJECTED);
		end_forget(&source);
		end_forget(&target);
	}
}

/* ---- who speaks otherwise ---- */

static void plain_text_is_told_to_speak_tls(void **state)
{
	const struct wire_hello hello = { 1, 1, WIRE_CONTROL, { 1 }, { 2 } };
	uint8_t bytes[WIRE_HELLO_BYTES];
	char text[ERR_MESSAGE_MAX];
	struct tls_end target;
	int near, far;

	(void)state;
	ends_connect(&near, &far);
	end_start(&b, NULL, far, &target);
	wire_encode_hello(&hello, bytes);
	end_send(near, bytes, sizeof(bytes));
	end_hear(&target);

	assert_int_equal(target.report.rc, -EPROTO);
	assert_says(target.report.err.message, "speaks plain text");
	hear_refusal(near, text, sizeof(text));
	assert_says(text, "write tls = on");
	end_forget(&target);
	close(near);
}

static void a_target_of_plain_text_is_said_to_be_one(void **state)
{
	const struct wire_hello nobody = { .kind = 0 };
	struct tls_end source;
	struct err why;
	int near, far;

	(void)state;
	ends_connect(&near, &far);
	end_start(&a, "B", near, &source);
	assert_true(end_await(far, POLLIN));
	(void)err_set(&why, ERR_INCOMPATIBLE, -EBADMSG, "not xenferry's protocol");
	assert_int_equal(link_refuse(&clock_system, far, &nobody, &why,
				     clock_after_ms(&clock_system, GENEROUS_MS)), 0);
	end_hear(&source);

	assert_int_equal(source.report.err.code, ERR_NO_PEER);
	assert_says(source.report.err.message, "does not speak TLS: is tls = off");
	end_forget(&source);
	close(far);
}

/* A peer of another making, in another process: a version, and a certificate or none. */
static pid_t play_peer(int socket, bool connects, int version, const struct tls_identity *identity)
{
	SSL_CTX *context;
	SSL *session;
	pid_t child = fork();
	char byte;

	assert_true(child >= 0);
	if (child > 0) {
		close(socket);
		return child;
	}
	context = SSL_CTX_new(connects ? TLS_client_method() : TLS_server_method());
	SSL_CTX_set_max_proto_version(context, version);
	if (identity) {
		SSL_CTX_use_certificate_file(context, identity->certificate, SSL_FILETYPE_PEM);
		SSL_CTX_use_PrivateKey_file(context, identity->key, SSL_FILETYPE_PEM);
	}
	session = SSL_new(context);
	SSL_set_fd(session, socket);
	if ((connects ? SSL_connect(session) : SSL_accept(session)) == 1)
		(void)SSL_read(session, &byte, 1);
	_exit(0);
}

static void a_source_without_a_certificate_is_refused(void **state)
{
	struct tls_end target;
	int near, far, status;
	pid_t child;

	(void)state;
	ends_connect(&near, &far);
	child = play_peer(near, true, TLS1_3_VERSION, NULL);
	end_start(&b, NULL, far, &target);
	end_hear(&target);

	assert_int_equal(target.report.rc, -EKEYREJECTED);
	assert_says(target.report.err.message, "showed no certificate");
	assert_int_equal(waitpid(child, &status, 0), child);
	end_forget(&target);
}

static void older_tls_is_refused_either_way(void **state)
{
	struct tls_end end;
	int near, far, status;
	pid_t child;

	(void)state;
	ends_connect(&near, &far);
	child = play_peer(near, true, TLS1_2_VERSION, &a);
	end_start(&b, NULL, far, &end);
	end_hear(&end);
	assert_int_equal(end.report.rc, -EPROTO);
	assert_says(end.report.err.message, "TLS 1.3");
	assert_int_equal(waitpid(child, &status, 0), child);
	end_forget(&end);

	ends_connect(&near, &far);
	child = play_peer(far, false, TLS1_2_VERSION, &b);
	end_start(&a, "B", near, &end);
	end_hear(&end);
	assert_int_equal(end.report.rc, -EPROTO);
	assert_says(end.report.err.message, "TLS 1.3");
	assert_int_equal(waitpid(child, &status, 0), child);
	end_forget(&end);
}

static void a_peer_that_goes_is_said_to_have_gone(void **state)
{
	struct tls_end target;
	int near, far;

	(void)state;
	ends_connect(&near, &far);
	end_start(&b, NULL, far, &target);
	close(near);
	end_hear(&target);
	assert_int_equal(target.report.rc, -ECONNRESET);
	assert_says(target.report.err.message, "closed the connection");
	end_forget(&target);
}

static void a_starter_that_has_lost_interest_ends_it(void **state)
{
	struct tls_end target;
	int near, far;
	char byte;

	(void)state;
	ends_connect(&near, &far);
	end_start(&b, NULL, far, &target);
	end_forget(&target);
	assert_int_equal(end_receive(near, &byte, 1), 0);
	close(near);
}

/* ---- its own files ---- */

static void report_of(const struct tls_files *files, struct tls_report *report)
{
	int near, far, control, fd = -1;

	ends_connect(&near, &far);
	assert_int_equal(tls_start(files, NULL, far, &control, NULL), 0);
	assert_true(end_await(control, POLLIN));
	assert_int_equal(tls_receive_report(control, report, &fd), 1);
	assert_int_equal(fd, -1);
	assert_true(report->rc < 0);
	close(control);
	close(near);
	close(far);
}

static void what_is_wrong_with_its_own_files_is_said(void **state)
{
	struct tls_files files = b.files;
	struct tls_identity other;
	struct tls_report report;

	(void)state;
	files.certificate = "/nowhere/host.crt";
	report_of(&files, &report);
	assert_says(report.err.message, "/nowhere/host.crt: No such file");
	assert_says(report.err.message, "pool-certificates");
	files.certificate = b.key;
	report_of(&files, &report);
	assert_says(report.err.message, "is not this host's certificate in PEM form");
	files = b.files;
	files.ca = b.key;
	report_of(&files, &report);
	assert_says(report.err.message, "the pool's authority");
	files = b.files;
	files.key = a.key;
	report_of(&files, &report);
	assert_says(report.err.message, "is not that of the certificate");
	files.key = b.certificate;
	assert_int_equal(chmod(b.certificate, 0600), 0);
	report_of(&files, &report);
	assert_says(report.err.message, "is not this host's key in PEM form");
	tls_pool_issue(&pool, "open", "DNS:B", NULL, &other);
	assert_int_equal(chmod(other.key, 0640), 0);
	report_of(&other.files, &report);
	assert_says(report.err.message, "is open to others");
	files = b.files;
	files.program = "/nowhere/xenferry-tls";
	report_of(&files, &report);
	assert_says(report.err.message, "installed whole");
}

/* ---- the starter's side alone ---- */

static void names_are_compared_whole_and_without_case(void **state)
{
	const char *names = "A b.example.org 192.0.2.11 ";

	(void)state;
	assert_true(tls_has_name(names, "a"));
	assert_true(tls_has_name(names, "B.example.ORG"));
	assert_true(tls_has_name(names, "192.0.2.11"));
	assert_false(tls_has_name(names, "b.example"));
	assert_false(tls_has_name(names, "example.org"));
	assert_false(tls_has_name(names, "192.0.2.1"));
	assert_false(tls_has_name(names, ""));
	assert_false(tls_has_name("", "a"));
}

static void a_report_is_looked_at_before_it_is_believed(void **state)
{
	struct tls_report report = { .rc = 0 };
	int pair[2], fd = -1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EAGAIN);
	assert_int_equal(send(pair[1], "short", 5, 0), 5);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EPROTO);
	report.names[0] = '\n';
	assert_int_equal(tls_send_report(pair[1], &report, -1), 0);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EPROTO);
	memset(report.names, 'x', sizeof(report.names));
	assert_int_equal(tls_send_report(pair[1], &report, pair[1]), 0);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EPROTO);
	report = (struct tls_report){ .rc = 1 };
	assert_int_equal(tls_send_report(pair[1], &report, -1), 0);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EPROTO);
	assert_int_equal(fd, -1);
	close(pair[1]);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), 0);
	assert_int_equal(tls_send_report(pair[0], &report, -1), -EPIPE);
	close(pair[0]);
}

/* The lowest number that is free: it changes when a descriptor was left open. */
static int next_fd(void)
{
	int fd = dup(STDIN_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void more_descriptors_than_one_leave_none_open(void **state)
{
	char byte = 0;
	struct iovec content = { &byte, 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { .bytes = "" };
	struct msghdr message = { .msg_iov = &content, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct tls_report report;
	int pair[2], fd = -1, next;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(pair)),
					   .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), pair, sizeof(pair));
	next = next_fd();
	assert_int_equal(sendmsg(pair[1], &message, 0), 1);
	assert_int_equal(tls_receive_report(pair[0], &report, &fd), -EPROTO);
	assert_int_equal(next_fd(), next);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_learn_who_is_there_and_bytes_pass),
		cmocka_unit_test(any_of_its_names_is_the_targets),
		cmocka_unit_test(a_bad_certificate_of_a_source_is_refused_and_both_are_told),
		cmocka_unit_test(a_bad_certificate_of_a_target_is_refused_and_both_are_told),
		cmocka_unit_test(a_certificate_for_something_else_is_refused),
		cmocka_unit_test(a_target_of_another_name_is_refused),
		cmocka_unit_test(plain_text_is_told_to_speak_tls),
		cmocka_unit_test(a_target_of_plain_text_is_said_to_be_one),
		cmocka_unit_test(a_source_without_a_certificate_is_refused),
		cmocka_unit_test(older_tls_is_refused_either_way),
		cmocka_unit_test(a_peer_that_goes_is_said_to_have_gone),
		cmocka_unit_test(a_starter_that_has_lost_interest_ends_it),
		cmocka_unit_test(what_is_wrong_with_its_own_files_is_said),
		cmocka_unit_test(names_are_compared_whole_and_without_case),
		cmocka_unit_test(a_report_is_looked_at_before_it_is_believed),
		cmocka_unit_test(more_descriptors_than_one_leave_none_open),
	};

	if (!getenv("top_builddir")) {
		print_message("SKIP: `make check` says where xenferry-tls is\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
