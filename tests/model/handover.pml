/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns the guest, as a model that spin looks through whole: two workers, the points at which
 * they meet, the journals, and everything that may go wrong on the way. tests/test_model.sh runs it,
 * and holds its names against the code's.
 *
 * What stays: the order of messages, journal lines and effects. What went: steps that own nothing,
 * contents of messages, and time. A deadline may pass whenever faults are possible; a connection
 * that is cut delivers what is under way, or does not.
 *
 * Each MISTAKE_... plants a mistake; spin has to find that it breaks the property beside it.
 */

mtype:wire = { SYNC, ANSWER, ABORT };
mtype:point = { NONE, SP0, SP1, SP2, SP3, SP4, SP5 };
mtype:guest = { ABSENT, EMPTY, WHOLE, SUSPENDED, RUNNING };

#define SOURCE 0
#define TARGET 1

/* Durable: what a journal says, and the guest itself, which outlives its workers. */
typedef lines { bool BEGIN, RELEASED, TAKEN, NEVER, UNDONE, DONE }
lines journal[2];
mtype:guest guest[2];

/* The CONTROL connection in its two directions, and the MEMORY connection. */
chan to_target = [4] of { mtype:wire, mtype:point };
chan to_source = [4] of { mtype:wire, mtype:point };
chan memory = [1] of { bit };
bool cut;

bool killed[2];  /* the worker is to die before its next statement */
bool calm;       /* from here on nothing goes wrong any more */
bool sp3_said;   /* for the properties: SP3 has been on its way */
bool lost;       /* the one host that could run the guest was reset */

#define note(side, event) journal[side].event = true
#define take_back() journal[SOURCE].RELEASED = false /* the line TAKEN_BACK */
#define settled(side) (journal[side].UNDONE || journal[side].DONE)

/* What the target's agent answers on an ASK connection, whether a worker lives there or not. */
#define OUTCOME_TAKEN journal[TARGET].TAKEN
#ifdef MISTAKE_UNDECIDED_IS_NEVER /* breaks never_two */
#define OUTCOME_NEVER !journal[TARGET].TAKEN
#else
#define OUTCOME_NEVER journal[TARGET].NEVER
#endif

/* Said into a connection that was cut, a message is gone. */
inline say(connection, type, point)
{
	if
	:: !cut -> connection ! type(point)
	:: cut
	fi
}

/* Waits for exactly this; an ABORT, a cut, or a deadline lead elsewhere. */
#define hear(connection, type, point, otherwise, aborted) \
	if \
	:: connection ? type(point) \
	:: connection ? ABORT(_) -> goto aborted \
	:: cut -> goto otherwise \
	:: !calm -> goto otherwise \
	fi

#define may_fail(otherwise) \
	if \
	:: true \
	:: !calm -> goto otherwise \
	fi

/* ---- the source ---- */

inline resume()
{
	if
	:: guest[SOURCE] == SUSPENDED -> guest[SOURCE] = RUNNING
	:: else /* it runs, or its host was reset */
	fi
}

/* Its own undos in reverse; idempotent, so recovery is the same. */
inline source_undoes()
{
	take_back();
	resume();
	note(SOURCE, UNDONE)
}

inline tear_down()
{
	guest[SOURCE] = ABSENT
}

inline source_migrates()
{
	note(SOURCE, BEGIN);
	say(to_target, SYNC, SP0);
	hear(to_source, ANSWER, SP0, source_gives_up, source_undo);
	hear(to_source, SYNC, SP1, source_gives_up, source_undo);
	may_fail(source_gives_up); /* the copy, while the guest runs */
	if
	:: guest[SOURCE] == RUNNING -> guest[SOURCE] = SUSPENDED
	:: else -> goto source_gives_up /* its host was reset */
	fi;
	memory ! 1;
	may_fail(source_gives_up);
#ifndef MISTAKE_NO_RELEASED /* breaks never_two */
	note(SOURCE, RELEASED);
#endif
	hear(to_source, SYNC, SP2, source_gives_up, source_undo);
	sp3_said = true;
	say(to_target, SYNC, SP3);
#ifdef MISTAKE_TEAR_DOWN_BEFORE_TAKEN /* breaks never_none */
	tear_down();
#endif
#ifdef MISTAKE_RESUME_ON_TIMEOUT /* breaks never_two */
	hear(to_source, ANSWER, SP3, source_gives_up, source_undo);
#else
	hear(to_source, ANSWER, SP3, source_in_doubt, source_undo);
#endif
	hear(to_source, SYNC, SP4, source_in_doubt, source_in_doubt);
source_goes_on:
	tear_down();
	say(to_target, SYNC, SP5);
	hear(to_source, ANSWER, SP5, source_done, source_done);
source_done:
	note(SOURCE, DONE);
	goto source_ends;

	/* Only an answer ends it. Asking may fail as often as it likes, and is repeated. */
source_in_doubt:
	cut = true;
	if
	:: OUTCOME_TAKEN -> goto source_goes_on
	:: OUTCOME_NEVER -> goto source_undo
	fi; /* OUTCOME_UNDECIDED: asked again */

source_gives_up: /* the guest goes on first, then the peer hears of it */
	source_undoes();
	say(to_target, ABORT, NONE);
	goto source_ends;
source_undo:
	source_undoes();
source_ends:
	skip
}

