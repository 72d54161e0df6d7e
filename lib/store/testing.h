/*
 * testing.h - for the store's unit tests: a mail root that lives as long as a
 * test, and the common steps.
 */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include "base/test.h"
#include "store/view.h"

#define SOON deadline_in(10000)

struct rig {
	char path[64]; /* of the root */
	int root;
	struct store *s;
	struct home *h;
};

/* A root below TMPDIR and the home example.test/ann in it. */
void rig_up(struct rig *r);
void rig_down(struct rig *r);
/* Another store on the same root, as another process has it. */
void rig_open(struct rig *r);
void rig_close(struct rig *r);
/* In a child: forget the parent's store, open anew. */
void rig_reopen_root(struct rig *r);
/* As if the process had been killed and started again. */
void rig_restart(struct rig *r);

/* Deliver a message with this text; its UID. */
uint32_t rig_deliver(struct rig *r, const char *folder, const char *text, const char *id);
/* The same without looking at the outcome. */
enum outcome rig_try_deliver(
    struct rig *r, const char *folder, const char *text, const char *id, struct delivered *out);
struct folder *rig_folder(struct rig *r, const char *name);
struct folder_summary rig_status(struct rig *r, const char *folder);
/* The text of a message; freed by the caller. */
char *rig_text(struct rig *r, const char *folder, uint32_t uid);

/* A path below the home's Maildir: "%s/%s" */
void rig_path(struct rig *r, const char *below, char *out, size_t room);
/* Write a file as another program would. */
void rig_write(struct rig *r, const char *below, const char *text);
/* The first name in a directory below the Maildir that holds `part`; "" for none. */
void rig_find(struct rig *r, const char *dir, const char *part, char *out, size_t room);
unsigned rig_count_files(struct rig *r, const char *dir);

struct seqset set_of(const char *text);

#endif
