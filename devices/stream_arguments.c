/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channels.h"
#include "codec_choice.h"

#define PAGES_MAX (1ull << 40)
#define SIDE_NUMBERS 4 /* at most, after the verb */
#define FILTER_NUMBERS 3

static bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && !*end && *number <= max;
}

/* As many numbers as `max` has elements, each up to its maximum. */
static bool parse_numbers(char **words, const uint64_t *max, int count, uint64_t *numbers)
{
	for (int i = 0; i < count; i++)
		if (!parse_number(words[i], max[i], &numbers[i]))
			return false;
	return true;
}

bool stream_arguments_parse(int argc, char **argv, struct stream_arguments *arguments)
{
	static const uint64_t side_max[SIDE_NUMBERS] = { UINT32_MAX, UINT32_MAX, UINT32_MAX,
							 PAGES_MAX };
	static const uint64_t filter_max[FILTER_NUMBERS] = { CHANNELS_MAX, COMPRESS_AUTO, 1 };
	uint64_t side[SIDE_NUMBERS] = { 0 }, filter[FILTER_NUMBERS] = { 0 };
	bool saving = argc > 1 && strcmp(argv[1], "save") == 0;
	int numbers = saving ? 1 : SIDE_NUMBERS;
	int more = argc - 2 - numbers;

	if (argc < 2 || (!saving && strcmp(argv[1], "restore") != 0) ||
	    (more != 0 && more != FILTER_NUMBERS) ||
	    !parse_numbers(argv + 2, side_max, numbers, side) ||
	    !parse_numbers(argv + 2 + numbers, filter_max, more, filter) ||
	    (more > 0 && filter[0] == 0))
		return false;
	*arguments = (struct stream_arguments){
		.saving = saving,
		.domid = (uint32_t)side[0],
		.store_port = (uint32_t)side[1],
		.console_port = (uint32_t)side[2],
		.pages_max = side[3],
		.filtered = more > 0,
		.channels = (uint32_t)filter[0],
		.compress = (uint32_t)filter[1],
		.verify = filter[2] != 0,
	};
	return true;
}
