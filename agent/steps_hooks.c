/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that run the site's hooks, in the order of a migration: ask_hooks, then, when the guest
 * runs at the target, tell_hooks_moved and tell_hooks_gone. What is asked may say no; what is told
 * may not, for the guest has moved: its failure is a warning.
 */
#include "steps.h"

#include "log.h"
#include "migration.h"

static int ask(struct migration *m, enum hook hook, const char *reason, struct err *err)
{
	const struct hook_call call = { hook, m->guest.uuid, m->guest.domid, reason };

	return m->hooks->ops->run(m->hooks, &call, m->deadline_us, m->cancellable, err);
}

/* Never fails: it would be tried again, and the hook has said what it had to say. */
static int tell(struct migration *m, enum hook hook, uint32_t domid, const char *reason)
{
	const struct hook_call call = { hook, m->guest.uuid, domid, reason };
	struct err why = { ERR_NONE, "" };

	if (m->hooks->ops->run(m->hooks, &call, m->deadline_us, false, &why) == 0)
		return 0;
	log_warning("job %s: %s", m->record->uuid, why.message);
	if (m->record->error.code == ERR_NONE)
		m->record->error = why;
	return 0;
}

/* ---- a migration ---- */

int source_ask_hooks(struct migration *m, struct err *err)
{
	return ask(m, HOOK_VM_PRE_MIGRATE, HOOK_REASON_SOURCE, err);
}

/* Before its domain is created: who is going to say no says so before anything is there. */
int target_ask_hooks(struct migration *m, struct err *err)
{
	return ask(m, HOOK_VM_PRE_MIGRATE, HOOK_REASON_DESTINATION, err);
}

/* What they have opened for the guest may be closed again: it does not come. */
int target_tell_hooks_undone(struct migration *m, struct err *err)
{
	const struct err why = m->record->error;

	(void)err;
	(void)tell(m, HOOK_VM_POST_DESTROY, 0, HOOK_REASON_DESTINATION);
	m->record->error = why; /* why it does not come says more */
	return 0;
}

int source_tell_hooks_moved(struct migration *m, struct err *err)
{
	(void)err;
	return tell(m, HOOK_VM_PRE_SHUTDOWN, m->guest.domid, HOOK_REASON_SUSPEND);
}

int target_tell_hooks_moved(struct migration *m, struct err *err)
{
	(void)err;
	return tell(m, HOOK_VM_POST_MIGRATE, m->guest.domid, HOOK_REASON_DESTINATION);
}

int source_tell_hooks_gone(struct migration *m, struct err *err)
{
	(void)err;
	return tell(m, HOOK_VM_POST_DESTROY, 0, HOOK_REASON_SUSPEND);
}

/* ---- into a file, or out of one ---- */

int source_ask_hooks_suspend(struct migration *m, struct err *err)
{
	return ask(m, HOOK_VM_PRE_SUSPEND, HOOK_REASON_SUSPEND, err);
}

int target_ask_hooks_resume(struct migration *m, struct err *err)
{
	return ask(m, HOOK_VM_PRE_RESUME, HOOK_REASON_NONE, err);
}

int tell_hooks_resumed(struct migration *m, struct err *err)
{
	(void)err;
	return tell(m, HOOK_VM_POST_RESUME, m->guest.domid, HOOK_REASON_NONE);
}
