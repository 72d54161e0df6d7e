/*
 * secret.h - passwords and keys: wiped when freed, kept out of core dumps,
 * and without a STR_ARG, so that the compiler keeps them out of the log.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/str.h"

#define SECRET_MAX 1024 /* octets in a password; longer ones are refused before any hashing */

struct secret {
	unsigned char *octets; /* ours; NULL when empty */
	size_t length;
};

/* A wiped-on-free copy; the caller wipes its own original.  False over SECRET_MAX. */
must_use bool secret_set(struct secret *s, struct str text);
void secret_free(struct secret *s); /* wipes; s is empty afterwards */

/* For the few calls that must see the octets: hashing, libsasl2. */
static inline struct str
secret_reveal(const struct secret *s)
{
	return str_n(s->octets, s->length);
}

void wipe(void *p, size_t n);

#endif
