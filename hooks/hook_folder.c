/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook_folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "cleanup.h"

#define SCRIPT_MAX 512 /* a path below `root` */

/* What xapi's own helper gives to a hook (forkhelpers.ml), and nothing of ours. */
static char path_variable[] = "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin";

static const char *const subjects[HOOKS] = {
#define X(hook, folder, vetoes, subject) [HOOK_##hook] = subject,
	HOOK_TABLE(X)
#undef X
};

/* ---- what is there ---- */

/* The programs of a hook, in their order. */
struct listing {
	struct dirent **entries;
	int count;
};

static void listing_fini(struct listing *listing)
{
	for (int i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
}
#define CLEANUP_LISTING __attribute__((cleanup(listing_fini)))

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort(): that is the locale's order */
}

/* All that is in the folder, as xenopsd takes it; a folder that is not there has nothing. */
static int list(const struct hook_folder *folder, enum hook hook, struct listing *listing,
		struct err *err)
{
	char path[PATH_MAX];
	int count;

	snprintf(path, sizeof(path), "%s/%s", folder->root, hook_name(hook));
	count = scandir(path, &listing->entries, is_entry, by_bytes);
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return err_errno(err, "the hooks in %s cannot be listed", path);
	listing->count = count;
	if (count > HOOK_SCRIPTS_MAX)
		return err_set(err, ERR_REFUSED, -E2BIG,
			       "%s has %d hooks, and %d are the most: take some out", path, count,
			       HOOK_SCRIPTS_MAX);
	return 0;
}

/*
 * Whether it may be run as root. -ENOENT: it was taken out since it was listed; a link to nothing
 * is still there.
 */
static int check(const char *path, const char *name, struct err *err)
{
	struct stat status;

	if (lstat(path, &status) < 0 && errno == ENOENT)
		return -ENOENT;
	if (stat(path, &status) < 0)
		return err_set(err, ERR_REFUSED, errno == ENOENT ? -EACCES : -errno,
			       "hook %s cannot be run: %s: %s", name, path, strerror(errno));
	if (!S_ISREG(status.st_mode) || access(path, X_OK) < 0)
		return err_set(err, ERR_REFUSED, -EACCES,
			       "hook %s is not an executable file: chmod +x %s, or take it out",
			       name, path);
	if (status.st_mode & S_IWOTH)
		return err_set(err, ERR_REFUSED, -EACCES,
			       "hook %s may be changed by anybody: chmod o-w %s", name, path);
	return 0;
}

/* Its path, and what people call it, "vm-pre-migrate/10firewall"; then check(). */
static int find(const struct hook_folder *folder, enum hook hook, const char *entry,
		char path[PATH_MAX], char name[SCRIPT_MAX], struct err *err)
{
	snprintf(name, SCRIPT_MAX, "%s/%s", hook_name(hook), entry);
	snprintf(path, PATH_MAX, "%s/%s", folder->root, name);
	return check(path, name, err);
}

static int look(struct hooks *hooks, enum hook hook, hook_seen_fn *seen, void *context,
		struct err *err)
{
	const struct hook_folder *folder = (const struct hook_folder *)hooks;
	CLEANUP_LISTING struct listing listing = { NULL, 0 };
	int rc = list(folder, hook, &listing, err);

	for (int i = 0; rc == 0 && i < listing.count; i++) {
		char path[PATH_MAX], name[SCRIPT_MAX];
		struct err why = { ERR_NONE, "" };

		if (find(folder, hook, listing.entries[i]->d_name, path, name, &why) != -ENOENT)
			seen(context, name, &why);
	}
	return rc;
}

/* ---- running ---- */

static void note(const struct hook_folder *folder, const char *name, int status, const char *words)
{
	char sentence[SCRIPT_MAX + CHILD_TAIL_MAX + 32];

	snprintf(sentence, sizeof(sentence), "hook %s: exit %d%s%s", name, status,
		 *words ? ": " : "", words);
	folder->note(folder->context, sentence);
}

