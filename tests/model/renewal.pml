/* renewal: what a kill, a silent source and an old database do to one login, for the classes of
 * sources whose call kills the old secret (CHOSEN, READABLE) or leaves a second one behind (SECOND);
 * src/model/source.h says what they are, and src/renew/ has the rules.
 *
 * Two refreshers share one row.  Each of them can be killed between any two of its steps, and be so
 * slow that its lease ends.  The source may apply a call and not answer, or do neither; with LATE it
 * may apply it when nobody waits any more, but before the login is renewed the next time.  The
 * source may refuse its own key from some moment on.  The database may be put back to an older copy
 * of itself, with the pool stopped.  When nothing can happen any more, the login works or there is a
 * sentence that says what a person must do.  With ALWAYS it works at every moment.
 *
 * Rules are taken out by names: NO_LEASE, NO_RECHECK, NO_DEADLINE, NO_INTENT, NEW_VALUE, NO_RETRY,
 * DISCARD_FIRST, ANY_NAME, ROLL_ANY, NO_CHECK, NO_RENEWAL.  renewal.sh runs them all. */

#ifndef KILLS
#define KILLS 2
#endif
#ifndef SILENCES
#define SILENCES 1
#endif
#ifndef ROTATIONS
#define ROTATIONS 2
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 1
#endif
#ifndef TAKES
#define TAKES 9			/* what comes after so many renewals is not looked at */
#endif

#define IN(set, value) (((set) >> (value)) & 1)
#define WITH(set, value) ((set) | (1 << (value)))
#define WITHOUT(set, value) ((set) & ~(1 << (value)))

/* The source: which values open the registry, and for READABLE the one that it shows. */
int alive = 1;
byte present;
bit refuses;
byte late, late_delete;		/* a call that is still to be applied; 0: none */
byte values = 1;		/* each new secret is a new number */

#ifdef SECOND
byte made_for[16];		/* for which intent each was made */
byte intents = 1;
#endif

/* The row, and the rows of its versions. */
byte cur, pending, lease;
int previous, going;
bit due, said;

/* The copy that was made of them. */
bit copied;
byte old_cur, old_pending, old_lease;
int old_previous, old_going;
bit old_due, old_said;

byte takes = TAKES, kills = KILLS, silences = SILENCES, slow = 1, rotations = ROTATIONS, rollbacks = ROLLBACKS;
bit may_copy = COPIES, may_refuse = 1;
bit killed[3], holds[3];
bit over[3];			/* the time of this refresher is over */
bit check;			/* a check of the login is to come */

#ifdef NO_LEASE
#define FREE true
#else
#define FREE (lease == 0)
#endif

/* No call is made when its time is over, and that is before the lease ends. */
#ifdef NO_DEADLINE
#define IN_TIME true
#else
#define IN_TIME (!over[me])
#endif

#ifdef NO_RECHECK
#define STILL_MINE true
#else
#define STILL_MINE (lease == me)
#endif

/* A secret that is being deleted is not gone back to. */
#ifdef ROLL_ANY
#define BACK (previous | going)
#else
#define BACK previous
#endif

inline set_value(value_)
{
#ifdef SECOND
	alive = WITH(alive, value_);
#else
	alive = 1 << value_;
#endif
	present = value_;
}

/* got: 0 nothing came, 1 an answer, 2 a refusal. */
inline call(value_)
{
	if
	:: atomic { IN_TIME && !refuses -> set_value(value_); got = 1 }
	:: atomic { IN_TIME && !refuses && silences > 0 -> silences--; set_value(value_) }
	:: atomic { IN_TIME && silences > 0 -> silences-- }
#ifdef LATE
	:: atomic { IN_TIME && !refuses && silences > 0 && late == 0 -> silences--; late = value_ }
#endif
	:: atomic { IN_TIME && refuses -> got = 2 }
	:: !(IN_TIME) -> skip
	fi
}

inline first(set)
{
	value = 0;
	do
	:: IN(set, value) -> break
	:: !IN(set, value) -> value++
	od
}

inline take()
{
	lease = me;
	holds[me] = 1;
	over[me] = 0;
	seen = cur;
#ifdef CHOSEN
#ifdef NO_INTENT
	value = values;
	values++;
#else
#ifdef NEW_VALUE
	pending = values;
	values++;
#else
	if
	:: pending == 0 -> pending = values; values++
	:: else -> skip
	fi;
#endif
	value = pending;
#endif
#endif
#ifdef SECOND
	again = (pending != 0);
	if
	:: pending == 0 -> pending = intents; intents++
	:: else -> skip
	fi;
	intent = pending;
#endif
}

/* What an earlier renewal made for the same intent was not stored by anybody: it is deleted. */
inline clean()
{
	value = 0;
	do
	:: value < values ->
		if
#ifdef ANY_NAME
		:: IN(alive, value) -> alive = WITHOUT(alive, value)
#else
		:: IN(alive, value) && made_for[value] == intent -> alive = WITHOUT(alive, value)
#endif
		:: else -> skip
		fi;
		value++
	:: else -> break
	od;
	value = 0
}

inline ask()
{
#ifdef CHOSEN
	call(value);
#endif
#ifdef READABLE
	if
	:: atomic { IN_TIME && !refuses && present != seen -> value = present; got = 1 }
	:: atomic { IN_TIME && !refuses && present == seen -> value = values; values++ }; call(value)
	:: atomic { IN_TIME && silences > 0 -> silences-- }
	:: atomic { IN_TIME && refuses -> got = 2 }
	:: !(IN_TIME) -> skip
	fi;
#endif
#ifdef SECOND
	if
	:: atomic { again && IN_TIME && !refuses -> clean() }
	:: else -> skip
	fi;
	atomic { value = values; made_for[values] = intent; values++ };
	call(value);
#ifdef DISCARD_FIRST
	if
	:: got == 1 -> alive = WITHOUT(alive, seen)
	:: else -> skip
	fi;
#endif
#endif
}

