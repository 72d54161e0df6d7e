/*
 * addresses.h - how many connections that have not logged in each address
 * has; of IPv6 each /64, since that is what one customer gets.
 *
 * Main thread only.
 */
#ifndef LOGIN_ADDRESSES_H
#define LOGIN_ADDRESSES_H

#include <sys/socket.h>

#include "base/base.h"

struct addresses;

struct addresses *addresses_new(void);
void addresses_free(struct addresses **a);

/* One more, unless there are `most` already.  Paired with addresses_release. */
must_use bool addresses_take(struct addresses *a, const struct sockaddr *sa, uint64_t most);
void addresses_release(struct addresses *a, const struct sockaddr *sa);

#endif
