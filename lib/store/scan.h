/*
 * scan.h - inside the store: one reading of a folder's directories.
 */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "store/core.h"

/* A row as it was when the reading began. */
struct known {
	uint64_t name_ref;
	uint64_t hash;
	uint32_t uid;
	uint32_t name_flags;
	uint32_t found_flags;
	bool seen;
	bool moved; /* its name has other flags */
};

/* A file without a row. */
struct found {
	struct str name; /* ours, NUL behind it */
	int64_t order, date;
	uint64_t size, vsize;
	uint32_t name_flags;
	uint16_t base_len;
	bool young;
	bool orphan; /* delivered by us, but not in the index */
	bool taken;  /* somebody appended it meanwhile */
};

struct scan_state {
	struct folder *f;
	enum scan_how how;
	struct gen *gen;     /* ours: where the names are */
	struct known *known; /* ours; ascending by UID */
	uint32_t *slots;     /* ours: a table of indexes + 1 into known */
	uint32_t known_count, slot_mask;
	uint32_t uidnext;    /* rows from here on came later */
	struct found *found; /* ours */
	size_t found_count, found_room;
	struct dir_span span;
	int64_t cur_mtime, new_mtime; /* 0: not clean */
	uint32_t new_files;
	bool cur_read, cur_quiet, moved_new, unsettled;
	bool names_bad; /* a name in the snapshot fails its sum */
	/* results */
	bool changed;
	uint64_t modseq;
	int64_t octets, messages;
};

/* Copy what the rows say.  Locked, rows there. */
void scan_know(struct scan_state *s);
struct known *known_find(struct scan_state *s, struct str base);
void scan_forget_found(struct scan_state *s);
void scan_free(struct scan_state *s);
/* Put what was found into the log.  Unlocked. */
must_use enum outcome scan_record(struct scan_state *s, struct deadline d, struct why *why);

#endif