inline finish()
{
	if
	:: STILL_MINE && got == 1 ->
#ifdef SECOND
		if
		:: cur != value -> previous = WITH(previous, cur)
		:: else -> skip
		fi;
#endif
		cur = value; pending = 0; due = 0; said = 0; lease = 0
	:: STILL_MINE && got == 2 -> due = 0; said = 1; lease = 0
	:: STILL_MINE && got == 0 ->
#ifdef NO_RETRY
		due = 0;
#endif
		lease = 0
	:: else -> skip
	fi;
	holds[me] = 0; over[me] = 0; value = 0; seen = 0; got = 0;
#ifdef SECOND
	intent = 0; again = 0
#endif
}

proctype refresher(byte me)
{
	byte value, seen, got;
#ifdef SECOND
	byte intent;
	bit again;
#endif

life:
	{
end:		do
		:: atomic { due && FREE && takes > 0 -> takes--; take() };
			ask();
			atomic { finish() }
		od
	} unless { killed[me] };
	atomic { killed[me] = 0; holds[me] = 0; over[me] = 0; value = 0; seen = 0; got = 0;
#ifdef SECOND
		intent = 0; again = 0
#endif
	};
	goto life
}

#ifdef SECOND
/* A secret that is not used any more is marked, deleted at the source, and forgotten.  A kill is the same here as getting no answer. */
proctype discarder()
{
	byte value, got;

life:
	{
end:	do
	:: atomic { previous != 0 -> first(previous);
			previous = WITHOUT(previous, value);
			going = WITH(going, value);
			value = 0 }
	:: atomic { going != 0 && !refuses -> first(going) };
		if
		:: atomic { !refuses -> alive = WITHOUT(alive, value); got = 1 }
		:: atomic { silences > 0 -> silences--; alive = WITHOUT(alive, value) }
		:: atomic { silences > 0 -> silences-- }
#ifdef LATE
		:: atomic { silences > 0 && late_delete == 0 && value > 0 -> silences--; late_delete = value }
#endif
		:: refuses -> skip
		fi;
		atomic {
			if
			:: got == 1 -> going = WITHOUT(going, value)
			:: else -> skip
			fi;
			value = 0; got = 0 }
	od
	} unless { killed[0] };
	atomic { killed[0] = 0; value = 0; got = 0 };
	goto life
}
#endif

/* What happens to them. */
proctype world()
{
end:	do
	:: atomic { kills > 0 && holds[1] && !killed[1] -> kills--; killed[1] = 1 }
	:: atomic { kills > 0 && holds[2] && !killed[2] -> kills--; killed[2] = 1 }
	/* The lease ends: of one who is gone, or of one who is slow. */
	:: atomic { lease != 0 && !holds[lease] -> lease = 0 }
	:: atomic { lease != 0 && holds[lease] && slow > 0 -> slow--; over[lease] = 1; lease = 0 }
	:: atomic { rotations > 0 && !due && lease == 0 && late == 0 && late_delete == 0 && !check -> rotations--; due = 1 }
	:: atomic { may_refuse && rotations < ROTATIONS -> may_refuse = 0; refuses = 1 }
	:: atomic { late != 0 -> set_value(late); late = 0;
#ifdef CHECKED
		check = 1
#endif
		}
	:: atomic { late_delete != 0 -> alive = WITHOUT(alive, late_delete); late_delete = 0 }
#ifdef SECOND
	/* A person goes back to the former secret. */
	:: atomic { rollbacks > 0 && BACK != 0 ->
			rollbacks--;
			byte back = 0;
			do
			:: IN(BACK, back) -> break
			:: !IN(BACK, back) -> back++
			od;
			previous = WITH(WITHOUT(previous, back), cur);
			cur = back;
#ifndef NO_CHECK
			check = 1;
#endif
			back = 0 }
#endif
	:: atomic { may_copy -> may_copy = 0; copied = 1;
		old_cur = cur; old_pending = pending; old_lease = lease; old_previous = previous; old_going = going; old_due = due; old_said = said }
	:: atomic { copied && late == 0 && late_delete == 0 -> copied = 0; killed[0] = 1; killed[1] = 1; killed[2] = 1; holds[1] = 0; holds[2] = 0;
		cur = old_cur; pending = old_pending; lease = old_lease; previous = old_previous; going = old_going; due = old_due; said = old_said;
		old_cur = 0; old_pending = 0; old_lease = 0; old_previous = 0; old_going = 0; old_due = 0; old_said = 0;
#ifndef NO_RENEWAL
		due = 1
#endif
		}
	/* The registry is asked whether it takes the login; again each day, so once after all else. */
	:: atomic { check && late == 0 && late_delete == 0 && lease == 0 && !due -> check = 0;
		if
		:: IN(alive, cur) -> skip
		:: else -> said = 1
		fi }
	od
}

#ifdef ALWAYS
/* Where two secrets live side by side there is no moment without one. */
proctype watcher()
{
	!IN(alive, cur) -> assert(false)
}
#endif

init
{
	atomic { run refresher(1); run refresher(2); run world();
#ifdef SECOND
		run discarder();
#endif
#ifdef ALWAYS
		run watcher()
#endif
	};
	timeout -> assert(IN(alive, cur) || said || (due && takes == 0))
}
