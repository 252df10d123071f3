/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

#define PACKET_MAX 2048
#define END_MS 1500 /* from the signal to its last word */

extern char **environ;

void probe_tally_hear(struct probe_tally *tally, uint64_t now_us, bool answered)
{
	if (tally->last_answer_us && now_us - tally->last_answer_us > tally->gap_us)
		tally->gap_us = now_us - tally->last_answer_us;
	if (!answered)
		return;
	tally->last_answer_us = now_us;
	tally->answered++;
}

/* ---- the child ---- */

/* A datagram socket where the system lets one, whose kernel does half the work; else a raw one. */
struct pinger {
	int fd;
	bool raw;
	uint16_t id;
	struct probe_tally tally;
};

static int open_pinger(struct pinger *pinger, const struct sockaddr_in *guest)
{
	pinger->id = htons((uint16_t)getpid());
	pinger->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	pinger->raw = pinger->fd < 0;
	if (pinger->raw)
		pinger->fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (pinger->fd < 0)
		return -errno;
	return connect(pinger->fd, (const struct sockaddr *)guest, sizeof(*guest)) < 0 ? -errno : 0;
}

/* RFC 1071 */
static uint16_t checksum(const struct icmphdr *header)
{
	uint16_t words[sizeof(*header) / 2];
	uint32_t sum = 0;

	memcpy(words, header, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static void ask(struct pinger *pinger)
{
	struct icmphdr question = { .type = ICMP_ECHO };

	question.un.echo.id = pinger->id;
	question.un.echo.sequence = htons((uint16_t)pinger->tally.sent);
	question.checksum = checksum(&question);
	pinger->tally.sent++;
	/* an unreachable guest is a lost question */
	(void)send(pinger->fd, &question, sizeof(question), MSG_DONTWAIT);
}

static void hear(struct pinger *pinger, uint64_t now_us)
{
	uint8_t packet[PACKET_MAX];
	ssize_t size = recv(pinger->fd, packet, sizeof(packet), MSG_DONTWAIT);
	size_t at = pinger->raw ? (packet[0] & 0xfu) * 4u : 0;
	struct icmphdr answer;

	if (size < 0 || (size_t)size < at + sizeof(answer))
		return;
	memcpy(&answer, packet + at, sizeof(answer));
	if (answer.type != ICMP_ECHOREPLY || (pinger->raw && answer.un.echo.id != pinger->id))
		return;
	probe_tally_hear(&pinger->tally, now_us, true);
}

/* Listens until the deadline; false when it was told to end. */
static bool listen_until(struct pinger *pinger, uint64_t deadline_us, bool cancellable)
{
	struct pollfd ready = { .fd = pinger->fd, .events = POLLIN };
	int count;

	while ((count = clock_wait(&clock_system, &ready, 1, deadline_us, cancellable)) > 0)
		hear(pinger, clock_now_us(&clock_system));
	return count == 0;
}

int run_probe(const struct config *config, char **arguments)
{
	struct sockaddr_in guest = { .sin_family = AF_INET };
	struct pinger pinger = { .fd = -1 };
	uint64_t next_us = clock_now_us(&clock_system);
	int rc = inet_pton(AF_INET, arguments[0], &guest.sin_addr) == 1 ? 0 : -EINVAL;

	(void)config;
	if (rc == 0)
		rc = open_pinger(&pinger, &guest);
	if (rc < 0) {
		printf("%d\n", -rc);
		return 1;
	}
	do {
		ask(&pinger);
		next_us += PROBE_INTERVAL_MS * 1000;
	} while (listen_until(&pinger, next_us, true));
	probe_tally_hear(&pinger.tally, clock_now_us(&clock_system), false);
	(void)listen_until(&pinger, clock_after_ms(&clock_system, PROBE_STRAGGLERS_MS), false);
	printf("0 %" PRIu64 " %" PRIu32 " %" PRIu32 "\n", pinger.tally.gap_us, pinger.tally.sent,
	       pinger.tally.answered);
	return 0;
}

/* ---- the worker ---- */

static int spawn(const struct config *config, const char *address, int output, pid_t *pid)
{
	char program[CONFIG_PATH_MAX + 32], mode[] = "probe", text[INET_ADDRSTRLEN];
	char *argv[] = { program, mode, text, NULL };
	posix_spawn_file_actions_t actions;
	int r;

	snprintf(program, sizeof(program), "%s/xenferry-worker", config->libexec_dir);
	snprintf(text, sizeof(text), "%s", address);
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int probe_check(const char *address, struct err *err)
{
	struct in_addr parsed;

	if (!address || inet_pton(AF_INET, address, &parsed) == 1)
		return 0;
	return err_set(err, ERR_USAGE, -EINVAL,
		       "probe= wants the guest's IPv4 address, not '%s'", address);
}

int probe_begin(struct probe *probe, const struct config *config, const char *address,
		struct err *err)
{
	CLEANUP_FD int output = -1;
	int ends[2], rc = probe_check(address, err);

	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "no pipe for the probe");
	probe->fd = ends[0];
	output = ends[1];
	rc = spawn(config, address, output, &probe->pid);
	if (rc < 0) {
		close(probe->fd);
		probe->pid = 0;
		return err_set(err, ERR_FAILED, rc, "the probe cannot be started: %s",
			       strerror(-rc));
	}
	return 0;
}

static int read_tally(int fd, const struct clock *clock, struct probe_tally *tally)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char line[96] = "";
	int failed;

	if (clock_wait(clock, &ready, 1, clock_after_ms(clock, END_MS), false) <= 0 ||
	    read(fd, line, sizeof(line) - 1) <= 0)
		return -ETIMEDOUT;
	if (sscanf(line, "%d %" SCNu64 " %" SCNu32 " %" SCNu32, &failed, &tally->gap_us,
		   &tally->sent, &tally->answered) == 4)
		return 0;
	return sscanf(line, "%d", &failed) == 1 && failed > 0 ? -failed : -EIO;
}

int probe_end(struct probe *probe, const struct clock *clock, struct probe_tally *tally,
	      struct err *err)
{
	int rc;

	if (probe->pid == 0)
		return -ENOENT;
	kill(probe->pid, SIGTERM);
	rc = read_tally(probe->fd, clock, tally);
	kill(probe->pid, SIGKILL);
	(void)waitpid(probe->pid, NULL, 0);
	close(probe->fd);
	probe->pid = 0;
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "the probe has found nothing: %s",
				strerror(-rc))
		      : 0;
}
