/*
 * status.h - STATUS items (RFC 3501 6.3.10, RFC 7162 3.1.7), as STATUS and
 * LIST ... RETURN (STATUS ...) ask for them.
 */
#ifndef IMAPD_STATUS_H
#define IMAPD_STATUS_H

#include "imapd/command.h"

enum status_item {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_HIGHESTMODSEQ = 1 << 5,
};

/* "(MESSAGES UNSEEN)" */
must_use bool status_parse(struct parse *p, unsigned *items);

/* "* STATUS name (...)"; on failure nothing is put. */
must_use enum outcome status_put(struct imap *s, struct str name, unsigned items, struct why *why);

#endif
