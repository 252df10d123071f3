/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec_choice.h"
#include "numa.h"
#include "description.h"
#include "host.h"
#include "saved_file.h"

int daemon_check_guest(const char *vm, struct err *err)
{
	bool good = *vm != '\0' && strlen(vm) < GUEST_NAME_MAX;

	for (const char *c = vm; *c; c++)
		good = good && (unsigned char)*c >= ' ' && *c != 0x7f;
	if (good)
		return 0;
	return err_set(err, ERR_USAGE, -EINVAL,
		       "vm wants a guest's name, uuid or domid of 1 to %d bytes",
		       GUEST_NAME_MAX - 1);
}

int daemon_check_memory(const struct json_value *params, struct err *err)
{
	const char *compress = json_get_string(params, "compress");
	const char *numa = json_get_string(params, "numa_node");
	int64_t channels = json_get_integer(params, "channels", 1);
	unsigned number;

	if (compress && compress_from_text(compress, &number) < 0)
		return err_set(err, ERR_USAGE, -EINVAL, "compress wants " COMPRESS_WORDS);
	if (numa && numa_from_text(numa, &number) < 0)
		return err_set(err, ERR_USAGE, -EINVAL, "numa_node wants " NUMA_WORDS);
	if (channels < 0 || channels > MEMORY_CHANNELS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "channels are 0 to %d",
			       MEMORY_CHANNELS_MAX);
	return 0;
}

int daemon_answer_uuid(struct client *client, const struct rpc_id *id, const char *uuid,
		       const char *caution, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an answer");
	rpc_result_begin(writer, id);
	json_object_begin(writer);
	json_put_string(writer, "uuid", uuid);
	if (caution)
		json_put_string(writer, "caution", caution);
	json_object_end(writer);
	rpc_result_end(writer);
	client_send(client, writer);
	return 0;
}

static int start(struct jobs *jobs, const struct json_value *params, const char *plan,
		 char uuid[UUID_TEXT], struct err *err)
{
	const char *vm = json_get_string(params, "vm");
	struct job_request wanted = {
		.vm = vm ? vm : "a saved guest",
		.plan = plan,
		.compress = json_get_string(params, "compress"),
		.channels = -1,
		.file = json_get_string(params, "file"),
	};
	struct saved_file file;
	struct steering steering;
	int rc = daemon_check_guest(wanted.vm, err);

	if (rc == 0)
		rc = daemon_check_memory(params, err);
	if (rc == 0)
		rc = saved_file_name(&file, wanted.file, "", err);
	if (rc == 0)
		rc = steering_read(params, jobs->setup.config, &steering, err);
	if (rc < 0)
		return rc;
	snprintf(wanted.place.name, sizeof(wanted.place.name), "a file");
	wanted.steering = &steering;
	wanted.params = params;
	return jobs_migrate(jobs, &wanted, uuid, err);
}

static int use_file(struct methods *methods, struct client *client,
		    const struct rpc_request *request, const char *plan, struct err *err)
{
	char uuid[UUID_TEXT];
	int rc = start(methods->jobs, request->params, plan, uuid, err);

	return rc < 0 ? rc : daemon_answer_uuid(client, &request->id, uuid, NULL, err);
}

int files_suspend(struct methods *methods, struct client *client,
		  const struct rpc_request *request, struct err *err)
{
	return use_file(methods, client, request, "suspend", err);
}

int files_checkpoint(struct methods *methods, struct client *client,
		     const struct rpc_request *request, struct err *err)
{
	return use_file(methods, client, request, "checkpoint", err);
}

int files_resume(struct methods *methods, struct client *client,
		 const struct rpc_request *request, struct err *err)
{
	return use_file(methods, client, request, "resume", err);
}
