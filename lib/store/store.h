/*
 * store.h - the mail store of one mail root: what a process opens once.
 *
 * A store is a directory descriptor and nothing else from outside: every path
 * is made of checked components below it and opened with openat2
 * (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), so a confined process needs only
 * that descriptor, and a planted link leads nowhere.
 *
 * The layers above it, each in its own header:
 *   home.h    a mailbox's home: its folders, subscriptions, quota
 *   folder.h  one folder: delivery, flags, expunge, copy, reading messages
 *   view.h    what one session has been told of a folder, and what is new
 *
 * Several processes use one store at the same time and agree through the
 * folder's index (docs/store.md).  All functions may be called by any thread;
 * those that take a deadline may wait that long and then say TEMPFAIL, except
 * that fsync(2) cannot be given up: a thread inside one stays there, other
 * callers waiting for the same sync leave at their deadline.
 *
 * TEMPFAIL always means that nothing was kept, or only what the next start
 * sweeps.  The operator's detail is in the log; why is for the peer and may be
 * NULL everywhere.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/outcome.h"
#include "base/str.h"

struct store;

#define STORE_BOOT_ID_LEN 36

struct store_config {
	int root; /* the mail root, O_DIRECTORY; stays the caller's, open as long as the store */

	/*
	 * From store_read_boot_id, taken before the process confined itself;
	 * "" lets store_open try.  Unknown makes every process treat every
	 * index as one from before a power cut: right, but wasteful of UIDs.
	 */
	char boot_id[STORE_BOOT_ID_LEN + 1];

	const char *host; /* for Maildir names; NULL: the node name */

	unsigned keep_expunged_days; /* 0: an expunged file is removed at once */
	unsigned open_folders;       /* folders kept open without a user; 0: 128 */
	uint64_t warm_bytes;         /* rows kept in memory without a user; 0: 64 MiB */

	/*
	 * Told after each change this process made to a folder's index, with
	 * none of our locks held, by the thread that made it: to tell the
	 * imapd shards.  It must not wait.  May be NULL.  folder is UTF-8 as
	 * in home.h; gone means the folder was deleted or renamed away.
	 */
	void (*changed)(void *arg, struct str home, struct str folder, uint64_t modseq, bool gone);
	void *changed_arg;
};

/* The defaults: no root, 7 days, nobody told. */
void store_config_init(struct store_config *c);

/* Fill out with this boot's id, "" where the kernel does not say.  Before confinement. */
void store_read_boot_id(char out[static STORE_BOOT_ID_LEN + 1]);

/*
 * Open; makes `.spool` where it is missing and finds out whether the file
 * system has O_TMPFILE.  TEMPFAIL: the root cannot be used now.
 */
must_use enum outcome store_open(const struct store_config *c, struct store **out, struct why *why);

/* Everything taken from it must have been given back.  Accepts NULL, nulls the pointer. */
void store_close(struct store **s);

/*
 * A new file in the spool for a message to be written to: O_TMPFILE, mode
 * 0600, open for reading and writing, the caller's to close.  Where the file
 * system has no unnamed files it has a name in the spool: then spool_discard
 * must be called in the end, whether it was delivered or not, and the sweep
 * at the next store_sweep_spool removes what a crash left.  TEMPFAIL: disk
 * full, no descriptors.
 */
struct spool_file {
	int fd;
	char name[64]; /* "" for an unnamed file */
};
must_use enum outcome store_spool(struct store *s, struct spool_file *out, struct why *why);
/* Closes the descriptor and removes the name if there is one. */
void spool_discard(struct store *s, struct spool_file *f);

/*
 * At the start of the one process that owns the spool (deliver): remove named
 * files that were left behind.  From then on its store_maintain also removes,
 * once a day and in all homes, what was kept aside for keep_expunged_days.
 */
void store_sweep_spool(struct store *s);

/*
 * Octets and inodes free on the store's file system, for 452 before DATA.
 * False: unknown.
 */
bool store_free(struct store *s, uint64_t *octets, uint64_t *inodes);

/*
 * The work nobody waits for, by one thread at a time: flags into file names (those older than half
 * a minute), compaction of long logs, dropping rows and descriptors of folders nobody has used for
 * a while.  A daemon calls it every few seconds from a pool thread; returns at the deadline with
 * the rest undone, to go on the next time.
 */
void store_maintain(struct store *s, struct deadline d);

/* Write out everything store_maintain would, whatever its age: at an orderly stop. */
void store_flush(struct store *s, struct deadline d);

/* --- mailboxes as a whole: for provisioning --- */

/*
 * Set a home aside below `.removed/`, under its path and the time, where it
 * can be brought back by moving it back.  PERMFAIL: there is no such home.
 */
must_use enum outcome store_home_remove(struct store *s, struct str home, struct why *why);
/* PERMFAIL: no such home, or the new one exists. */
must_use enum outcome store_home_rename(
    struct store *s, struct str from, struct str to, struct why *why);

/* Counters for `postroom status`; each only grows. */
struct store_counters {
	uint64_t delivered, appended, expunged, flag_changes;
	uint64_t syncs, shared_syncs; /* directory fsyncs made; deliveries that rode on another's */
	uint64_t scans;               /* directories read because somebody else changed them */
	uint64_t compactions, rebuilds, damaged;
	uint64_t open_folders, warm_bytes; /* these two are levels */
};
void store_counters(struct store *s, struct store_counters *out);

#endif
