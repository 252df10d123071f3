/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "orders.h"

#include <stdio.h>
#include <sys/stat.h>

#include "json.h"

static bool folder_take(struct orders *base, struct order *order)
{
	struct orders_folder *orders = (struct orders_folder *)base;
	CLEANUP_JSON_VALUE struct json_value *json = NULL;
	char path[JOB_FOLDER_MAX + 32];
	struct stat about;
	int64_t changed_ns;

	snprintf(path, sizeof(path), "%s/%s", orders->job->folder, ORDERS_FILE);
	if (stat(path, &about) < 0)
		return false;
	changed_ns = about.st_mtim.tv_sec * 1000000000ll + about.st_mtim.tv_nsec;
	if (changed_ns == orders->seen_ns)
		return false;
	json = json_parse_file(path, ORDERS_FILE_MAX, NULL);
	if (!json) /* it is replaced whole: the next look finds it */
		return false;
	orders->seen_ns = changed_ns;
	*order = (struct order){
		.bandwidth_mibps = json_get_integer(json, "bandwidth_mibps", -1),
		.go_on = json_get_boolean(json, "continue", false),
	};
	return true;
}

static const struct orders_ops folder_ops = { .take = folder_take };

void orders_init(struct orders_folder *orders, const struct job *job)
{
	*orders = (struct orders_folder){ .orders = { &folder_ops }, .job = job };
}
