/*
 * core.h - inside the store: the objects a process shares, and their locks.
 *
 * Ranks, lowest first; one may be taken while holding a lower one only:
 *	1  folder.lock    the folder's state; held over reading and appending to
 *	                  the log, never over a sync or the reading of a directory
 *	2  body.lock      rows
 *	3  dirsync.lock, store.lock, home's holds: leaves
 * The log's file lock is taken inside folder.lock.  Two folders (copy) are
 * never locked at once.
 */
#ifndef STORE_CORE_H
#define STORE_CORE_H

#include "base/dirsync.h"
#include "store/index.h"
#include "store/view.h"

/* --- tables by name --- */

struct node {
	struct node *next;
	uint64_t hash;
};
struct table {
	struct node **v; /* ours */
	size_t n, room;
};
void table_add(struct table *t, struct node *n, uint64_t hash);
void table_remove(struct table *t, struct node *n);
static inline struct node *
table_first(const struct table *t, uint64_t hash)
{
	return t->room > 0 ? t->v[hash & (t->room - 1)] : NULL;
}

/* --- the store --- */

struct store {
	struct store_config c;
	char host[80];
	int spool;    /* ours: .spool */
	bool unnamed; /* the file system has O_TMPFILE */
	bool boot_known;
	uint8_t boot[BOOT_LEN];
	pthread_mutex_t lock; /* tables, references, the list of idle folders, counters */
	struct table homes, folders;
	struct folder *idle_first, *idle_last; /* open and not busy, longest unused first */
	uint32_t idle_count;
	struct store_counters counters;
	struct sweeping *sweeping; /* under way (sweep.c); of the thread that maintains */
	int64_t sweep_next_ms;     /* 0: not ours to do */
};
#define COUNT(s, field) __atomic_fetch_add(&(s)->counters.field, 1, __ATOMIC_RELAXED)

struct home {
	struct node node;
	struct store *store;
	uint32_t refs;
	uint64_t held_octets, held_messages; /* reservations of this process; store.lock */
	size_t path_len;
	char path[]; /* below the root, NUL behind it */
};

/* --- a folder --- */

/* What a folder has while it is open: descriptors and the place in the log. */
struct opened {
	int dir, cur; /* ours */
	struct gen *gen;
	struct tail tail;
	struct dirsync sync; /* of cur */
	pthread_cond_t scanned;
	bool scanning;
	bool rebuilding;
	bool compacting;
	int64_t scan_failed_ms; /* atomic; 0: none did */
};

struct folder {
	struct node node;
	struct store *store;
	struct home *home; /* a reference */
	struct folder *idle_prev, *idle_next;
	uint32_t refs; /* store.lock */
	bool idle;     /* in the list; store.lock */
	bool listed;   /* in the table; store.lock */
	bool gone;     /* atomic: read without the lock */
	pthread_mutex_t lock;
	struct opened *o;          /* ours; NULL: parked */
	struct body *body;         /* ours; NULL: no rows in memory */
	struct view *views;        /* registered */
	uint32_t busy;             /* operations and entered views: o stays */
	uint32_t pinned;           /* those that need the body */
	uint32_t uidvalidity;      /* 0: not opened yet */
	uint64_t inode;            /* of the directory */
	int64_t used_ms, dirty_ms; /* last use; first flag change not yet in names (0: none) */
	char *path;                /* ours: of the directory, below the root */
	size_t name_len;
	char name[];
};

/* Take f->lock by the deadline. */
must_use bool folder_lock(struct folder *f, struct deadline d);
void folder_unlock(struct folder *f);

/*
 * Begin an operation: locked, open and caught up; with `rows` also the body
 * is there and stays until folder_end.  On failure nothing is held.
 */
must_use enum outcome folder_begin(struct folder *f, bool rows, struct deadline d, struct why *why);
/* Locked. */
void folder_end(struct folder *f, bool rows);
/* Taken unlocked (what an operation does in its middle). */
must_use enum outcome folder_relock(struct folder *f, struct deadline d, struct why *why);
/* folder_end after a failed folder_relock: unlocked. */
void folder_end_unlocked(struct folder *f, bool rows);

/* Just opened: follow the log, and see to another boot, a copied file, a damaged tail.  Locked. */
must_use enum outcome folder_settle(struct folder *f, struct deadline d, struct why *why);

/* Follow the log, into new generations too.  Locked. */
must_use enum outcome folder_catch_up(struct folder *f, struct deadline d, struct why *why);

