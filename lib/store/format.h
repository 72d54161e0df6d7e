/*
 * format.h - inside the store: the bytes of a folder's index file.
 *
 * `postroom.index` is one generation: a header page, an immutable snapshot,
 * and the log that follows it and only grows.  docs/store.md has the states.
 *
 *	0        header, 512 octets, never changed after the file has its name
 *	512      ceiling slot, 1024: ceiling slot (the only octets ever rewritten)
 *	4096     rows: struct msg_row, ascending by UID, live messages only
 *	         tombstones, names, keywords
 *	         sums: one CRC-32C for each SUM_BLOCK octets from 4096 to here
 *	log_at   records
 *
 * Numbers are little-endian, as the machines are that we run on (asserted in
 * gen.c); a file from another world fails its checksum.
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include "store/folder.h"

#define INDEX_NAME    "postroom.index"
#define INDEX_NEW     "postroom.index.new"  /* being created or rebuilt, under the home's lock */
#define INDEX_NEXT    "postroom.index.next" /* being compacted, under LOCK_COMPACT */
#define PACKED_PREFIX "postroom.packed."    /* and 16 hex digits: structures of old messages */
#define INDEX_MAGIC   "PRINDEX1"
#define INDEX_VERSION 1
#define INDEX_PAGE    4096
#define SLOT_A        512
#define SLOT_B        1024
#define SUM_BLOCK     16384
#define CEILING_STEP  1024
#define CEILING_LOW   256   /* raise ahead when fewer are left */
#define TOMBS_MAX     65536 /* ranges kept for QRESYNC */
#define RECORD_MAX    (32u * 1024 * 1024)
#define BASE_MAX      255 /* octets of a file name without its flags */
#define BOOT_LEN      16

/* A folder's totals and next numbers: in the header, and after each record. */
struct totals {
	uint64_t modseq; /* the highest given */
	uint64_t octets;
	uint32_t uidnext;
	uint32_t messages;
	uint32_t unseen;
	uint32_t deleted;
	uint32_t recent;      /* messages with UID >= recent_from */
	uint32_t recent_from; /* no session has claimed these */
};

struct index_header {
	char magic[8];
	uint32_t version;
	uint32_t crc;     /* of the 512 octets with this field 0 */
	uint64_t file_id; /* random: seeds every record's checksum */
	uint64_t generation;
	uint32_t uidvalidity;
	uint32_t row_count;
	uint32_t tomb_count;
	uint32_t keyword_octets;
	uint64_t tombs_at;
	uint64_t names_at;
	uint64_t keywords_at; /* n texts, each an octet of length first */
	uint64_t sums_at;     /* also the end of what they cover */
	uint64_t log_at;
	struct totals totals;
	uint64_t tomb_floor;  /* expunges at or below this modseq are forgotten */
	uint32_t uid_ceiling; /* synced when the file got its name */
	uint32_t unsettled;   /* as in rec_scan */
	uint64_t modseq_ceiling;
	int64_t cur_clean; /* mtimes of the directories as we left them; 0: read them */
	int64_t new_clean;
	int64_t scanned;         /* seconds since 1970: the last time cur/ was read */
	uint64_t packed_id;      /* of the packed file; 0: none */
	uint32_t packed_entries; /* ever put into it */
	uint32_t young_at;       /* as in struct tail */
	uint64_t identity;       /* of this very file: another one is a copy put in its place */
	uint8_t boot[BOOT_LEN];
};
_Static_assert(sizeof(struct index_header) <= SLOT_A, "the header fits before the slots");

/* Synced before any number below it is given out; what a restart goes on from. */
struct ceiling_slot {
	uint32_t crc; /* of the rest */
	uint32_t uid;
	uint64_t modseq;
	uint64_t file_id;
};

/* UIDs lo to hi that existed were expunged at modseq. */
struct tomb {
	uint32_t lo, hi;
	uint64_t modseq;
};

