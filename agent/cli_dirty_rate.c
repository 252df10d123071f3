/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dirty-rate: starts a worker that measures. No daemon is asked: nothing is moved, and the worker
 * and those of migrations keep clear of each other by themselves.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli_print.h"
#include "config.h"
#include "json.h"

#define ANSWER_MAX 4096 /* bytes */

static void print_answer(const struct json_value *answer)
{
	const double mib = 1024.0 * 1024.0;
	double rate = json_get_double(answer, "dirty_bytes_per_s", 0);
	double memory = json_get_double(answer, "memory_bytes", 0);
	CLEANUP_FREE char *name = cli_value(answer, "name-label");

	printf("%s dirties %.1f MiB/s: %lld different pages in %.1f s, %.1f %% of its memory\n",
	       name ? name : "", rate / mib,
	       (long long)json_get_integer(answer, "dirty_pages", 0),
	       json_get_double(answer, "seconds", 0),
	       memory > 0 ? json_get_double(answer, "dirty_bytes", 0) * 100 / memory : 0);
}

/* Runs the worker with its stdout in `out`; what it says of a failure is its own. */
static void become_worker(const struct config *config, const struct cli_args *args, int out)
{
	const char *seconds = cli_text(args, "seconds");
	char path[CONFIG_PATH_MAX + 32], config_word[] = "--config", verb[] = "dirty-rate";
	char *words[7], one[] = "1";
	size_t count = 0;

	snprintf(path, sizeof(path), "%s/xenferry-worker", config->libexec_dir);
	/* the casts: execv() takes no const, and changes nothing */
	words[count++] = path;
	if (args->config) {
		words[count++] = config_word;
		words[count++] = (char *)(uintptr_t)args->config;
	}
	words[count++] = verb;
	words[count++] = (char *)(uintptr_t)cli_text(args, "vm");
	words[count++] = seconds ? (char *)(uintptr_t)seconds : one;
	words[count] = NULL;
	if (dup2(out, STDOUT_FILENO) >= 0)
		execv(path, words);
	fprintf(stderr, "xenferry: %s cannot be started: %s\n", path, strerror(errno));
	_exit(err_exit_status(ERR_FAILED));
}

/* The worker's answer; its exit status when it gave none. */
static int hear_worker(int in, pid_t pid, struct json_value **answer, struct err *err)
{
	char text[ANSWER_MAX];
	size_t size = 0;
	ssize_t got;
	int status = 0;

	while (size < sizeof(text) && (got = read(in, text + size, sizeof(text) - size)) != 0) {
		if (got < 0 && errno != EINTR)
			break;
		size += got > 0 ? (size_t)got : 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		exit(WEXITSTATUS(status)); /* it has said why */
	*answer = WIFEXITED(status) ? json_parse(text, size, err) : NULL;
	return *answer ? 0 : err_set(err, ERR_FAILED, -EIO, "the worker gave no answer");
}

int cli_dirty_rate(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	struct config config;
	int ends[2], rc = config_load(args->config, &config, err);
	pid_t pid;

	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "pipe");
	pid = fork();
	if (pid == 0)
		become_worker(&config, args, ends[1]);
	close(ends[1]);
	rc = pid < 0 ? err_errno(err, "fork") : hear_worker(ends[0], pid, &answer, err);
	close(ends[0]);
	if (rc < 0)
		return rc;
	if (args->json)
		cli_print_json(stdout, answer);
	else
		print_answer(answer);
	return 0;
}
