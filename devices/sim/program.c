/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points: program_create() when the guest is made; program_recognise() and program_attach()
 * when it starts or has moved; the rest while it runs.
 */
#include "program.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PROGRAM_MAGIC UINT64_C(0x316d6172676f7270) /* "program1" */
#define WORDS (SIM_PAGE_BYTES / sizeof(uint64_t))
#define DISK_FRAMES (1 + PROGRAM_REQUESTS_MAX)
#define NIC_FRAMES (2 + PROGRAM_TX_MAX + PROGRAM_RX_MAX)
#define STATE_FRAMES frames_of(sizeof(struct program_state))
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t frames_of(uint64_t bytes)
{
	return (bytes + SIM_PAGE_BYTES - 1) / SIM_PAGE_BYTES;
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014) */
static uint64_t mix(uint64_t x)
{
	x += GOLDEN;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* ---- where things lie ---- */

static uint64_t table_first(uint32_t disk_count, uint32_t nic_count)
{
	return STATE_FRAMES + (uint64_t)disk_count * DISK_FRAMES + (uint64_t)nic_count * NIC_FRAMES;
}

static uint64_t data_first(uint64_t table, uint64_t pages)
{
	return table + frames_of(pages * sizeof(uint32_t));
}

uint64_t program_disk_ring(const struct program *program, uint32_t index)
{
	assert(index < program->state->disk_count);
	return STATE_FRAMES + (uint64_t)index * DISK_FRAMES;
}

uint64_t program_disk_buffer(const struct program *program, uint32_t index, uint32_t slot)
{
	assert(slot < PROGRAM_REQUESTS_MAX);
	return program_disk_ring(program, index) + 1 + slot;
}

uint64_t program_nic_tx_ring(const struct program *program, uint32_t index)
{
	assert(index < program->state->nic_count);
	return table_first(program->state->disk_count, 0) + (uint64_t)index * NIC_FRAMES;
}

uint64_t program_nic_rx_ring(const struct program *program, uint32_t index)
{
	return program_nic_tx_ring(program, index) + 1;
}

uint64_t program_nic_tx_buffer(const struct program *program, uint32_t index, uint32_t slot)
{
	assert(slot < PROGRAM_TX_MAX);
	return program_nic_tx_ring(program, index) + 2 + slot;
}

uint64_t program_nic_rx_buffer(const struct program *program, uint32_t index, uint32_t slot)
{
	assert(slot < PROGRAM_RX_MAX);
	return program_nic_tx_ring(program, index) + 2 + PROGRAM_TX_MAX + slot;
}

void program_touch(struct program *program, const void *object, size_t bytes)
{
	uint64_t first = (uint64_t)((const uint8_t *)object - program->ram) / SIM_PAGE_BYTES;
	uint64_t last = (uint64_t)((const uint8_t *)object + bytes - 1 - program->ram) /
			SIM_PAGE_BYTES;

	for (uint64_t gfn = first; gfn <= last; gfn++)
		program_touch_frame(program, gfn);
}

/* ---- having one ---- */

static void hold(struct program *program, struct sim_memory *memory, uint8_t *ram)
{
	program->memory = memory;
	program->ram = ram;
	program->state = (struct program_state *)(void *)ram;
}

static void find_table(struct program *program)
{
	program->versions = program_frame(program, program->state->table_first);
}

static void write_page(struct program *program, uint64_t gfn, uint32_t version);

static void fill(struct program *program, uint32_t percent)
{
	const struct program_state *state = program->state;

	for (uint64_t gfn = state->data_first; gfn < state->pages; gfn++)
		if (mix(state->seed ^ mix(gfn)) % 100 < percent)
			write_page(program, gfn, 1);
}

void program_create(struct program *program, struct sim_memory *memory, uint8_t *ram,
		    const struct program_plan *plan)
{
	struct program_state *state;

	assert(plan->pages >= PROGRAM_PAGES_MIN && plan->pages <= PROGRAM_PAGES_MAX);
	assert(plan->disk_count <= PROGRAM_DISKS_MAX && plan->nic_count <= PROGRAM_NICS_MAX);
	hold(program, memory, ram);
	state = program->state;
	memset(state, 0, sizeof(*state));
	memcpy(state->uuid, plan->uuid, sizeof(state->uuid));
	state->seed = plan->seed;
	state->random = mix(plan->seed);
	state->pages = plan->pages;
	state->disk_count = plan->disk_count;
	state->nic_count = plan->nic_count;
	state->table_first = table_first(plan->disk_count, plan->nic_count);
	state->data_first = data_first(state->table_first, plan->pages);
	for (uint32_t i = 0; i < plan->disk_count; i++)
		state->disks[i].id = plan->disk_ids[i];
	for (uint32_t i = 0; i < plan->nic_count; i++)
		state->nics[i] = plan->nics[i];
	find_table(program);
	fill(program, plan->fill_percent);
	program_sweep_begin(program);
	state->magic = PROGRAM_MAGIC;
	program_touch(program, state, sizeof(*state));
}

int program_recognise(const void *frame, const uint8_t uuid[16], uint64_t *pages, struct err *err)
{
	const struct program_state *state = frame;

	_Static_assert(offsetof(struct program_state, disks) <= SIM_PAGE_BYTES,
		       "what is looked at here has come with the first frame");
	if (state->magic != PROGRAM_MAGIC)
		return err_set(err, ERR_LOST, -ENOEXEC, "there is no program in frame 0");
	if (memcmp(state->uuid, uuid, sizeof(state->uuid)) != 0)
		return err_set(err, ERR_LOST, -ENOEXEC, "the program is another guest's");
	if (state->pages < PROGRAM_PAGES_MIN || state->pages > PROGRAM_PAGES_MAX ||
	    state->disk_count > PROGRAM_DISKS_MAX || state->nic_count > PROGRAM_NICS_MAX ||
	    state->table_first != table_first(state->disk_count, state->nic_count) ||
	    state->data_first != data_first(state->table_first, state->pages))
		return err_set(err, ERR_LOST, -ENOEXEC, "the program's state is not sound");
	*pages = state->pages;
	return 0;
}

static bool disk_is_sound(const struct program_disk *disk)
{
	if (disk->blocks > PROGRAM_BLOCKS_MAX)
		return false;
	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++)
		if (disk->slots[i].operation > SLOT_WRITE ||
		    (disk->slots[i].operation && disk->slots[i].block >= disk->blocks))
			return false;
	return true;
}

