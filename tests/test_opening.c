/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How connections open: link_connect() against listeners on the loopback that say one thing and
 * another, and the answers of link_welcome() and link_refuse().
 */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "tlv.h"

#define GENEROUS_MS 20000 /* deadline of what must succeed, however slow the machine is */
#define BRIEF_MS 200      /* deadline of what must not */

static const struct wire_hello control_hello = {
	.version_oldest = WIRE_VERSION_OLDEST,
	.version_newest = WIRE_VERSION,
	.kind = WIRE_CONTROL,
	.job = "the uuid of a j",
	.nonce = "one nonce for u",
};

/* What the far end says when it has read a hello; then it waits for the other's end. */
struct answer {
	uint8_t bytes[512];
	size_t size;
	bool silent; /* keeps the connection without a word; else an empty answer closes it */
};

static int listen_on_loopback(int backlog, uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static int connect_plainly(const struct clock *clock, const char *address, uint16_t port,
			   const struct wire_hello *hello, uint64_t deadline_us, int *fd,
			   struct err *err)
{
	const struct link_place place = { .address = address, .port = port };

	return link_connect(clock, &place, hello, deadline_us, fd, err);
}

static int play_peer(int listener, const struct answer *answer)
{
	uint8_t hello[WIRE_HELLO_BYTES];
	int fd = accept(listener, NULL, NULL);
	char byte;

	if (fd < 0 || recv(fd, hello, sizeof(hello), MSG_WAITALL) != sizeof(hello))
		return 1;
	if (answer->size > 0 &&
	    send(fd, answer->bytes, answer->size, MSG_NOSIGNAL) != (ssize_t)answer->size)
		return 1;
	if (answer->size > 0 || answer->silent)
		(void)!read(fd, &byte, 1);
	return 0;
}

/* Connects to a peer in another process that answers `answer`. */
static int connect_to(const struct answer *answer, const char *address, enum wire_kind kind,
		      uint64_t within_ms, int *fd, struct err *err)
{
	struct wire_hello hello = control_hello;
	uint16_t port;
	int listener = listen_on_loopback(4, &port), rc, status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(play_peer(listener, answer));
	close(listener);
	hello.kind = kind;
	rc = connect_plainly(&clock_system, address, port, &hello,
			  clock_after_ms(&clock_system, within_ms), fd, err);
	if (rc == 0)
		shutdown(*fd, SHUT_WR);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return rc;
}

static struct answer frame_answer(enum wire_type type, const struct tlv_writer *fields,
				  const uint8_t nonce[WIRE_ID_BYTES])
{
	struct wire_frame frame = { .type = type, .size = (uint32_t)fields->size };
	struct answer answer = { .size = WIRE_FRAME_BYTES + fields->size };

	memcpy(frame.nonce, nonce, WIRE_ID_BYTES);
	wire_encode_frame(&frame, answer.bytes);
	if (fields->size > 0)
		memcpy(answer.bytes + WIRE_FRAME_BYTES, fields->bytes, fields->size);
	return answer;
}

static struct answer welcome_answer(uint64_t version)
{
	struct tlv_writer fields;
	struct answer answer;

	tlv_writer_init(&fields, 64);
	tlv_put_u64(&fields, WIRE_FIELD_VERSION, version);
	tlv_put_string(&fields, 99, "of a later version");
	answer = frame_answer(WIRE_WELCOME, &fields, control_hello.nonce);
	tlv_writer_fini(&fields);
	return answer;
}

/* ---- the connecting side ---- */

static void a_welcomed_connection_is_tuned_and_has_the_mode_of_its_kind(void **state)
{
	static const enum wire_kind kinds[] = { WIRE_CONTROL, WIRE_MEMORY, WIRE_ASK,
						WIRE_TRANSPORT, WIRE_INQUIRY };
	struct answer answer = welcome_answer(1);

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = -1, value = 0;
		socklen_t size = sizeof(value);

		assert_int_equal(connect_to(&answer, "127.0.0.1", kinds[i], GENEROUS_MS, &fd, NULL),
				 0);
		assert_int_equal(!(fcntl(fd, F_GETFL) & O_NONBLOCK),
				 kinds[i] == WIRE_MEMORY || kinds[i] == WIRE_TRANSPORT);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
		assert_int_equal(value, 1);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
		assert_int_equal(value, 1);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size), 0);
		assert_int_equal(value, 30000);
		close(fd);
	}
}

/* "localhost" is ::1 and 127.0.0.1 on most machines, and nobody listens on the first. */
static void every_address_of_a_name_is_tried(void **state)
{
	struct answer answer = welcome_answer(1);
	int fd = -1;

	(void)state;
	assert_int_equal(connect_to(&answer, "localhost", WIRE_CONTROL, GENEROUS_MS, &fd, NULL), 0);

	close(fd);
}

