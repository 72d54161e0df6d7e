/*
 * lastlogin.h - who logged in last, when, by which service: kept in memory
 * and written to the database in batches, one transaction each, so that a
 * login costs no commit.  What a crash loses is a date on a page.
 */
#ifndef AUTHD_LASTLOGIN_H
#define AUTHD_LASTLOGIN_H

#include "authd/tables.h"

#define LAST_LOGINS_MAX      4096 /* noted between two writings; more are dropped */
#define LAST_LOGINS_EVERY_MS 20000

struct last_logins;

struct last_logins *last_logins_new(void);
void last_logins_free(struct last_logins **l);

/* Never waits for the database. */
void last_login_note(
    struct last_logins *l, struct str address, const char *service, const char *remote);
/* Write what was noted; what cannot be written is dropped. */
void last_logins_write(struct last_logins *l, struct tables *t, struct deadline d);

#endif
