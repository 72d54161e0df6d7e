/*
 * heavy.h - how many threads one account may hold with long transfers
 * (uploads, and downloads of bodies) at the same time, so that one user's
 * slow connections never take them all.
 */
#ifndef IMAPD_HEAVY_H
#define IMAPD_HEAVY_H

#include "base/str.h"

#define HEAVY_PER_ACCOUNT 16

/* False: the account has its share already.  With true, heavy_end follows.  Any thread. */
must_use bool heavy_begin(struct str user);
void heavy_end(struct str user);

#endif