/* Begins in the middle of what the worker that died was doing: its journal says where. */
inline source_recovers()
{
	if
	:: settled(SOURCE)
	:: !settled(SOURCE) && !journal[SOURCE].RELEASED -> source_undoes()
	:: !settled(SOURCE) && journal[SOURCE].RELEASED ->
		if
		:: OUTCOME_TAKEN -> tear_down(); note(SOURCE, DONE)
		:: OUTCOME_NEVER -> source_undoes()
		fi
	fi
}

/* ---- the target ---- */

inline unpause()
{
	if
	:: guest[TARGET] == WHOLE -> guest[TARGET] = RUNNING
	:: else /* it runs, or the host was reset */
	fi
}

inline target_undoes()
{
#ifndef MISTAKE_NO_NEVER /* breaks settles */
	note(TARGET, NEVER);
#endif
	guest[TARGET] = ABSENT;
	note(TARGET, UNDONE)
}

inline target_migrates()
{
	note(TARGET, BEGIN);
	hear(to_target, SYNC, SP0, target_gives_up, target_undo);
	may_fail(target_gives_up); /* a refusal */
	say(to_source, ANSWER, SP0);
	guest[TARGET] = EMPTY;
	may_fail(target_gives_up);
	say(to_source, SYNC, SP1);
	if
	:: memory ? 1
	:: to_target ? ABORT(_) -> goto target_undo
	:: cut -> goto target_gives_up
	:: !calm -> goto target_gives_up
	fi;
	if
	:: guest[TARGET] == EMPTY -> guest[TARGET] = WHOLE
	:: else -> goto target_gives_up
	fi;
	may_fail(target_gives_up);
	say(to_source, SYNC, SP2);
	hear(to_target, SYNC, SP3, target_gives_up, target_undo);
	may_fail(target_gives_up); /* the disk is full: nothing was written */
#ifdef MISTAKE_RUN_BEFORE_TAKEN /* breaks never_two */
	unpause();
	note(TARGET, TAKEN);
	say(to_source, ANSWER, SP3);
#else
	note(TARGET, TAKEN);
	say(to_source, ANSWER, SP3);
	unpause();
#endif
	say(to_source, SYNC, SP4);
	hear(to_target, SYNC, SP5, target_done, target_done);
	say(to_source, ANSWER, SP5);
target_done: /* without the peer it goes on alone */
	note(TARGET, DONE);
	goto target_ends;

target_gives_up: /* what may not be taken back is made durable, then said, then done */
#ifndef MISTAKE_NO_NEVER /* breaks settles */
	note(TARGET, NEVER);
#endif
	say(to_source, ABORT, NONE);
target_undo:
	target_undoes();
target_ends:
	skip
}

inline target_recovers()
{
	if
	:: settled(TARGET)
#ifdef MISTAKE_TAKE_WITHOUT_RECORD /* breaks never_two */
	:: !settled(TARGET) -> unpause(); note(TARGET, TAKEN); note(TARGET, DONE)
#else
	:: !settled(TARGET) && journal[TARGET].TAKEN -> unpause(); note(TARGET, DONE)
	:: !settled(TARGET) && !journal[TARGET].TAKEN -> target_undoes()
#endif
	fi
}

/* ---- processes: who dies is started again, to recover; the connection dies with the worker ---- */

active proctype source()
{
	guest[SOURCE] = RUNNING;
	{ source_migrates(); cut = true } unless { killed[SOURCE] };
	do
	:: killed[SOURCE] ->
		atomic { killed[SOURCE] = false; cut = true };
		{ source_recovers() } unless { killed[SOURCE] }
	:: !killed[SOURCE] && settled(SOURCE) -> break
	od
}

active proctype target()
{
	{ target_migrates(); cut = true } unless { killed[TARGET] };
	do
	:: killed[TARGET] ->
		atomic { killed[TARGET] = false; cut = true };
		{ target_recovers() } unless { killed[TARGET] }
	:: !killed[TARGET] && settled(TARGET) -> break
	od
}

/* A reset takes the guest with it, and what the worker held; the journal stays. */
inline reset(side, alone)
{
	atomic {
		lost = lost || alone;
		guest[side] = ABSENT;
		killed[side] = true;
		cut = true
	}
}

active proctype faults()
{
	do
	:: cut = true
	:: killed[SOURCE] = true
	:: killed[TARGET] = true
	:: reset(SOURCE, !journal[TARGET].TAKEN)
	:: reset(TARGET, journal[TARGET].TAKEN)
	:: break
	od;
	calm = true
}

/* ---- what must hold ---- */

ltl never_two { [] !(guest[SOURCE] == RUNNING && guest[TARGET] == RUNNING) }

/* Somebody has all of the guest, and may run it. */
ltl never_none { [] (lost || guest[SOURCE] == RUNNING || guest[SOURCE] == SUSPENDED ||
		     journal[TARGET].TAKEN && (guest[TARGET] == WHOLE || guest[TARGET] == RUNNING) ||
		     !journal[SOURCE].BEGIN) }

ltl commit_before_unpause { [] (guest[TARGET] == RUNNING -> journal[TARGET].TAKEN) }

ltl resumed_by_right { [] (sp3_said && guest[SOURCE] == RUNNING -> journal[TARGET].NEVER) }

ltl decided_once { [] !(journal[TARGET].TAKEN && journal[TARGET].NEVER) }

ltl settles { <> (calm && settled(SOURCE) && settled(TARGET) &&
		  (lost || guest[SOURCE] == RUNNING || guest[TARGET] == RUNNING)) ||
	      [] <> !calm }
