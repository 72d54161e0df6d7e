/*
 * peers.h - how many connections each address has, so that one stranger
 * cannot take all of them.
 *
 * An IPv4 address counts alone, an IPv6 one with its /64, which is what one
 * customer gets.  The table is hashed with the process key (faults.md 27) and
 * never holds more entries than there are connections.  Any thread may call.
 */
#ifndef SMTPD_PEERS_H
#define SMTPD_PEERS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/str.h"

struct peers;

/* IPv4 as ::ffff:a.b.c.d; an IPv6 address cut to its /64. */
struct peer_key {
	unsigned char octets[16];
};

struct peers *peers_new(void);
void peers_free(struct peers **p);

struct peer_key peer_key_of(const struct sockaddr *sa);

/* One more connection, unless there are `most` already. */
must_use bool peers_enter(struct peers *p, struct peer_key key, unsigned most);
/* Pairs with a peers_enter that was true. */
void peers_leave(struct peers *p, struct peer_key key);
unsigned peers_count(struct peers *p, struct peer_key key);

#endif