static void a_refusal_brings_the_peers_code_and_words(void **state)
{
	static const uint8_t no_nonce[WIRE_ID_BYTES];
	struct answer answer;
	struct tlv_writer fields;
	struct err err;
	int fd = -1;

	(void)state;
	tlv_writer_init(&fields, 128);
	tlv_put_string(&fields, WIRE_FIELD_CODE, "refused");
	tlv_put_string(&fields, WIRE_FIELD_MESSAGE, "4 guests are coming in already");
	answer = frame_answer(WIRE_REFUSED, &fields, no_nonce);
	tlv_writer_fini(&fields);

	assert_int_equal(connect_to(&answer, "127.0.0.1", WIRE_CONTROL, GENEROUS_MS, &fd, &err),
			 -ECONNABORTED);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.message, "host 127.0.0.1 (port "));
	assert_non_null(strstr(err.message, "4 guests are coming in already"));
	assert_int_equal(fd, -1);
}

static void a_version_that_we_do_not_speak_is_incompatible(void **state)
{
	static const uint64_t versions[] = { 0, WIRE_VERSION + 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct answer answer = welcome_answer(versions[i]);
		struct err err;
		int fd;

		assert_int_equal(connect_to(&answer, "127.0.0.1", WIRE_CONTROL, GENEROUS_MS, &fd,
					    &err), -EPROTONOSUPPORT);
		assert_int_equal(err.code, ERR_INCOMPATIBLE);
		assert_non_null(strstr(err.message, "upgrade"));
	}
}

static void a_welcome_that_requires_the_unknown_is_incompatible(void **state)
{
	struct answer answer;
	struct tlv_writer fields;
	struct err err;
	int fd;

	(void)state;
	tlv_writer_init(&fields, 64);
	tlv_put_u64(&fields, WIRE_FIELD_VERSION, 1);
	tlv_put_u64(&fields, 99 | TLV_REQUIRED, 1);
	answer = frame_answer(WIRE_WELCOME, &fields, control_hello.nonce);
	tlv_writer_fini(&fields);

	assert_int_equal(connect_to(&answer, "127.0.0.1", WIRE_CONTROL, GENEROUS_MS, &fd, &err),
			 -EPROTONOSUPPORT);
	assert_int_equal(err.code, ERR_INCOMPATIBLE);
}

static void a_stranger_on_the_port_is_no_peer(void **state)
{
	struct answer rows[] = {
		{ .bytes = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n", .size = 40 },
		{ .bytes = "220 mail\r\n", .size = 10 }, /* too short for a frame */
		{ .silent = true },
		{ .size = 0 }, /* closes */
		welcome_answer(1), /* of another job, see below */
		welcome_answer(1), /* damaged, see below */
	};

	(void)state;
	rows[4].bytes[20] ^= 1;
	rows[5].bytes[WIRE_FRAME_BYTES + 5] = 7;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool waits = rows[i].silent || rows[i].size == 10;
		struct err err;
		int fd = -1, rc;

		rc = connect_to(&rows[i], "127.0.0.1", WIRE_CONTROL,
				waits ? BRIEF_MS : GENEROUS_MS, &fd, &err);
		if (rc >= 0 || err.code != ERR_NO_PEER || (rc == -ETIMEDOUT) != waits || fd != -1)
			fail_msg("row %zu: %d %s", i, rc, err.message);
	}
}

static void a_port_where_nobody_listens_is_said_with_the_remedy(void **state)
{
	struct fake_clock fake;
	struct err err;
	uint16_t port;
	int fd = -1;

	(void)state;
	fake_clock_init(&fake);
	close(listen_on_loopback(1, &port));

	assert_int_equal(connect_plainly(&fake.clock, "127.0.0.1", port, &control_hello,
				      clock_after_ms(&fake.clock, 1000), &fd, &err),
			 -ECONNREFUSED);
	assert_int_equal(err.code, ERR_NO_PEER);
	assert_non_null(strstr(err.message, "127.0.0.1: Connection refused"));
	assert_non_null(strstr(err.message, "is xenferryd running there"));
}

static void a_host_that_does_not_answer_is_given_up_at_the_deadline(void **state)
{
	struct fake_clock fake;
	struct err err;
	uint16_t port;
	int listener = listen_on_loopback(0, &port), waiting[4], fd;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
				       .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };

	(void)state;
	fake_clock_init(&fake);
	for (size_t i = 0; i < 4; i++) { /* the queue is full: what comes now gets no answer */
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
	}

	assert_int_equal(connect_plainly(&fake.clock, "127.0.0.1", port, &control_hello,
				      clock_after_ms(&fake.clock, 1000), &fd, &err), -ETIMEDOUT);
	assert_int_equal(err.code, ERR_NO_PEER);
	assert_int_equal(fake.now_us, 2000000);
	fake.cancelled = true;
	assert_int_equal(connect_plainly(&fake.clock, "127.0.0.1", port, &control_hello,
				      clock_after_ms(&fake.clock, 1000), &fd, &err), -ECANCELED);
	for (size_t i = 0; i < 4; i++)
		close(waiting[i]);
	close(listener);
}

