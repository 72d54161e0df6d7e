/*
 * idn.h - internationalised domain names (RFC 5890, 5891) through libidn2:
 * U-labels to A-labels and back.  Any thread.
 */
#ifndef MAIL_IDN_H
#define MAIL_IDN_H

#include "base/arena.h"

/*
 * The A-label form, in lower case: what DNS is asked and what two domains are
 * compared by.  An ASCII name comes back in lower case without a look inside
 * its labels.  False where the name is not a domain (domain_valid) or IDNA
 * 2008 refuses it (non-transitional, UTS 46 mapped).  At most 256 octets of
 * the arena are used.
 */
must_use bool idn_to_ascii(struct str domain, struct arena *a, struct str *out);

/*
 * The U-label form for people to read.  Labels that do not decode stay as
 * they are, so this never fails.
 */
struct str idn_to_unicode(struct str domain, struct arena *a);

#endif
