/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of a job's life: folders_open, folders_make, folders_worker (is somebody on it?),
 * folders_record, folders_write_record (when the worker could not), folders_file.
 */
#include "daemon_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "file_lock.h"
#include "job.h"
#include "orders.h"

static const char *const whiches[] = { "jobs", "history" };

/* <state>/<which>/<uuid>/<name>, as much of it as is given. Returns `path`. */
static const char *path_of(const struct folders *folders, const char *which, const char *uuid,
			   const char *name, char path[FOLDER_PATH_MAX])
{
	snprintf(path, FOLDER_PATH_MAX, "%s/%s%s%s%s%s", folders->state, which, uuid ? "/" : "",
		 uuid ? uuid : "", name ? "/" : "", name ? name : "");
	return path;
}

/* ---- opening ---- */

int folder_create(const char *path, mode_t mode, struct err *err)
{
	char part[FOLDER_PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1;; slash++) {
		slash = slash + strcspn(slash, "/");
		if (*slash == '\0')
			break;
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_errno(err, "the folder %s cannot be made", part);
		*slash = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_errno(err, "the folder %s cannot be made", path);
	return 0;
}

int folders_open(const char *state, uint32_t history_max, struct folders *folders, struct err *err)
{
	char path[FOLDER_PATH_MAX];
	CLEANUP_FD int lock = -1;
	int rc;

	*folders = (struct folders){ .history_max = history_max, .lock_fd = -1 };
	snprintf(folders->state, sizeof(folders->state), "%s", state);
	for (size_t i = 0; i < 2; i++) {
		rc = folder_create(path_of(folders, whiches[i], NULL, NULL, path), 0700, err);
		if (rc < 0)
			return rc;
	}
	lock = open(path_of(folders, "lock", NULL, NULL, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return err_errno(err, "%s cannot be opened", path);
	rc = file_lock(lock);
	if (rc < 0 && rc != -EBUSY)
		return err_set(err, ERR_FAILED, rc, "%s cannot be locked: %s", path, strerror(-rc));
	if (rc < 0)
		return err_set(err, ERR_FAILED, -EBUSY,
			       "another xenferryd works with %s; give this one a state of its own "
			       "([agent] state)",
			       state);
	folders->lock_fd = steal_fd(&lock);
	return 0;
}

void folders_close(struct folders *folders)
{
	if (folders->lock_fd >= 0)
		close(folders->lock_fd);
	folders->lock_fd = -1;
}

/* ---- writing ---- */

static int write_whole(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t wrote = write(fd, text, size);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -errno;
		text += wrote;
		size -= (size_t)wrote;
	}
	return 0;
}

static int sync_folder(const char *path)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Puts `text` at `path`, in `folder`: all of it or nothing, also after a crash of the host. */
static int replace_file(const char *folder, const char *path, const char *text, size_t size,
			struct err *err)
{
	char fresh[FOLDER_PATH_MAX + 8];
	CLEANUP_FD int fd = -1;

	snprintf(fresh, sizeof(fresh), "%s.daemon", path); /* the worker has a name of its own */
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "%s cannot be made", fresh);
	if (write_whole(fd, text, size) < 0 || write_whole(fd, "\n", 1) < 0 || fsync(fd) < 0)
		return err_errno(err, "%s cannot be written", fresh);
	if (rename(fresh, path) < 0 || sync_folder(folder) < 0)
		return err_errno(err, "%s cannot be replaced", path);
	return 0;
}

/* The same at jobs/<uuid>/<name>. */
static int write_file(const struct folders *folders, const char *uuid, const char *name,
		      const char *text, size_t size, struct err *err)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];

	path_of(folders, "jobs", uuid, NULL, folder);
	path_of(folders, "jobs", uuid, name, path);
	return replace_file(folder, path, text, size, err);
}

int folders_write_evacuation(const struct folders *folders, const char *text, size_t size,
			     struct err *err)
{
	char path[FOLDER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/evacuation.json", folders->state);
	return replace_file(folders->state, path, text, size, err);
}

struct json_value *folders_evacuation(const struct folders *folders)
{
	char path[FOLDER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/evacuation.json", folders->state);
	return json_parse_file(path, EVACUATION_FILE_MAX, NULL);
}

static bool exists(const struct folders *folders, const char *which, const char *uuid,
		   const char *name)
{
	char path[FOLDER_PATH_MAX];

	return access(path_of(folders, which, uuid, name, path), F_OK) == 0;
}

int folders_make(const struct folders *folders, const char *uuid, const char *request, size_t size,
		 struct err *err)
{
	char path[FOLDER_PATH_MAX], jobs[FOLDER_PATH_MAX];
	int rc;

