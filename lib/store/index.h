/*
 * index.h - inside the store: one folder's index as a process holds it.
 *
 *	struct gen    an open index file: descriptor, header, mapped snapshot
 *	struct tail   how far we followed its log, and the totals there: all
 *	              that delivery needs
 *	struct body   the rows in memory: what sessions need
 *
 * The folder's lock guards tail and the choice of gen and body; a body's own
 * read-write lock guards its rows.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "store/format.h"
#include "store/fs.h"

/* --- a generation --- */

struct gen {
	atomic_uint refs;
	int fd;
	bool readonly; /* a read-only file system: reading goes on */
	struct index_header h;
	struct ceiling_slot slot; /* the higher of the two when it was opened */
	char *map;                /* private copy-on-write, [0, log_at); NULL until gen_map */
	atomic_uchar *blocks;     /* one a block: not yet looked at, good, bad */
	int packed_fd;            /* -1: none */
	uint64_t identity;
	bool taken; /* a body has the mapped rows: gen_map makes them new */
};

enum gen_state {
	GEN_OK,
	GEN_MISSING,
	GEN_DAMAGED, /* nothing in it can be believed */
	GEN_ERROR,   /* errno: try again later */
};

/* Open the index below the folder's directory.  *out is set for GEN_OK only. */
must_use enum gen_state gen_open(int dir, struct gen **out);
struct gen *gen_ref(struct gen *g);
void gen_unref(struct gen **g); /* accepts NULL, nulls the pointer */

/*
 * Map the snapshot.  False: errno.  *damaged says whether a block of rows,
 * tombstones or keywords fails its sum; names are looked at when they are used.
 */
must_use bool gen_map(struct gen *g, bool *damaged);
/* True when these octets of the mapped snapshot stand in blocks with a right sum. */
bool gen_sound(const struct gen *g, uint64_t at, size_t n);

bool gen_names_sound(const struct gen *g);

/* A row's base name; false on a reading error, a wrong sum or a ref that leads nowhere. */
must_use bool gen_name(
    const struct gen *g, uint64_t ref, char out[static BASE_MAX + 1], struct str *name);
/* A row's structure, appended to out; false when there is none or it fails its sum. */
must_use bool gen_packed(const struct gen *g, const struct msg_row *row, struct buf *out);

must_use bool gen_read_slots(struct gen *g, struct ceiling_slot *higher);
must_use bool gen_write_slots(struct gen *g, uint32_t uid, uint64_t modseq);

/* What a file keeps as long as it lives and a copy of it has not: inode and time of birth. */
uint64_t file_identity(int fd);

/* The name of the packed file with this id. */
void packed_name(uint64_t id, char out[static 48]);

/* --- the log's end --- */

#define PENDING_SPANS 32

struct tail {
	uint64_t off; /* of the next record */
	struct totals totals;
	uint64_t modseq_limit; /* synced: below this numbers may be given out */
	uint32_t uid_limit;
	uint32_t unsettled;
	uint32_t young_at; /* when a file was adopted last that its deliverer may append; seconds */
	int64_t cur_clean, new_clean; /* 0: unknown */
	int64_t scanned;
	struct dir_span pending[PENDING_SPANS];
	unsigned pending_count;
	bool stuck;       /* something unreadable stands at off */
	bool dead;        /* the folder was deleted */
	bool needs_reset; /* a pad without its reset: the padder died between the two */
	bool claimed;     /* cur_clean rests on our own claims since the last scan */
	uint64_t pad_at;
	uint64_t allocated; /* the file is preallocated to here */
	uint8_t boot[BOOT_LEN];
};

void tail_start(struct tail *t, const struct gen *g);

/* --- the rows --- */

struct body {
	pthread_rwlock_t lock;
	struct gen *gen;      /* ours: keeps the mapping */
	struct msg_row *base; /* in the mapping, or ours when base_ours */
	struct msg_row *more; /* ours: appended since */
	uint32_t base_count, more_count, more_room;
	bool base_ours;
	uint32_t *dead; /* ours: positions of expunged rows, ascending */
	uint32_t dead_count, dead_room;
	uint64_t dead_modseq; /* the highest of them */
	struct tomb *tombs;   /* ours: expunges in the log; those before are in the mapping */
	uint32_t tomb_count, tomb_room;
	struct str keywords[KEYWORDS_MAX]; /* ours, never moved */
	uint32_t keyword_count;
	uint64_t epoch;       /* changes when positions or the dead do */
	struct totals totals; /* counted from the rows */
	bool dirty;           /* some name lacks a flag changed here */
	uint64_t floor;       /* views told of less cannot find their numbers in it */
};

static inline uint32_t
body_count(const struct body *b)
{
	return b->base_count + b->more_count;
}

static inline struct msg_row *
body_row(const struct body *b, uint32_t at)
{
	return at < b->base_count ? &b->base[at] : &b->more[at - b->base_count];
}

