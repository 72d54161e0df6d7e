/*
 * name.h - addresses in the one form that tables hold and we compare: the
 * local part without quotes and in lower case (all of Unicode, one character
 * for one, as the tables' triggers do), the domain in lower case.
 *
 * Texts are in the arena given.  Pure functions; any thread.
 */
#ifndef AUTHD_NAME_H
#define AUTHD_NAME_H

#include "base/arena.h"
#include "base/outcome.h"

struct name {
	struct str address; /* local@domain */
	struct str local;
	struct str domain;
	struct str base;   /* the address without its subaddress; the address itself without one */
	struct str detail; /* the subaddress; "" */
	struct str catchall; /* @domain */
};

/* Lower case, character by character.  False when it is not UTF-8 or holds NUL. */
must_use bool name_lower(struct str s, struct arena *a, struct str *out);

/*
 * Read local@domain (quotes allowed).  separators: at which octets a
 * subaddress begins ("+"; "" for none).  False when it is no address.
 */
must_use bool name_parse(struct str s, struct str separators, struct arena *a, struct name *out);

/* The same local part (and subaddress) in another domain. */
void name_in_domain(const struct name *n, struct str domain, struct str separators, struct arena *a,
    struct name *out);

/* The domain's other form: A-labels for U-labels or the reverse; false when it has only one. */
must_use bool name_other_form(struct str domain, struct arena *a, struct str *out);

/*
 * A mailbox's home from a template: %d the domain, %n the local part, %u the
 * whole address, %% a percent sign.  What an address holds can never leave
 * the mail root or make a hidden name: '/', '%', control octets and a '.' at
 * the beginning become %XX.
 */
must_use bool home_from_template(
    struct str pattern, struct str address, struct arena *a, struct str *out);
/* A home written in a table: no empty, "." or ".." component, no control octet. */
must_use bool home_is_safe(struct str home);

#endif
