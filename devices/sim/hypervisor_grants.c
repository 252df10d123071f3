/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grant table is Xen's own, version 1, so that libxenguest can seed it where it lies.
 */
#include "hypervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>

#include "cleanup.h"
#include "hypervisor_state.h"

_Static_assert(sizeof(grant_entry_v1_t) == sizeof(uint64_t), "an entry is one word");
_Static_assert(SIM_GRANT_CONSOLE == GNTTAB_RESERVED_CONSOLE, "the reserved grants are Xen's");
_Static_assert(SIM_GRANT_STORE == GNTTAB_RESERVED_XENSTORE, "the reserved grants are Xen's");
_Static_assert(SIM_GRANT_FIRST == GNTTAB_NR_RESERVED_ENTRIES, "the reserved grants are Xen's");

/* ---- the guest's side ---- */

static uint64_t entry_of(uint64_t gfn, bool writable)
{
	grant_entry_v1_t entry = {
		.flags = (uint16_t)(GTF_permit_access | (writable ? 0 : GTF_readonly)),
		.domid = 0,
		.frame = (uint32_t)gfn,
	};
	uint64_t word;

	memcpy(&word, &entry, sizeof(word));
	return word;
}

int sim_grant(struct sim_memory *memory, uint64_t gfn, bool writable)
{
	uint64_t entry = entry_of(gfn, writable);

	for (uint32_t i = 0; i < SIM_GRANTS_MAX - SIM_GRANT_FIRST; i++) {
		uint32_t reference = SIM_GRANT_FIRST +
				     (memory->next_grant + i) % (SIM_GRANTS_MAX - SIM_GRANT_FIRST);
		uint64_t none = 0;

		if (!__atomic_compare_exchange_n(&memory->pages->grants[reference], &none, entry,
						 false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;
		memory->next_grant = reference + 1 - SIM_GRANT_FIRST;
		return (int)reference;
	}
	return -ENOSPC;
}

int sim_grant_at(struct sim_memory *memory, uint32_t reference, uint64_t gfn, bool writable)
{
	if (reference >= SIM_GRANTS_MAX)
		return -EINVAL;
	__atomic_store_n(&memory->pages->grants[reference], entry_of(gfn, writable),
			 __ATOMIC_SEQ_CST);
	return 0;
}

void sim_grant_end(struct sim_memory *memory, uint32_t reference)
{
	if (reference < SIM_GRANTS_MAX)
		__atomic_store_n(&memory->pages->grants[reference], 0, __ATOMIC_SEQ_CST);
}

/* ---- domain 0's ---- */

int sim_grant_frame(struct sim_memory *memory, uint32_t reference, bool writable, uint64_t *gfn)
{
	grant_entry_v1_t entry;
	uint64_t word;

	if (reference >= SIM_GRANTS_MAX)
		return -EINVAL;
	word = __atomic_load_n(&memory->pages->grants[reference], __ATOMIC_SEQ_CST);
	memcpy(&entry, &word, sizeof(entry));
	if ((entry.flags & GTF_type_mask) != GTF_permit_access || entry.domid != 0 ||
	    !sim_memory_populated(memory, entry.frame))
		return -EINVAL;
	if (writable && (entry.flags & GTF_readonly))
		return -EACCES;
	*gfn = entry.frame;
	return 0;
}

int sim_grants_map(struct sim_memory *memory, const uint32_t *references, size_t count,
		   bool writable, void **address)
{
	CLEANUP_FREE uint64_t *gfns = NULL;

	if (count == 0 || count > SIM_GRANTS_MAX)
		return -EINVAL;
	gfns = calloc(count, sizeof(*gfns));
	if (!gfns)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int rc = sim_grant_frame(memory, references[i], writable, &gfns[i]);

		if (rc)
			return rc;
	}
	return sim_memory_map(memory, gfns, count, writable ? PROT_READ | PROT_WRITE : PROT_READ,
			      NULL, address);
}

void sim_grants_unmap(struct sim_memory *memory, const uint32_t *references, size_t count,
		      bool writable, void *address)
{
	sim_memory_unmap(address, count);
	for (size_t i = 0; writable && i < count; i++) {
		uint64_t gfn;

		if (sim_grant_frame(memory, references[i], true, &gfn) == 0)
			sim_memory_mark_dirty(memory, gfn);
	}
}

int sim_grant_copy(struct sim_memory *memory, enum sim_copy direction, uint32_t reference,
		   size_t offset, void *bytes, size_t size)
{
	bool to_guest = direction == SIM_COPY_TO_GUEST;
	uint64_t gfn;
	off_t at;
	int rc;

	if (offset > SIM_PAGE_BYTES || size > SIM_PAGE_BYTES - offset)
		return -EINVAL;
	rc = sim_grant_frame(memory, reference, to_guest, &gfn);
	if (rc)
		return rc;
	at = (off_t)(gfn * SIM_PAGE_BYTES + offset);
	if ((to_guest ? pwrite(memory->ram_fd, bytes, size, at)
		      : pread(memory->ram_fd, bytes, size, at)) != (ssize_t)size)
		return -EIO;
	if (to_guest)
		sim_memory_mark_dirty(memory, gfn);
	return 0;
}
