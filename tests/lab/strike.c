// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * strike SECONDS WORD DELAY_MS SIGNAL PROGRAM ADDRESS: in a dom0, waits until a migration that
 * begins from now on writes a line with "WORD" into its journal, and DELAY_MS longer; then sends
 * the signal to all processes of that program. So faults hit programs that know nothing of them.
 *
 * Prints "ready" when it watches, "struck N processes" when it has, and "answered_ms=40.3" when the
 * guest at ADDRESS answers a ping from then on; exits 1 when no such line was written in time, or
 * no such process was there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"

#define JOBS "/var/lib/xenferry/jobs"
#define JOBS_MAX 64
#define JOURNAL_MAX 65536
#define ANSWER_DEADLINE_MS 120000.0

struct job {
	char journal[PATH_MAX];
	bool old; /* it was there before us */
};

struct watch {
	int fd;
	char word[64]; /* with its quotes */
	struct job jobs[JOBS_MAX];
	size_t count;
};

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

static void watch_job(struct watch *watch, const char *name, bool old)
{
	struct job *job = &watch->jobs[watch->count];
	char folder[PATH_MAX];

	if (name[0] == '.' || watch->count == JOBS_MAX)
		return;
	snprintf(folder, sizeof(folder), JOBS "/%s", name);
	snprintf(job->journal, sizeof(job->journal), JOBS "/%s/journal", name);
	job->old = old;
	watch->count++;
	if (!old)
		inotify_add_watch(watch->fd, folder, IN_MODIFY | IN_CREATE);
}

static bool watch_begin(struct watch *watch, const char *word)
{
	DIR *folder = opendir(JOBS);
	const struct dirent *entry;

	snprintf(watch->word, sizeof(watch->word), "\"%s\"", word);
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (!folder || watch->fd < 0 || inotify_add_watch(watch->fd, JOBS, IN_CREATE) < 0) {
		perror("strike: " JOBS);
		return false;
	}
	while ((entry = readdir(folder)))
		watch_job(watch, entry->d_name, true);
	closedir(folder);
	return true;
}

/* Whether a job that is not old has written the word by now. */
static bool is_written(const struct watch *watch)
{
	static char text[JOURNAL_MAX];

	for (size_t i = 0; i < watch->count; i++) {
		int fd = watch->jobs[i].old ? -1 : open(watch->jobs[i].journal, O_RDONLY);
		ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		if (fd >= 0)
			close(fd);
		text[size > 0 ? size : 0] = '\0';
		if (strstr(text, watch->word))
			return true;
	}
	return false;
}

/* Takes what inotify has to say; a folder that is new is watched from now on. */
static void take_events(struct watch *watch)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(watch->fd, events, sizeof(events));
	const struct inotify_event *event;

	for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(events + at);
		if (event->mask & IN_ISDIR && event->len > 0)
			watch_job(watch, event->name, false);
	}
}

static bool await_word(struct watch *watch, long seconds)
{
	double deadline = now_ms() + (double)seconds * 1e3;
	struct pollfd fds = { .fd = watch->fd, .events = POLLIN };

	while (!is_written(watch)) {
		double left = deadline - now_ms();

		if (left <= 0 || poll(&fds, 1, (int)left + 1) < 0)
			return false;
		take_events(watch);
	}
	return true;
}

static bool is_called(const char *pid, const char *program)
{
	char path[PATH_MAX], name[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return strncmp(name, program, 15) == 0; /* all that the kernel keeps of a name */
}

static unsigned send_to_all(const char *program, int signal_number)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	while (folder && (entry = readdir(folder)))
		if (atoi(entry->d_name) > 0 && is_called(entry->d_name, program) &&
		    kill(atoi(entry->d_name), signal_number) == 0)
			count++;
	if (folder)
		closedir(folder);
	return count;
}

/* strike_and_listen: returns how many processes it struck. */
static unsigned strike_and_listen(const char *program, int signal_number, int sock)
{
	const struct sched_param as_others = { 0 };
	unsigned count = send_to_all(program, signal_number);

	/* the guest may need this processor to answer */
	if (sched_setscheduler(0, SCHED_OTHER, &as_others) < 0)
		perror("strike: not as all others");
	printf("struck %u processes\n", count);
	fflush(stdout); /* who struck a process down with SIGSTOP waits for this line */
	if (count > 0)
		printf("answered_ms=%.1f\n", echo_answered_after_ms(sock, ANSWER_DEADLINE_MS));
	return count;
}

int main(int argc, char **argv)
{
	static struct watch watch;
	/* before whoever wrote the line goes on, where there is one processor */
	const struct sched_param first = { .sched_priority = 50 };
	int sock;

	if (argc != 7) {
		fprintf(stderr, "usage: strike SECONDS WORD DELAY_MS SIGNAL PROGRAM ADDRESS\n");
		return 2;
	}
	sock = echo_open(argv[6]);
	if (sock < 0 || !watch_begin(&watch, argv[2]))
		return 1;
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		perror("strike: not before all others");
	printf("ready\n");
	fflush(stdout);
	if (!await_word(&watch, atol(argv[1]))) {
		fprintf(stderr, "strike: nobody wrote %s\n", watch.word);
		return 1;
	}
	pause_ms(atol(argv[3]));
	return strike_and_listen(argv[5], atoi(argv[4]), sock) == 0;
}
