/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration file: what is taken is within its bounds, what is not says where. */
#include <assert.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { .code = ERR_NONE };
	struct config config;

	if (config_load(fuzz_file(data, size), &config, &err) < 0) {
		assert(err.code != ERR_NONE && err.message[0]);
		return 0;
	}
	assert(memchr(config.host_name, '\0', sizeof(config.host_name)));
	assert(memchr(config.state_dir, '\0', sizeof(config.state_dir)));
	assert(memchr(config.socket, '\0', sizeof(config.socket)));
	assert(memchr(config.listen, '\0', sizeof(config.listen)));
	return 0;
}
