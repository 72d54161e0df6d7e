/*
 * pop3.h - a POP3 session after login: the TRANSACTION and UPDATE states of
 * RFC 1939, with CAPA and PIPELINING (RFC 2449).  What comes before is login's.
 */
#ifndef POP3_POP3_H
#define POP3_POP3_H

#include "imapd/imapd.h"

/*
 * The session_begin of POP3; answers "+OK" to the password, or that the
 * maildrop is in use, in its first turn.
 */
must_use enum outcome pop3_begin(
    struct imapd *d, const struct handover *h, const struct account *a, struct why *why);

#endif
