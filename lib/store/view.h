/*
 * view.h - what one session has been told of a folder, as three watermarks:
 * the UIDs below which it knows of messages, and the modification sequences
 * up to which it was told of flags and of expunges.
 *
 * A view is embedded in the session and costs 56 octets while parked.  A
 * message stays in a view (with its sequence number) after it was expunged
 * until the session says it has told its client; the folder keeps the
 * tombstone in memory, or finds it on disk again, until the last view has
 * passed it.
 *
 * A turn is: view_enter; look at rows; say what is new; view_leave; park.
 * Between enter and leave the visible messages and their numbers change only
 * by this session's own view_told_* calls, whatever others do.  A view
 * belongs to its session: one thread at a time.
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/folder.h"

struct view {
	struct folder *folder;    /* a reference of its own */
	struct view *prev, *next; /* private: the folder's list of views */
	uint64_t flags_told;      /* modseq */
	uint64_t expunge_told;    /* modseq */
	uint32_t uidnext_told;
	uint32_t entered;           /* private */
	struct view_hidden *hidden; /* private: while entered */
};

/*
 * Open a view of the folder as it is now (folder_sync is done): the client is
 * to be told view_count messages.  Takes its own reference to f.  The view is
 * entered.
 */
must_use enum outcome view_open(
    struct folder *f, struct deadline d, struct view *v, struct why *why);
/* Entered or not. */
void view_close(struct view *v);

/*
 * Begin a turn: loads the rows if they are not in memory.  With `sync` also
 * folder_sync, so that foreign changes are seen; without, only our own log
 * (what a command that must be quick does).  PERMFAIL: the folder is gone, or
 * its tombstones no longer reach back to this view: say BYE.
 */
must_use enum outcome view_enter(struct view *v, bool sync, struct deadline d, struct why *why);
void view_leave(struct view *v);

/* --- rows; the view is entered --- */

/* Messages in it: EXISTS as last told. */
uint32_t view_count(const struct view *v);

/*
 * Rows in order, in pieces: how FETCH 1:* and SEARCH walk.
 *
 *	struct view_cursor c = view_from_seq(1);
 *	struct msg_row rows[VIEW_CHUNK];
 *	uint32_t seq;
 *	size_t n;
 *	while ((n = view_rows(v, &c, rows, VIEW_CHUNK, &seq)) > 0)
 *		...rows[i] has number seq + i...
 *
 * No lock is held between two calls.  A row with MSG_EXPUNGED is gone: its
 * flags are the last known, its text can no longer be had.
 */
#define VIEW_CHUNK 128
struct view_cursor {
	uint32_t seq; /* next to give; 0: at uid */
	uint32_t uid; /* at or above this UID */
};
static inline struct view_cursor
view_from_seq(uint32_t seq)
{
	return (struct view_cursor){ seq, 0 };
}
static inline struct view_cursor
view_from_uid(uint32_t uid)
{
	return (struct view_cursor){ 0, uid };
}
size_t view_rows(
    struct view *v, struct view_cursor *c, struct msg_row *rows, size_t max, uint32_t *seq);

/* 0: no such number, no such message. */
uint32_t view_uid(struct view *v, uint32_t seq);
uint32_t view_seq(struct view *v, uint32_t uid);
must_use bool view_row(struct view *v, uint32_t uid, struct msg_row *out);
/* The highest UID in the view ("*"); 0 when empty. */
uint32_t view_last_uid(struct view *v);

/* Sequence numbers to UIDs and back.  Numbers beyond the view are passed over. */
void view_uids_of_seqs(struct view *v, const struct seqset *seqs, struct seqset *uids);
void view_seqs_of_uids(struct view *v, const struct seqset *uids, struct seqset *seqs);
/* Only UIDs that exist in the view, ranges joined over gaps: for COPYUID and SEARCHRES. */
void view_existing_uids(struct view *v, const struct seqset *uids, struct seqset *existing);

/* Keyword names by bit; n of them.  They never change meaning; valid until view_leave. */
const struct str *view_keywords(struct view *v, size_t *n);

/* The summary at this moment, of the folder rather than of the view. */
void view_summary(struct view *v, struct folder_summary *out);
/* Sequence number of the first message without \Seen; 0: none. */
uint32_t view_first_unseen(struct view *v);

/* --- what is new --- */

/*
 * What happened beyond the watermarks up to now.  Tell the client, then
 * advance with the same struct; what came meanwhile is there the next time.
 */
struct view_news {
	uint32_t uidnext;  /* there are messages between uidnext_told and this when count grows */
	uint32_t count;    /* EXISTS after expunges and new messages have been told */
	uint32_t expunged; /* messages to be taken out of the view */
	uint64_t modseq;
	bool flags; /* some message may have other flags */
};
void view_news(struct view *v, struct view_news *out);

/*
 * The expunged messages of the view up to news->modseq: UIDs and sequence
 * numbers as the client has them now.  Send EXPUNGE in descending order (or
 * subtract), or VANISHED, then view_told_expunges.
 */
void view_expunged(
    struct view *v, const struct view_news *news, struct seqset *seqs, struct seqset *uids);
void view_told_expunges(struct view *v, const struct view_news *news);
void view_told_new(struct view *v, const struct view_news *news);

/*
 * Messages of the view whose flags changed after v->flags_told: walk with
 * view_changed as with view_rows (the rows are not adjacent: seqs[i] is the
 * number of rows[i]), then view_told_flags.
 */
size_t view_changed(struct view *v, struct view_cursor *c, uint64_t after_modseq,
    struct msg_row *rows, uint32_t *seqs, size_t max);
void view_told_flags(struct view *v, const struct view_news *news);

/*
 * RFC 7162 3.2.5: the UIDs among `known` (NULL: all) expunged after modseq.
 * False: the tombstones do not reach back that far; then all of `known` that
 * do not exist.
 */
bool view_vanished_since(
    struct view *v, uint64_t modseq, const struct seqset *known, struct seqset *out);

/*
 * \Recent (RFC 3501 2.3.2): claim for this session the messages no session
 * has been told of; those with lo <= UID < hi are recent to it alone.  The
 * log remembers.  EXAMINE looks with claim false.  lo == hi: none.
 */
must_use enum outcome view_recent(
    struct view *v, bool claim, struct deadline d, uint32_t *lo, uint32_t *hi, struct why *why);

#endif