/* Longer than any label of a name, so that no resolver is asked. */
static void a_name_that_does_not_exist_is_said(void **state)
{
	char name[80];
	struct err err;
	int fd;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';

	assert_int_equal(connect_plainly(&clock_system, name, 8002, &control_hello,
				      clock_after_ms(&clock_system, 1000), &fd, &err),
			 -EHOSTUNREACH);
	assert_int_equal(err.code, ERR_NO_PEER);
	assert_non_null(strstr(err.message, "cannot be found"));
}

static void looking_a_name_up_can_be_cancelled(void **state)
{
	struct fake_clock fake;
	struct err err;
	int fd = -1;

	(void)state;
	fake_clock_init(&fake);
	fake.cancelled = true;

	assert_int_equal(connect_plainly(&fake.clock, "host.invalid", 8002, &control_hello,
				      clock_after_ms(&fake.clock, 1000), &fd, &err), -ECANCELED);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_non_null(strstr(err.message, "looked up"));
}

/* ---- the accepting side, against our own link_connect() ---- */

/* In another process: connects, and says by its exit status whether it came out as `rc`, `code`. */
static pid_t start_connector(uint16_t port, const struct wire_hello *hello, int rc,
			     enum err_code code)
{
	struct err err = { .code = ERR_NONE };
	pid_t child = fork();
	char byte;
	int fd;

	assert_true(child >= 0);
	if (child > 0)
		return child;
	if (connect_plainly(&clock_system, "127.0.0.1", port, hello,
			 clock_after_ms(&clock_system, GENEROUS_MS), &fd, &err) != rc)
		_exit(1);
	if (err.code != code || (rc == 0 && send(fd, "!", 1, 0) != 1))
		_exit(2);
	_exit(rc == 0 && recv(fd, &byte, 1, 0) < 0 && errno != EAGAIN ? 3 : 0);
}

static void accept_hello(int listener, int *fd, uint8_t bytes[WIRE_HELLO_BYTES])
{
	*fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(*fd >= 0);
	assert_int_equal(fcntl(*fd, F_SETFL, 0), 0);
	assert_int_equal(recv(*fd, bytes, WIRE_HELLO_BYTES, MSG_WAITALL), WIRE_HELLO_BYTES);
	assert_int_equal(fcntl(*fd, F_SETFL, O_NONBLOCK), 0);
}

static void end_connector(pid_t child, int fd)
{
	int status;

	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_hello_is_welcomed_and_the_stream_follows(void **state)
{
	struct wire_hello hello = control_hello, got;
	uint8_t bytes[WIRE_HELLO_BYTES];
	uint16_t port;
	int listener = listen_on_loopback(4, &port), fd;
	pid_t child;
	char byte;

	(void)state;
	hello.kind = WIRE_MEMORY;
	child = start_connector(port, &hello, 0, ERR_NONE);
	accept_hello(listener, &fd, bytes);
	assert_int_equal(wire_decode_hello(bytes, &got, NULL), 0);
	assert_int_equal(got.kind, WIRE_MEMORY);
	assert_memory_equal(got.job, control_hello.job, WIRE_ID_BYTES);
	assert_int_equal(link_welcome(&clock_system, fd, &got,
				      clock_after_ms(&clock_system, GENEROUS_MS), NULL), 0);

	assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, '!');
	end_connector(child, fd);
	close(listener);
}

static void a_hello_of_a_later_version_is_refused_in_words_that_it_understands(void **state)
{
	struct wire_hello later = control_hello, got;
	uint8_t bytes[WIRE_HELLO_BYTES];
	uint16_t port;
	int listener = listen_on_loopback(4, &port), fd;
	struct err err;
	pid_t child;

	(void)state;
	later.version_oldest = WIRE_VERSION + 1;
	later.version_newest = WIRE_VERSION + 1;
	child = start_connector(port, &later, -ECONNABORTED, ERR_INCOMPATIBLE);
	accept_hello(listener, &fd, bytes);
	assert_int_equal(wire_decode_hello(bytes, &got, &err), -EPROTONOSUPPORT);

	assert_int_equal(link_refuse(&clock_system, fd, &got, &err,
				     clock_after_ms(&clock_system, GENEROUS_MS)), 0);
	end_connector(child, fd);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_welcomed_connection_is_tuned_and_has_the_mode_of_its_kind),
		cmocka_unit_test(every_address_of_a_name_is_tried),
		cmocka_unit_test(a_refusal_brings_the_peers_code_and_words),
		cmocka_unit_test(a_version_that_we_do_not_speak_is_incompatible),
		cmocka_unit_test(a_welcome_that_requires_the_unknown_is_incompatible),
		cmocka_unit_test(a_stranger_on_the_port_is_no_peer),
		cmocka_unit_test(a_port_where_nobody_listens_is_said_with_the_remedy),
		cmocka_unit_test(a_host_that_does_not_answer_is_given_up_at_the_deadline),
		cmocka_unit_test(a_name_that_does_not_exist_is_said),
		cmocka_unit_test(looking_a_name_up_can_be_cancelled),
		cmocka_unit_test(a_hello_is_welcomed_and_the_stream_follows),
		cmocka_unit_test(
			a_hello_of_a_later_version_is_refused_in_words_that_it_understands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