/* The rows, loaded if need be.  Locked, open. */
must_use enum outcome folder_load(struct folder *f, struct deadline d, struct why *why);

/*
 * The log's file lock, with the log followed to its very end and repaired.
 * Locked, open.  Taken on a read-only file system it is TEMPFAIL.
 */
must_use enum outcome folder_log_lock(struct folder *f, struct deadline d, struct why *why);
void folder_log_unlock(struct folder *f);

/* Numbers go on at the ceilings.  Locked, and the log.  False: errno. */
must_use bool folder_reset_numbers(struct folder *f);

/*
 * folder_log_lock, and n UIDs and one modseq may be given out: raises the
 * synced ceilings first when they are too low, letting go of both locks
 * during the sync.  On failure the folder is not locked any more.
 */
must_use enum outcome folder_numbers(
    struct folder *f, uint32_t n, struct deadline d, struct why *why);
/*
 * folder_numbers for files that have their names in cur/ already.  *look says
 * that a reading of the directory may have adopted them in the meantime: the
 * rows are there then, to be asked (body_find_young).
 */
must_use enum outcome folder_numbers_placed(
    struct folder *f, uint32_t n, bool *look, struct deadline d, struct why *why);
/* Raise them ahead of time when few are left.  Locked on entry, not on return. */
void folder_raise_ahead(struct folder *f, struct deadline d);

/* Totals to go on from: the rows' where we have them, else the log's. */
struct totals folder_totals(const struct folder *f);

/* Write the batch; TEMPFAIL when the disk does not take it. */
must_use enum outcome folder_append(struct folder *f, struct batch *b, bool slack, struct why *why);

/* Close descriptors and rows; not busy.  Locked. */
void folder_park(struct folder *f);

/* The lowest expunge_told of all views; UINT64_MAX without views.  Locked. */
uint64_t folder_told(const struct folder *f);

/* This folder is no more what its name says: out of the table, sessions end.  Locked or alone. */
void folder_set_gone(struct folder *f);

/* Found dead under its own name: set its directory aside.  Locked. */
void folder_finish_delete(struct folder *f, struct deadline d);

/* Tell the daemon; unlocked. */
void folder_tell(struct folder *f, uint64_t modseq);

/* dirsync_wait on the folder's cur, counted. */
must_use bool folder_sync_cur(struct folder *f, struct deadline d);

/* Out of the list of idle folders: it is parked. */
void folder_unidle(struct store *s, struct folder *f);
/* Park and perhaps free the folder idle the longest; false: there is none. */
bool store_evict(struct store *s, bool all);

/* --- making indexes (create.c, rebuild.c) --- */

/* A first index, or one in place of what nothing can be believed of.  Locked. */
must_use enum outcome index_create(struct folder *f, int dir, struct deadline d, struct why *why);
/* A new generation from what can be read of a damaged one.  Locked, open. */
must_use enum outcome index_rebuild(struct folder *f, struct deadline d, struct why *why);

/* --- the home's own files (home_state.c) --- */

#define HOME_STATE_DIR "postroom"
struct home_lock {
	int home;  /* the home's directory; ours */
	int state; /* postroom/; ours */
	int lock;  /* ours */
};
must_use enum outcome home_lock(
    struct home *h, struct home_lock *l, struct deadline d, struct why *why);
void home_unlock(struct home_lock *l);

struct folder_state {
	struct str disk; /* ".Sub", or "INBOX"; in the state's arena */
	unsigned use;
	uint32_t gone; /* the UIDVALIDITY of a folder that had this name once; 0 */
};
struct home_state {
	struct arena *arena;
	uint32_t uidvalidity; /* the highest ever given */
	uint32_t gone_floor;  /* for names that were forgotten */
	struct folder_state *folders;
	size_t count, room;
};
/* A missing or damaged file is an empty state with a safe uidvalidity.  Freed by home_state_free.
 */
void home_state_load(struct home *h, int state_dir, struct home_state *out);
void home_state_free(struct home_state *s);
struct folder_state *home_state_get(struct home_state *s, struct str disk, bool make);
must_use bool home_state_save(struct home_lock *l, struct home_state *s);
/* Higher than any this home has used, and durable before it is returned. */
must_use enum outcome home_next_uidvalidity(
    struct home *h, struct home_lock *l, uint32_t *out, struct why *why);

/* --- new messages (append.c) --- */