/*
 * Rows from a mapped snapshot.  Expunges after `keep` that the snapshot still
 * remembers get a row of their own, dead, so that views which were told up to
 * there find their numbers.  The log is to be followed from its start.
 */
struct body *body_new(struct gen *g, uint64_t keep);
void body_free(struct body **b);

/* First position with a UID at or above; body_count when there is none. */
uint32_t body_lower(const struct body *b, uint32_t uid);
/* The live or dead row of a UID; NULL. */
struct msg_row *body_find(const struct body *b, uint32_t uid);
static inline bool
row_dead(const struct msg_row *r)
{
	return (r->flags & MSG_EXPUNGED) != 0;
}

/* Apply one record that stands at `at` in its file; under the write lock (apply.c). */
void body_apply(struct body *b, const struct record *r, uint64_t at);

/*
 * Take over the rows of `from`, another generation's, keeping this object and
 * the keyword texts that callers point to.  Live rows that `from` does not
 * know are expunges we missed.  Frees from.
 */
void body_replace(struct body *b, struct body **from);

/* Drop dead rows that every view has been told of (modseq <= told). */
void body_compact(struct body *b, uint64_t told);

/* For apply.c: tombstones and the dead; the dead added from `sorted` on are put in order. */
void body_add_tomb(struct body *b, uint32_t uid, uint64_t modseq);
void body_add_dead(struct body *b, uint32_t at);
void body_merge_dead(struct body *b, uint32_t sorted);

/* Totals with and without this row, and with its flags changed. */
void totals_add(struct totals *t, const struct msg_row *r);
void totals_remove(struct totals *t, const struct msg_row *r);
void totals_flags(struct totals *t, uint16_t from, uint16_t to);

/* The UID under which a young file was adopted from the directory; 0: none. */
uint32_t body_find_young(const struct body *b, struct str base);

/* Live rows with a UID from `from` on. */
uint32_t body_recent(const struct body *b, uint32_t from);

/* For a rebuild: count anew; forget keyword names that cannot be believed. */
void body_recount(struct body *b);
void body_drop_keywords(struct body *b);

/* Octets of memory, about. */
uint64_t body_bytes(const struct body *b);

/* The number of a keyword in any case; -1: not there. */
int body_keyword(const struct body *b, struct str name);

/* --- following and appending --- */

enum follow {
	FOLLOW_END,    /* up to date (t->stuck: something unreadable is at the end) */
	FOLLOW_SEALED, /* open the next generation */
	FOLLOW_UNDONE, /* records we have applied were declared damaged: load anew */
	FOLLOW_DEAD,   /* the folder was deleted */
	FOLLOW_ERROR,  /* errno */
};

/* Apply what is new to tail and body (NULL: none; takes its write lock). */
enum follow log_follow(struct gen *g, struct tail *t, struct body *b);

/*
 * What stands at t->off, for the holder of the log's lock: is it a torn tail
 * to be padded, or are there good records behind it?
 */
enum log_damage {
	DAMAGE_NONE,
	DAMAGE_TAIL,
	DAMAGE_MIDDLE,
	DAMAGE_ERROR,
};
enum log_damage log_inspect(struct gen *g, const struct tail *t, uint64_t *next_good);

/* The checksum of a record that will stand at `at`. */
uint32_t record_sum(const struct gen *g, const struct record *r, uint64_t at);

/*
 * Records to be appended in one write.  Begun, filled and ended with the
 * log's lock held and the log followed.
 */
struct batch {
	struct gen *gen;
	struct tail *tail;
	struct buf records;
	struct totals totals; /* after the last; the caller changes them before each record */
};

void batch_begin(struct batch *b, struct gen *g, struct tail *t);
/* One record with the totals as they are now; the pieces are padded to 8 each. */
void batch_put(
    struct batch *b, enum record_type type, uint32_t arg, const struct str *pieces, size_t count);
/*
 * Write, then apply to tail and body.  False: errno; nothing was applied, the
 * next writer pads over what a half write left.  `slack`: on a full disk use
 * the room kept for deleting.
 */
must_use bool batch_end(struct batch *b, struct body *body, bool slack);
void batch_drop(struct batch *b);

/* Pad over what stands unreadable at the log's end; the caller appends REC_RESET. */
must_use bool log_pad(struct gen *g, struct tail *t);

/* --- writing a snapshot --- */

struct snapshot {
	uint64_t generation;
	uint32_t uidvalidity;
	const struct msg_row *rows; /* live, ascending */
	uint32_t row_count;
	const struct gen *names; /* whose refs the rows have; NULL when row_count is 0 */
	const struct tomb *tombs;
	uint32_t tomb_count;
	uint64_t tomb_floor;
	const struct str *keywords;
	uint32_t keyword_count;
	const struct tail *tail; /* clean times, boot, totals */
	uint32_t uid_ceiling;
	uint64_t modseq_ceiling;
	uint64_t packed_id;
	uint32_t packed_entries;
};

/* Write it all to an empty file and fdatasync.  False: errno. */
must_use bool snapshot_write(int fd, const struct snapshot *s, struct index_header *h);

#endif
