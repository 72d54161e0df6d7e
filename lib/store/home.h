/*
 * home.h - one mailbox's home in the store: its folders, subscriptions,
 * special uses and quota.
 *
 * A home is a path below the mail root as authd gives it, `example.test/ann`;
 * its Maildir is `Maildir/` in there, our own files are in `postroom/`.
 * Folders are Maildir++: `Maildir/.Sub.Folder`, names on disk in modified
 * UTF-7, INBOX being the Maildir itself.
 *
 * Folder names here are UTF-8 with FOLDER_SEP between levels, "INBOX" in any
 * case for the inbox.  A name that Maildir++ cannot hold is PERMFAIL.
 *
 * A struct home is shared by all who ask for the same path, costs no
 * descriptor, and is safe for any thread.
 */
#ifndef STORE_HOME_H
#define STORE_HOME_H

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

#define FOLDER_SEP       '.'
#define HOME_PATH_MAX    512   /* octets of a home's path */
#define HOME_FOLDERS_MAX 10000 /* folders one home may have */

struct home;

/*
 * Get a home, to be given back by home_release.  With `create` it is made on
 * demand (0700 down from the root, made durable); without, a home that is not
 * there is PERMFAIL with code 0.  PERMFAIL too: a path of unclean components
 * (empty, ".", "..", leading '.', '/', control characters, over the length).
 */
must_use enum outcome store_home(
    struct store *s, struct str path, bool create, struct home **out, struct why *why);
void home_release(struct home **h); /* accepts NULL, nulls the pointer */
struct str home_path(const struct home *h);

/* --- folders --- */

/* RFC 6154. */
enum special_use {
	USE_NONE = 0,
	USE_ALL = 1 << 0,
	USE_ARCHIVE = 1 << 1,
	USE_DRAFTS = 1 << 2,
	USE_FLAGGED = 1 << 3,
	USE_JUNK = 1 << 4,
	USE_SENT = 1 << 5,
	USE_TRASH = 1 << 6,
	USE_IMPORTANT = 1 << 7, /* RFC 8457 */
};
/* "\Sent" and so on for one bit. */
const char *special_use_name(enum special_use one);
/* USE_NONE for a name that is none; any case. */
enum special_use special_use_of(struct str name);

struct folder_info {
	struct str name; /* UTF-8 */
	bool exists;     /* false: only subscribed to, or only a level above an existing one */
	bool subscribed;
	bool has_children; /* existing ones */
	unsigned use;      /* bits of enum special_use */
};

/*
 * All folders, levels above them that do not exist themselves, and
 * subscriptions, sorted by name, INBOX first; in the arena.  Folders whose
 * name on disk is no canonical modified UTF-7 are left out (and logged).
 */
must_use enum outcome home_list(
    struct home *h, struct arena *a, struct folder_info **out, size_t *count, struct why *why);

/* DONE: it exists.  PERMFAIL: it does not, or never could. */
must_use enum outcome home_has_folder(struct home *h, struct str name, struct why *why);

/*
 * Whether a folder could have this name: not empty, no empty level, no '/',
 * no control characters, not too long on disk.  Says nothing of existence.
 */
must_use enum outcome folder_name_check(struct str name, struct why *why);

/*
 * Make a folder; its UIDVALIDITY is higher than any the home has ever used.
 * PERMFAIL: it exists (why->text says so), a bad name, too many.  Levels
 * above need not exist and are not made.
 */
must_use enum outcome home_create_folder(
    struct home *h, struct str name, unsigned use, struct deadline d, struct why *why);

/*
 * Delete a folder, messages and all; it is kept aside as expunged messages
 * are.  Its children stay.  Views of it get PERMFAIL from view_enter.
 * PERMFAIL: INBOX, or no such folder.  The subscription stays (RFC 3501 6.3.6).
 */
must_use enum outcome home_delete_folder(
    struct home *h, struct str name, struct deadline d, struct why *why);

/*
 * RFC 3501 6.3.5.  The children go along.  Renaming INBOX moves its messages
 * to a new folder and leaves INBOX and its children.  UIDVALIDITY and UIDs
 * stay unless a folder of the new name had a higher UIDVALIDITY once.
 * PERMFAIL: no such folder, the new name (or a child's) exists or is bad, a
 * folder into itself.
 */
must_use enum outcome home_rename_folder(
    struct home *h, struct str from, struct str to, struct deadline d, struct why *why);

must_use enum outcome home_set_use(
    struct home *h, struct str name, unsigned use, struct deadline d, struct why *why);

/* Dovecot's `subscriptions` file; the folder need not exist.  Doing it twice is DONE. */
must_use enum outcome home_subscribe(
    struct home *h, struct str name, bool subscribed, struct deadline d, struct why *why);

/* --- quota --- */

/*
 * Usage is the sum of the folders' messages as stored; files kept aside do
 * not count.  One checksummed file per home, kept up by every append and
 * expunge, counted anew from the folders' totals when it is missing, damaged
 * or from another boot, and once more before anybody is told "over quota".
 */
struct quota_usage {
	uint64_t octets;
	uint64_t messages;
};
struct quota_limit {
	uint64_t octets;   /* 0: none */
	uint64_t messages; /* 0: none */
};

must_use enum outcome home_usage(
    struct home *h, struct deadline d, struct quota_usage *out, struct why *why);
/* Count anew. */
must_use enum outcome home_recount(
    struct home *h, struct deadline d, struct quota_usage *out, struct why *why);

/*
 * Before a message is taken: is there room for it beside what others in this
 * process hold?  DONE: the room is held until quota_release, which is called
 * when the append has been done (which counts by itself) or given up.
 * PERMFAIL 552 5.2.2: over the limit.  For a mere question (RCPT), release at
 * once.
 */
struct quota_hold {
	struct home *home; /* a reference of its own; NULL: nothing held */
	uint64_t octets;
	uint64_t messages;
};
must_use enum outcome home_reserve(struct home *h, const struct quota_limit *limit, uint64_t octets,
    uint64_t messages, struct deadline d, struct quota_hold *out, struct why *why);
void quota_release(struct quota_hold *hold);

/* --- kept-aside messages --- */

/* Remove files and folders set aside before this moment (seconds since 1970). */
void home_sweep_expunged(struct home *h, int64_t before, struct deadline d);

#endif