struct new_msg {
	struct str base; /* its file's name without flags */
	struct dir_span span;
	uint64_t keywords;
	int64_t internaldate;
	uint64_t size, vsize;
	uint32_t name_flags; /* as the file has them */
	unsigned flags;
	uint32_t arg; /* APPEND_ADOPTED... */
	struct str packed;
};
/* One append record with the batch's next UID, which it returns. */
uint32_t append_put(struct batch *b, const struct new_msg *m);

/* cur/'s mtime; 0: unknown. */
int64_t dir_mtime(int dir);
/* What we may claim as our own: not what took so long that others fit in. */
struct dir_span dir_span_end(int dir, int64_t before, int64_t begun_us);

/* Link an open file into cur/ under a name, or a copy of it where links do not reach. */
must_use bool link_or_copy(struct folder *f, int fd, uint64_t size, const char *name);

bool keyword_valid(struct str k);
/* `dovecot-keywords` of a folder: names by letter, each from str_dup. */
uint32_t keywords_read_file(int dir, struct str out[static 26]);

/* Ranges of UIDs for a record: rows at neighbouring positions join. */
struct ranges {
	struct seqrange *v; /* ours */
	size_t n, room;
	uint32_t last_at;
};
void ranges_add(struct ranges *r, uint32_t at, uint32_t uid);

/* Replace a long log by a new generation, if nobody else is doing so (compact.c).  Unlocked. */
must_use enum outcome folder_compact(struct folder *f, struct deadline d, struct why *why);
/* Locked. */
bool folder_wants_compaction(const struct folder *f);

/*
 * The bits of these keywords, new ones with records in the batch.  Log
 * locked, rows there.  PERMFAIL: no atom, or too many.
 */
must_use enum outcome keyword_bits(struct folder *f, struct batch *b, const struct str *names,
    size_t n, bool create, uint64_t *bits, struct why *why);

/* faults.md 15: each component is a name and nothing else. */
bool home_path_clean(struct str path);

/* Subscribed names in UTF-8, in the arena (subscriptions.c). */
must_use enum outcome subscriptions_read(
    struct home *h, struct arena *a, struct str **out, size_t *count, struct why *why);

/* --- directories (scan.c) --- */

enum scan_how {
	SCAN_IF_CHANGED, /* unless the directories are clean */
	SCAN_READ,       /* whatever they look like */
	SCAN_ADOPT,      /* ... and adopt even what its deliverer may be about to append */
};
/* Take in what other programs did to the directories.  Unlocked, begun with rows. */
must_use enum outcome folder_scan(
    struct folder *f, enum scan_how how, struct deadline d, struct why *why);
/* Seconds during which a file of ours without a record is left to its deliverer. */
#define YOUNG_S 60

/* Whether cur/ and new/ are as we left them.  Locked, open, caught up. */
bool folder_dirs_clean(struct folder *f);

/* --- names of folders (foldername.c) --- */

/* Append the directory's name below Maildir/: ".Sub.Folder" in modified UTF-7; nothing for INBOX.
 */
must_use enum outcome folder_disk_name(struct str name, struct buf *out, struct why *why);
bool folder_is_inbox(struct str name);
/* The other way: append the UTF-8 of ".Sub.Folder"; false when it is none of ours. */
must_use bool folder_name_of_disk(struct str disk, struct buf *out);

/* Make cur/, new/ and tmp/ with all above them, durably; -1 and errno. */
int maildir_make(struct store *s, const char *path);

/* --- files kept aside (aside.c) --- */

/* The directory for what is expunged from this folder; -1 with errno. */
int aside_open(struct folder *f, bool make);
/*
 * Take these messages out: those of `uids` (NULL: all), with keep into the
 * directory for them, else for good.  folder_expunge and MOVE.
 */
must_use enum outcome expunge_rows(struct folder *f, const struct seqset *uids, bool only_deleted,
    bool keep, struct deadline d, struct seqset *expunged, uint64_t *modseq, struct why *why);
/* The rows of messages whose files MOVE has renamed already; span: what that did to cur/. */
must_use enum outcome expunge_moved(struct folder *f, const struct seqset *uids,
    struct dir_span span, struct deadline d, struct why *why);
/* A directory and what is in it. */
void aside_remove_tree(int parent, const char *name);
/* This process sweeps what was kept aside: a piece of it; give up what is under way (sweep.c). */
void sweep_own(struct store *s);
void sweep_some(struct store *s, struct deadline d);
void sweep_stop(struct store *s);
/* Whether a delivery's file was set aside from this folder. */
bool aside_has_delivery(struct folder *f, struct str id);

/* Append quota use; best effort. */
void home_count(struct home *h, int64_t octets, int64_t messages);

#endif