int program_attach(struct program *program, struct sim_memory *memory, uint8_t *ram,
		   struct err *err)
{
	hold(program, memory, ram);
	for (uint32_t i = 0; i < program->state->disk_count; i++)
		if (!disk_is_sound(&program->state->disks[i]))
			return err_set(err, ERR_LOST, -ENOEXEC,
				       "what the program knows of disk %u is not sound", i);
	find_table(program);
	return 0;
}

uint64_t program_random(struct program *program)
{
	program->state->random += GOLDEN;
	return mix(program->state->random);
}

/* ---- pages ---- */

/*
 * A page says in clear who it is, so that a wrong one can be told by name. The rest is cheap to
 * compute and differs in every word; whether it compresses is not what it is for.
 */
static void fill_page(uint64_t words[WORDS], uint64_t seed, uint64_t gfn, uint32_t version)
{
	uint64_t key = mix(seed ^ mix(gfn << 32 | version));

	words[0] = gfn;
	words[1] = version;
	for (size_t i = 2; i < WORDS; i++) {
		key += GOLDEN;
		words[i] = key ^ key >> 29;
	}
}

static void write_page(struct program *program, uint64_t gfn, uint32_t version)
{
	program->versions[gfn] = version;
	fill_page(program_frame(program, gfn), program->state->seed, gfn, version);
	program_touch_frame(program, gfn);
	program_touch(program, &program->versions[gfn], sizeof(program->versions[gfn]));
}

void program_dirty(struct program *program, uint64_t working_set)
{
	struct program_state *state = program->state;
	uint64_t pages = state->pages - state->data_first;
	uint64_t gfn = state->data_first +
		       program_random(program) % (working_set < pages ? working_set : pages);
	uint32_t version = program->versions[gfn] + 1;

	write_page(program, gfn, version ? version : 1);
	state->pages_dirtied++;
	program_touch(program, state, offsetof(struct program_state, disks));
}

static bool is_version(const struct program *program, uint64_t gfn, uint32_t version)
{
	static const uint64_t zero[WORDS];
	uint64_t expected[WORDS];

	if (version == 0)
		return memcmp(program_frame(program, gfn), zero, sizeof(zero)) == 0;
	fill_page(expected, program->state->seed, gfn, version);
	return memcmp(program_frame(program, gfn), expected, sizeof(expected)) == 0;
}

bool program_check(const struct program *program, uint64_t gfn, struct program_page *page)
{
	const uint64_t *words = program_frame(program, gfn);
	uint32_t expected = program->versions[gfn], found = (uint32_t)words[1];

	if (is_version(program, gfn, expected))
		return true;
	*page = (struct program_page){ .gfn = gfn, .expected = expected, .found = found };
	page->garbage = !is_version(program, gfn, found);
	if (page->garbage)
		page->found = 0;
	return false;
}

void program_sweep_begin(struct program *program)
{
	struct program_state *state = program->state;

	state->sweep_next = state->data_first;
	state->sweep_left = state->pages - state->data_first;
	program_touch(program, state, offsetof(struct program_state, disks));
}

bool program_is_swept(const struct program *program)
{
	return program->state->sweep_left == 0;
}

bool program_sweep(struct program *program, uint64_t *count, struct program_page *page)
{
	struct program_state *state = program->state;
	uint64_t done = 0;
	bool right = true;

	while (right && done < *count) {
		uint64_t gfn = state->sweep_next;

		if (gfn < state->data_first || gfn >= state->pages)
			gfn = state->data_first;
		right = program_check(program, gfn, page);
		state->sweep_next = gfn + 1;
		state->sweep_left -= state->sweep_left > 0;
		state->pages_checked++;
		done++;
	}
	program_touch(program, state, offsetof(struct program_state, disks));
	*count = done;
	return right;
}

static uint64_t hash(uint64_t sum, const void *bytes, size_t size)
{
	const uint64_t *words = bytes;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		sum = (sum ^ words[i]) * UINT64_C(0x100000001b3) ^ sum >> 47;
	return sum;
}

uint64_t program_hash(const struct program *program)
{
	const struct program_state *state = program->state;
	uint64_t sum = hash(GOLDEN, state, sizeof(*state));

	return hash(sum, program->versions, state->pages * sizeof(program->versions[0]));
}

/* ---- blocks ---- */

static uint64_t block_key(const struct program *program, uint32_t disk, uint32_t block)
{
	return program->state->seed ^ mix((uint64_t)disk << 32 | block | UINT64_C(1) << 63);
}

void program_block_fill(const struct program *program, uint32_t disk, uint32_t block,
			uint32_t number, void *bytes)
{
	fill_page(bytes, block_key(program, disk, block), block, number);
}

uint32_t program_block_number(const struct program *program, uint32_t disk, uint32_t block,
			      const void *bytes)
{
	const uint64_t *words = bytes;
	uint64_t expected[WORDS];

	program_block_fill(program, disk, block, (uint32_t)words[1], expected);
	return memcmp(words, expected, sizeof(expected)) == 0 ? (uint32_t)words[1] : 0;
}
