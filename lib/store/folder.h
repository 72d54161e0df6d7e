/*
 * folder.h - one folder: what is in it, and everything that changes it.
 *
 * A struct folder is one object per folder and process, shared by all
 * sessions and safe for any thread.  It follows the folder's index, an
 * append-only log over an immutable snapshot (docs/store.md), which every
 * process writes under a lock held for microseconds.  Delivery needs only the
 * log's end and costs the same in a folder of a million messages as in an
 * empty one; what needs the rows maps the snapshot.  A folder nobody is using
 * at the moment keeps no array, mapping or descriptor: below 512 octets.
 *
 * Messages are named by UID.  UIDs and modification sequences (RFC 7162) are
 * never reused, not even after a power cut.
 */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include "base/arena.h"
#include "mail/seqset.h"
#include "store/home.h"

/* The system flags; a message's other flags are keywords. */
enum msg_flag {
	MSG_SEEN = 1 << 0,
	MSG_ANSWERED = 1 << 1,
	MSG_FLAGGED = 1 << 2,
	MSG_DELETED = 1 << 3,
	MSG_DRAFT = 1 << 4,
	MSG_FLAGS = 0x1f,
	MSG_EXPUNGED = 1 << 15, /* gone, but some view has not been told yet */
};

#define KEYWORDS_MAX     64 /* different keywords in one folder */
#define KEYWORD_NAME_MAX 64 /* octets of a keyword */
#define MSG_SIZE_MAX     0xfffffffeu
#define VSIZE_UNKNOWN    0xffffffffu

/* A message as the index has it; 64 octets, on disk and in memory. */
struct msg_row {
	uint32_t uid;
	uint32_t name_flags; /* the store's own: flags as the file name has them */
	uint64_t keywords;   /* bit i: keyword i of the folder's table */
	uint64_t modseq;
	int64_t internaldate; /* seconds since 1970 */
	uint64_t name_ref;    /* the store's own: where its file name is */
	uint64_t packed_ref;  /* the store's own: where its structure is; 0: nowhere */
	uint32_t size;        /* octets of the file */
	uint32_t vsize;       /* with CRLF line ends: RFC822.SIZE; VSIZE_UNKNOWN: not known yet */
	uint32_t savedate;    /* RFC 8514, seconds since 1970 */
	uint16_t flags;       /* enum msg_flag */
	uint16_t spare;
};

/* What STATUS and a reply to SELECT tell; cheap. */
struct folder_summary {
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint64_t modseq; /* HIGHESTMODSEQ */
	uint32_t messages;
	uint32_t unseen;
	uint32_t deleted;
	uint32_t recent; /* would be \Recent to the next session that selects it */
	uint64_t octets; /* as stored */
};

struct folder;

/*
 * Get a folder, to be given back by folder_release.  PERMFAIL: no such folder
 * (INBOX is made on demand; so is every folder with `create`).  Opening costs
 * a stat when the folder is in use already.
 */
must_use enum outcome folder_open(struct home *h, struct str name, bool create, struct deadline d,
    struct folder **out, struct why *why);
void folder_release(struct folder **f); /* accepts NULL, nulls the pointer */
struct folder *folder_ref(struct folder *f);

struct str folder_name(const struct folder *f); /* UTF-8; as it was opened */
struct home *folder_home(const struct folder *f);
/* It was deleted, or its index had to be rebuilt under a new UIDVALIDITY: end the session (BYE). */
bool folder_gone(const struct folder *f);

/*
 * Catch up with the log; then, unless the Maildir is as we left it, take in
 * what other programs did: files in new/ and cur/, files removed, flags in
 * names.  Costs two stats when nothing happened.
 */
must_use enum outcome folder_sync(struct folder *f, struct deadline d, struct why *why);

/* folder_sync and what the folder is then like. */
must_use enum outcome folder_status(
    struct folder *f, struct deadline d, struct folder_summary *out, struct why *why);

/* --- a new message --- */

struct delivery {
	int fd; /* the message, complete, fdatasync'ed; borrowed; regular, in the store's file
		 * system or not (then it is copied) */
	struct str id;   /* names this copy for one recipient: [A-Za-z0-9_-], 1 to 80; the same in
			  * every retry.  Empty: one is made up */
	int64_t arrived; /* seconds since 1970; goes into the name: the same in every retry */
	int64_t internaldate;       /* seconds since 1970 */
	uint64_t size;              /* octets of the file */
	uint64_t vsize;             /* with CRLF line ends */
	unsigned flags;             /* enum msg_flag */
	const struct str *keywords; /* names, checked as for folder_store */
	size_t keyword_count;
	struct str packed; /* structure_build's; may be empty: found out when asked for */
};

struct delivered {
	uint32_t uidvalidity;
	uint32_t uid; /* 0: durable in the Maildir, but the index takes it in later */
	uint64_t modseq;
	bool existed; /* this delivery id was there already */
};

