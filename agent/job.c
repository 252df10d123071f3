/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file_lock.h"
#include "json.h"
#include "plan_file.h"
#include "uuid.h"

#define JOB_PATH_MAX (JOB_FOLDER_MAX + 32)
#define NOTE_MAX 4096

int job_find(const struct config *config, const char *uuid, bool finished_too, struct job *job,
	     struct err *err)
{
	static const char *const folders[] = { "jobs", "history" };

	*job = (struct job){ .lock = -1 };
	if (!uuid_from_text(uuid, job->id))
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is not a job's UUID", uuid);
	memcpy(job->uuid, uuid, sizeof(job->uuid));
	for (size_t i = 0; i < (finished_too ? 2 : 1); i++) {
		struct stat info;

		snprintf(job->folder, sizeof(job->folder), "%s/%s/%s", config->state_dir,
			 folders[i], uuid);
		if (stat(job->folder, &info) == 0 && S_ISDIR(info.st_mode))
			return 0;
	}
	return err_set(err, ERR_FAILED, -ENOENT, "there is no job %s in %s", uuid,
		       config->state_dir);
}

static int open_lock(const struct job *job, int flags)
{
	char path[JOB_PATH_MAX];

	snprintf(path, sizeof(path), "%s/lock", job->folder);
	return open(path, flags | O_CLOEXEC, 0600);
}

int job_lock(struct job *job, struct err *err)
{
	CLEANUP_FD int fd = open_lock(job, O_RDWR | O_CREAT);
	char pid[16];
	int rc;

	if (fd < 0)
		return err_errno(err, "open %s/lock", job->folder);
	rc = file_lock(fd);
	if (rc == -EBUSY)
		return err_set(err, ERR_FAILED, -EBUSY, "another worker is at job %s", job->uuid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "lock %s/lock: %s", job->folder, strerror(-rc));
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
		return err_errno(err, "write %s/lock", job->folder);
	job->lock = steal_fd(&fd);
	return 0;
}

bool job_is_live(const struct job *job)
{
	CLEANUP_FD int fd = open_lock(job, O_RDONLY);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void job_fini(struct job *job)
{
	if (job->lock >= 0)
		close(steal_fd(&job->lock));
}

int job_write_file(const struct job *job, const char *name, const char *text, size_t size,
		   struct err *err)
{
	char path[JOB_PATH_MAX], fresh[JOB_PATH_MAX];
	CLEANUP_FD int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", job->folder, name);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", job->folder, name);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, size) != (ssize_t)size || fdatasync(fd) < 0)
		return err_errno(err, "write %s", fresh);
	if (rename(fresh, path) < 0)
		return err_errno(err, "rename %s to %s", fresh, path);
	return 0;
}

int job_write_note(const struct job *job, const struct job_note *note, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	char nonce[NONCE_TEXT];
	const char *text;
	size_t size;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	nonce_to_text(note->nonce, nonce);
	json_object_begin(writer);
	json_put_string(writer, "side", side_name(note->side));
	json_put_string(writer, "nonce", nonce);
	json_put_string(writer, "address", note->address);
	json_put_string(writer, "certificate", note->certificate);
	json_put_integer(writer, "port", note->port);
	json_object_end(writer);
	text = json_text(writer, &size);
	return job_write_file(job, "note", text, size, err);
}

int job_read_note(const struct job *job, struct job_note *note, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *value = NULL;
	const char *side, *nonce, *address, *certificate;
	char path[JOB_PATH_MAX];

	snprintf(path, sizeof(path), "%s/note", job->folder);
	value = json_parse_file(path, NOTE_MAX, err);
	if (!value)
		return -EIO;
	side = json_get_string(value, "side");
	nonce = json_get_string(value, "nonce");
	address = json_get_string(value, "address");
	certificate = json_get_string(value, "certificate");
	if (!side || !nonce || !address || !nonce_from_text(nonce, note->nonce))
		return err_set(err, ERR_FAILED, -EBADMSG, "%s is not a job's note", path);
	note->side = strcmp(side, side_name(SIDE_TARGET)) == 0 ? SIDE_TARGET : SIDE_SOURCE;
	snprintf(note->address, sizeof(note->address), "%s", address);
	snprintf(note->certificate, sizeof(note->certificate), "%s",
		 certificate ? certificate : address);
	note->port = (uint16_t)json_get_integer(value, "port", 0);
	return 0;
}

int job_write_plan(const struct job *job, const struct plan *plan, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);
	const char *text;
	size_t size;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	plan_write(plan, writer);
	text = json_text(writer, &size);
	return job_write_file(job, "plan.json", text, size, err);
}

int job_read_plan(const struct job *job, struct plan *plan, struct err *err)
{
	char path[JOB_PATH_MAX];

	snprintf(path, sizeof(path), "%s/plan.json", job->folder);
	return plan_read_file(path, plan, err);
}
