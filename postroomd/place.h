/*
 * place.h - the supervisor's place in the system: directories, the lock that
 * makes it the only one, users, the log file, capabilities.
 */
#ifndef POSTROOMD_PLACE_H
#define POSTROOMD_PLACE_H

#include "postroomd/super.h"

/*
 * Make the run directory, become the only supervisor in it (its `pid` file,
 * locked while we live) and open the mail and queue directories, made for
 * mail_user if missing.  PERMFAIL with errors.
 */
must_use enum outcome place_take(struct super *s, struct buf *errors);
/* Look up each child's user.  PERMFAIL: one is missing. */
must_use enum outcome place_users(struct super *s, struct buf *errors);
/* log_file becomes descriptor 2 (again, after it was renamed).  False and a message if it cannot.
 */
must_use bool place_log(const struct conf *c);
/* All but what starting daemons and binding ports needs. */
void place_drop_capabilities(void);
void place_leave(struct super *s);

#endif