static int verdict(const struct hook_folder *folder, const char *name, const struct child *child,
		   struct err *err)
{
	char line[CHILD_TAIL_MAX + 1];
	const char *words = child_last_line(child, line);
	const char *colon = *words ? ": " : "";

	if (child_exited(child, 0) || child_exited(child, 1)) {
		if (child_exited(child, 1) || *words)
			note(folder, name, WEXITSTATUS(child->status), words);
		return 0;
	}
	if (child->rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, child->rc, "cancelled in hook %s", name);
	if (child->rc == -ETIMEDOUT)
		return err_set(err, ERR_FAILED, child->rc,
			       "hook %s: still running at the deadline, killed%s%s", name, colon,
			       words);
	if (child->rc)
		return err_set(err, ERR_FAILED, child->rc, "hook %s cannot be run: %s", name,
			       strerror(-child->rc));
	if (WIFSIGNALED(child->status))
		return err_set(err, ERR_FAILED, -EPERM, "hook %s: killed by signal %d%s%s", name,
			       WTERMSIG(child->status), colon, words);
	return err_set(err, ERR_FAILED, -EPERM, "hook %s: exit %d%s%s", name,
		       WEXITSTATUS(child->status), colon, words);
}

/* execve() wants words that are not const. */
struct words {
	char text[4][64];
	char *list[8];
};

static void make_words(struct words *words, char *path, const struct hook_call *call)
{
	static char subject_vm[] = "-vmuuid", subject_host[] = "-hostuuid", reason[] = "-reason",
		    domid[] = "-vmdomid";
	bool vm = strcmp(subjects[call->hook], subject_vm) == 0;

	snprintf(words->text[0], sizeof(words->text[0]), "%s", call->uuid);
	snprintf(words->text[1], sizeof(words->text[1]), "%s", call->reason);
	snprintf(words->text[2], sizeof(words->text[2]), "%u", call->domid);
	memcpy(words->list,
	       (char *[]){ path, vm ? subject_vm : subject_host, words->text[0], reason,
			   words->text[1], vm && call->domid ? domid : NULL, words->text[2],
			   NULL },
	       sizeof(words->list));
}

static int run_one(const struct hook_folder *folder, const char *entry,
		   const struct hook_call *call, uint64_t deadline_us, bool cancellable,
		   struct err *err)
{
	char *const environment[] = { path_variable, NULL };
	uint64_t until_us = clock_after_ms(folder->clock, folder->timeout_ms);
	char path[PATH_MAX], name[SCRIPT_MAX];
	struct child child = CHILD_NONE;
	struct words words = { .list = { NULL } };
	int rc = find(folder, call->hook, entry, path, name, err);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	make_words(&words, path, call);
	if (child_start(&child, words.list, environment) == 0)
		(void)child_wait_all(folder->clock, &child, 1,
				     until_us < deadline_us ? until_us : deadline_us, cancellable);
	rc = verdict(folder, name, &child, err);
	child_fini(&child);
	return rc;
}

static int run(struct hooks *hooks, const struct hook_call *call, uint64_t deadline_us,
	       bool cancellable, struct err *err)
{
	const struct hook_folder *folder = (const struct hook_folder *)hooks;
	CLEANUP_LISTING struct listing listing = { NULL, 0 };
	int first;

	assert(call->hook < HOOKS);
	first = list(folder, call->hook, &listing, err);
	if (first < 0)
		return first;
	for (int i = 0; i < listing.count; i++) {
		int rc = run_one(folder, listing.entries[i]->d_name, call, deadline_us,
				 cancellable, first ? NULL : err);

		first = first ? first : rc;
		if (first && (hook_vetoes(call->hook) || first == -ECANCELED))
			return first;
	}
	return first;
}

static const struct hooks_ops folder_ops = { run, look };

void hook_folder_init(struct hook_folder *folder, const struct clock *clock, const char *root,
		      uint32_t timeout_ms, hook_note_fn *note_fn, void *context)
{
	*folder = (struct hook_folder){ .hooks = { &folder_ops },
					.clock = clock,
					.root = root,
					.timeout_ms = timeout_ms,
					.note = note_fn,
					.context = context };
}