/*
 * Link the message into cur/, fsync the directory (sharing the sync with
 * whoever is doing the same), append the index record.  DONE: it is in the
 * mailbox and survives a power cut.  TEMPFAIL: nothing was kept; the file is
 * still the caller's and may be used again, except after a failed sync, when
 * everything about it is to be given up; also when the folder was deleted meanwhile:
 * open it anew by its name.  PERMFAIL: too many keywords, over
 * MSG_SIZE_MAX, a bad id.  With DONE the name stays when the caller closes fd.
 *
 * Idempotent by id against files that still have the name given then; in a
 * retry after a crash ask folder_has_delivery first, which also finds those
 * that were renamed, moved to new UIDs or expunged since.
 */
must_use enum outcome folder_deliver(struct folder *f, const struct delivery *m, struct deadline d,
    struct delivered *out, struct why *why);

/* Linear in the folder: for retries. */
must_use enum outcome folder_has_delivery(
    struct folder *f, struct str id, struct deadline d, bool *found, struct why *why);

/* --- changes to messages --- */

enum flag_op {
	FLAGS_ADD,
	FLAGS_REMOVE,
	FLAGS_REPLACE,
};

struct flag_change {
	enum flag_op op;
	unsigned flags;             /* enum msg_flag */
	const struct str *keywords; /* names; any case matches an existing one */
	size_t keyword_count;
	bool check_modseq; /* RFC 7162 UNCHANGEDSINCE ... */
	uint64_t unchanged_since;
};

struct flag_result {
	uint64_t modseq;       /* of this change; 0: nothing had to change */
	struct seqset changed; /* UIDs whose flags changed; ours */
	struct seqset failed;  /* UIDs with a higher modseq than unchanged_since; ours */
};
void flag_result_free(struct flag_result *r);

/*
 * One append to the log however many messages.  UIDs that do not exist are
 * passed over.  PERMFAIL: a keyword that is no atom (RFC 3501 9) or over
 * KEYWORDS_MAX; then nothing was changed.  File names follow within a minute
 * (store_maintain).
 */
must_use enum outcome folder_store(struct folder *f, const struct seqset *uids,
    const struct flag_change *c, struct deadline d, struct flag_result *out, struct why *why);

/*
 * Expunge these UIDs: the files are kept aside (or removed), then the log
 * says so.  With only_deleted those without \Deleted are passed over.
 * *expunged (may be NULL; initialised by the caller) gets the UIDs.
 */
must_use enum outcome folder_expunge(struct folder *f, const struct seqset *uids, bool only_deleted,
    struct deadline d, struct seqset *expunged, uint64_t *modseq, struct why *why);

/*
 * COPY and MOVE within one home or between homes of one store.  All or
 * nothing for COPY (RFC 3501 6.4.7).  The answer pairs the nth number of
 * `from` with the nth of `to` (RFC 4315); UIDs that do not exist are passed
 * over.  For MOVE the source's expunges are in the source's log afterwards.
 */
struct copy_result {
	uint32_t uidvalidity; /* of the destination */
	struct seqset from;   /* ours */
	struct seqset to;     /* ours */
	uint64_t modseq;      /* of the destination */
	uint64_t octets;      /* copied */
};
void copy_result_free(struct copy_result *r);

must_use enum outcome folder_copy(struct folder *from, const struct seqset *uids, struct folder *to,
    bool move, struct deadline d, struct copy_result *out, struct why *why);

/* For quota before a copy: what these UIDs amount to. */
must_use enum outcome folder_octets(struct folder *f, const struct seqset *uids, struct deadline d,
    uint64_t *octets, uint64_t *messages, struct why *why);

/*
 * Put flags changed here into file names: what store_maintain does for
 * folders in use.  Goes on until done or the deadline.
 */
must_use enum outcome folder_flush_names(struct folder *f, struct deadline d, struct why *why);

/* --- reading --- */

struct msg_file {
	int fd;          /* ours until msg_close; regular, read-only */
	struct str data; /* all octets as stored; with MSG_DATA */
	uint64_t size;   /* of the file */
	int64_t internaldate;
	void *block; /* private */
	bool mapped; /* private */
};

enum msg_open {
	MSG_FD = 0,
	MSG_DATA = 1, /* small files are read, large ones mapped */
};

/*
 * Open a message by UID, also when another program has just renamed it.
 * PERMFAIL: it is gone (expunged here or there).  TEMPFAIL: disk, descriptors.
 * The file never changes; line ends are as stored (mail/crlf.h presents them).
 */
must_use enum outcome folder_open_message(struct folder *f, uint32_t uid, enum msg_open how,
    struct deadline d, struct msg_file *out, struct why *why);
void msg_close(struct msg_file *m); /* accepts a zeroed or closed one */

/*
 * The packed structure kept for a message, copied into the arena; empty:
 * none is kept (a foreign file): parse the message and offer it.
 */
must_use enum outcome folder_packed(
    struct folder *f, const struct msg_row *row, struct arena *a, struct str *out);

/*
 * Keep what was found out about a foreign message for the next reader.  A
 * favour: failing is harmless.  vsize VSIZE_UNKNOWN and packed empty: not told.
 */
void folder_offer(
    struct folder *f, uint32_t uid, uint64_t vsize, struct str packed, struct deadline d);

#endif
