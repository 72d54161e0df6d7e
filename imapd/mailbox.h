/*
 * mailbox.h - who is watching which folder: one object per folder that any
 * session of this process has selected, and in it the list of these
 * sessions, so that a change wakes those that idle.
 *
 * The messages themselves belong to lib/store, whose struct folder all
 * sessions of a process share and which gives up its rows when nobody is in
 * a turn.  What is here is a name, a number and a list head.
 *
 * Any thread may call everything.
 */
#ifndef IMAPD_MAILBOX_H
#define IMAPD_MAILBOX_H

#include <sys/queue.h>

#include "store/home.h"

struct mailbox;
struct mailboxes;

/* A session's place in the list; a field of struct imap. */
struct watcher {
	struct mailbox *box;               /* NULL: not watching */
	void (*changed)(struct watcher *); /* must not block or call back; under our lock */
	LIST_ENTRY(watcher) next;
};

struct mailboxes *mailboxes_new(void);
void mailboxes_free(struct mailboxes **m); /* nobody watches any more */

/*
 * Watch a folder by its home's path and name, from this modseq on.
 * w->changed is set by the caller.
 */
void mailbox_watch(
    struct mailboxes *m, struct str home, struct str folder, uint64_t modseq, struct watcher *w);
/* After this returns w->changed is not called any more.  Harmless when not watching. */
void mailbox_unwatch(struct mailboxes *m, struct watcher *w);

/*
 * A folder has changed: tell its watchers.  Empty folder: all of the home's;
 * empty home: everybody.
 */
void mailboxes_changed(struct mailboxes *m, struct str home, struct str folder);

/*
 * Look at watched folders for what others did without telling us (Maildir
 * deliveries by other programs): stat, and wake the watchers where something
 * is new.  From a timer on a pool thread; each folder about every
 * `every_ms`, `d` for one round.
 */
void mailboxes_check(struct mailboxes *m, struct store *s, int64_t every_ms, struct deadline d);

/* How many folders are watched. */
unsigned mailboxes_count(struct mailboxes *m);

#endif
