/*
 * harness.h - an imapd in a box, for unit tests and the session fuzzer: a
 * store in a temporary directory, a lot with a few threads, and sessions over
 * socketpairs for people whom nobody asked for a password.
 */
#ifndef IMAPD_HARNESS_H
#define IMAPD_HARNESS_H

#include "imapd/imapd.h"

struct harness {
	struct imapd d;
	struct pool *pool;
	char *root; /* the temporary directory; removed at the end */
	int root_fd;
	void *thread;
};

void harness_start(struct harness *h);
void harness_stop(struct harness *h);

/* A session of "ann@example.test" (home example.test/NAME); the client's end of it. */
int harness_login(struct harness *h, const char *name, struct quota_limit quota);

/* --- the client's side --- */

void client_send(int fd, struct str text);
/*
 * Read until a line begins with `until` (the whole line), for at most ten
 * seconds; what came, NUL-terminated, to be freed by the caller.  NULL: it
 * did not come; the test prints what did.
 */
char *client_read(int fd, const char *until);
/* Send a command and read to its tagged line; the command's first word is the tag. */
char *client_ask(int fd, const char *format, ...) printf_like(2, 3);
/* Read until the server closes. */
char *client_rest(int fd);

#endif