	for (size_t i = 0; i < 2; i++)
		if (exists(folders, whiches[i], uuid, NULL))
			return err_set(err, ERR_REFUSED, -EEXIST, "the job %s is known already",
				       uuid);
	if (mkdir(path_of(folders, "jobs", uuid, NULL, path), 0700) < 0)
		return err_errno(err, "the folder %s cannot be made", path);
	rc = write_file(folders, uuid, "request.json", request, size, err);
	if (rc < 0)
		return rc;
	rc = sync_folder(path_of(folders, "jobs", NULL, NULL, jobs));
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "%s cannot be synced: %s", jobs, strerror(-rc))
		      : 0;
}

int folders_write_orders(const struct folders *folders, const char *uuid, const char *orders,
			 size_t size, struct err *err)
{
	return write_file(folders, uuid, ORDERS_FILE, orders, size, err);
}

int folders_write_record(const struct folders *folders, const char *uuid, const char *record,
			 size_t size, struct err *err)
{
	return write_file(folders, uuid, "record.json", record, size, err);
}

int folders_write_resolution(const struct folders *folders, const char *uuid, const char *text,
			     size_t size, struct err *err)
{
	return write_file(folders, uuid, JOB_RESOLUTION, text, size, err);
}

/* ---- history ---- */

/* Removes a job's folder, which holds files and no folders. */
static void remove_folder(const struct folders *folders, const char *uuid)
{
	char path[FOLDER_PATH_MAX];
	CLEANUP_DIR DIR *dir = opendir(path_of(folders, "history", uuid, NULL, path));
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)rmdir(path);
}

static void prune(const struct folders *folders)
{
	CLEANUP_FREE struct folder_entry *entries = NULL;
	ssize_t count = folders_list(folders, "history", &entries);

	for (ssize_t i = folders->history_max; i < count; i++)
		remove_folder(folders, entries[i].uuid);
}

int folders_file(const struct folders *folders, const char *uuid, struct err *err)
{
	char from[FOLDER_PATH_MAX], to[FOLDER_PATH_MAX];

	if (rename(path_of(folders, "jobs", uuid, NULL, from),
		   path_of(folders, "history", uuid, NULL, to)) < 0)
		return err_errno(err, "%s cannot be moved to the history", from);
	prune(folders);
	return 0;
}

/* ---- reading ---- */

static struct json_value *read_file(const struct folders *folders, const char *which,
				    const char *uuid, const char *name)
{
	char path[FOLDER_PATH_MAX];

	return json_parse_file(path_of(folders, which, uuid, name, path), FOLDER_FILE_MAX, NULL);
}

struct json_value *folders_request(const struct folders *folders, const char *uuid)
{
	return read_file(folders, "jobs", uuid, "request.json");
}

struct json_value *folders_orders(const struct folders *folders, const char *uuid)
{
	return read_file(folders, "jobs", uuid, ORDERS_FILE);
}

struct json_value *folders_record(const struct folders *folders, const char *uuid)
{
	struct json_value *record = read_file(folders, "jobs", uuid, "record.json");

	return record ? record : read_file(folders, "history", uuid, "record.json");
}

int folders_journal(const struct folders *folders, const char *uuid, struct journal_state *state,
		    struct err *err)
{
	char path[FOLDER_PATH_MAX];

	return journal_read(path_of(folders, "jobs", uuid, NULL, path), state, err);
}

bool folders_has_journal(const struct folders *folders, const char *uuid)
{
	return exists(folders, "jobs", uuid, "journal");
}

pid_t folders_worker(const struct folders *folders, const char *uuid)
{
	char path[FOLDER_PATH_MAX], text[16] = "";
	CLEANUP_FD int fd =
		open(path_of(folders, "jobs", uuid, "lock", path), O_RDONLY | O_CLOEXEC);
	long pid;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0; /* closing gives the lock back at once */
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	pid = strtol(text, NULL, 10);
	return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

int folders_claim(const struct folders *folders, const char *uuid)
{
	char path[FOLDER_PATH_MAX];
	CLEANUP_FD int fd = open(path_of(folders, "jobs", uuid, "lock", path),
				 O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : file_lock_until(fd, &clock_system, 0); /* now or not */

	return rc < 0 ? rc : steal_fd(&fd);
}

static int newest_first(const void *a, const void *b)
{
	const struct folder_entry *left = a, *right = b;

	if (left->changed_ns == right->changed_ns)
		return strcmp(left->uuid, right->uuid);
	return left->changed_ns < right->changed_ns ? 1 : -1;
}

/* True with `entry` filled when the directory entry is a job's folder. */
static bool read_entry(int folder, const char *name, struct folder_entry *entry)
{
	uint8_t uuid[UUID_BYTES];
	struct stat status;

	if (!uuid_from_text(name, uuid) || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	memcpy(entry->uuid, name, UUID_TEXT);
	entry->changed_ns = status.st_mtim.tv_sec * 1000000000LL + status.st_mtim.tv_nsec;
	return S_ISDIR(status.st_mode);
}

ssize_t folders_list(const struct folders *folders, const char *which,
		     struct folder_entry **entries)
{
	char path[FOLDER_PATH_MAX];
	CLEANUP_DIR DIR *dir = opendir(path_of(folders, which, NULL, NULL, path));
	CLEANUP_FREE struct folder_entry *list = NULL;
	const struct dirent *item;
	size_t count = 0;

	if (!dir)
		return -errno;
	while ((item = readdir(dir))) {
		struct folder_entry *more;

		more = reallocarray(list, count + 1, sizeof(*list));
		if (!more)
			return -ENOMEM;
		list = more;
		if (read_entry(dirfd(dir), item->d_name, &list[count]))
			count++;
	}
	qsort(list, count, sizeof(*list), newest_first);
	*entries = steal(list);
	return (ssize_t)count;
}