enum record_type {
	REC_APPEND = 1, /* struct rec_append, name, packed */
	REC_FLAGS,      /* struct rec_flags, ranges */
	REC_FOREIGN,    /* struct rec_foreign each: flags another program set */
	REC_EXPUNGE,    /* struct dir_span, ranges */
	REC_NAMES,      /* struct dir_span, struct rec_name each: flags are in the names now */
	REC_KEYWORD,    /* number in `arg`, name */
	REC_OFFER,      /* struct rec_offer, packed */
	REC_SCAN,       /* struct rec_scan: the directories were read */
	REC_TOTALS,     /* nothing: the totals in the head are right, or recent_from changed */
	REC_CEILING,    /* struct rec_ceiling: the slots are synced */
	REC_RESET,      /* struct rec_reset: after another boot or a damaged tail */
	REC_PAD,        /* over a damaged tail; what it covers is not summed */
	REC_SEALED,     /* the next generation has the name now */
	REC_DEAD,       /* the folder was deleted */
};

/* Lengths are multiples of 8; the sum is seeded with file_id and the place. */
struct record {
	uint32_t crc; /* of all behind it; of a pad only the head */
	uint32_t len; /* of all */
	uint16_t type;
	uint16_t spare;
	uint32_t arg;
	struct totals totals; /* after this record */
};
_Static_assert(sizeof(struct record) == 56, "no holes");

/* In `arg` of REC_APPEND. */
#define APPEND_ADOPTED 1 /* found in the directory rather than delivered by us */
#define APPEND_YOUNG   2 /* ... and its deliverer may still be about to append it */

/* cur/'s mtime before and after we changed it; 0, 0: not claimed. */
struct dir_span {
	int64_t before, after;
};

struct rec_append {
	struct dir_span span;
	uint64_t keywords;
	int64_t internaldate;
	uint32_t uid;
	uint32_t size;
	uint32_t vsize;
	uint32_t savedate;
	uint32_t name_flags;
	uint32_t packed_len;
	uint16_t flags;
	uint16_t name_len;
	uint32_t spare;
};

struct rec_flags {
	uint64_t keyword_and, keyword_or;
	uint16_t flag_and, flag_or;
	uint32_t ranges; /* struct seqrange each */
};

struct rec_foreign {
	uint32_t uid;
	uint32_t name_flags;
	uint64_t keywords;
	uint32_t flags;
	uint32_t spare;
};

struct rec_name {
	uint32_t uid;
	uint32_t name_flags;
};

struct rec_offer {
	uint32_t uid;
	uint32_t vsize;
	uint32_t packed_len;
	uint32_t spare;
};

#define CUR_UNCHANGED (-1) /* only new/ was read */
struct rec_scan {
	int64_t cur, new;
	int64_t at;         /* seconds since 1970 */
	uint32_t unsettled; /* low half of seconds: files were left to their deliverer; 0: none */
	uint32_t spare;
};

struct rec_ceiling {
	uint32_t uid;
	uint32_t spare;
	uint64_t modseq;
};

struct rec_reset {
	uint64_t from; /* where the pad before it began; 0: none */
	uint8_t boot[BOOT_LEN];
};

/* In msg_row.packed_ref: an offset in the packed file rather than in this one. */
#define REF_PACKED_FILE (1ULL << 63)
/* msg_row.name_ref: place and length. */
#define NAME_REF(at, n) ((uint64_t)(at) << 8 | (n))
#define NAME_AT(ref)    ((ref) >> 8)
#define NAME_LEN(ref)   ((size_t)((ref)&0xff))
/* msg_row.spare. */
#define ROW_YOUNG       1   /* adopted while its deliverer may still come to append it */
#define YOUNG_KEPT_S    600 /* for so long, in seconds */

/* Before each structure, in the log's tail of a record or in the packed file. */
struct packed_head {
	uint32_t crc; /* of all behind it */
	uint32_t len; /* of the structure */
	uint32_t uid;
	uint32_t spare;
};

#define PACKED_MAGIC "PRPACKED"
struct packed_file_header {
	char magic[8];
	uint64_t id;
};

static inline size_t
pad8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

#endif
