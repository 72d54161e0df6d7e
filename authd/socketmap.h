/*
 * socketmap.h - look-ups for Postfix and others over the socketmap protocol
 * (socketmap_table(5)): a request and a reply are one netstring each.
 *
 *	request	MAP SPACE KEY
 *	reply	"OK value", "NOTFOUND ", "TEMP reason", "PERM reason"
 *
 *	maps		key		value
 *	domains		domain		the domain, if it is hosted (virtual_mailbox_domains)
 *	mailboxes	address		home/Maildir/ of the mailbox (virtual_mailbox_maps)
 *	aliases		address		where it goes, between commas (virtual_alias_maps)
 *	sender_login	address		the login that may send as it (smtpd_sender_login_maps)
 *
 * Also under Postfix's own names for them: virtual_mailbox_domains,
 * virtual_mailbox_maps, virtual_alias_maps, smtpd_sender_login_maps.
 */
#ifndef AUTHD_SOCKETMAP_H
#define AUTHD_SOCKETMAP_H

#include "authd/auth.h"

#define SOCKETMAP_REQUEST_MAX 1024
#define SOCKETMAP_REPLY_MAX   65536 /* octets; Postfix takes 100,000 */

/* For lot_listen; arg is the struct auth. */
void socketmap_accepted(int fd, void *arg);

/*
 * One request without its netstring to one reply likewise; for the
 * connections and for tests.
 */
void socketmap_answer(
    struct auth *a, struct str request, struct arena *arena, struct deadline d, struct buf *out);

enum netstring {
	NETSTRING_WHOLE, /* *text is it, *used octets of the input belong to it */
	NETSTRING_MORE,
	NETSTRING_BROKEN,
};

/* The netstring at the head of input. */
enum netstring netstring_take(struct str input, size_t most, struct str *text, size_t *used);

#endif
