#include "deliver/dsn.h"

#include "base/codec.h"
#include "mail/date.h"

#define REPLY_MAX 900 /* octets of a diagnostic that fit on a line (RFC 5322 2.1.1) */

bool
xtext_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char octet;

		if (s.p[i] == '+' && hex_take(&octet, 1, str_first(str_from(s, i + 1), 2))) {
			buf_putc(out, (char)octet);
			i += 2;
		} else {
			buf_putc(out, s.p[i]);
		}
	}
	return !out->full;
}

/* On one line, without controls; ASCII unless utf8. */
static void
put_clean(struct buf *out, struct str s, bool utf8)
{
	bool keep = utf8 && str_is_utf8(s);

	s = str_first(s, REPLY_MAX);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		buf_putc(out, c < 0x20 || c == 0x7f || (c > 0x7f && !keep) ? '?' : (char)c);
	}
}

static void
put_date(struct buf *out, const char *name, int64_t at)
{
	buf_puts(out, name);
	date_put(out, (struct maildate){ .time = at });
	buf_puts(out, "\r\n");
}

/* "rfc822; ann@example.org"; an address beyond ASCII is of type utf-8 (RFC 6533 3). */
static void
put_address(struct buf *out, const char *name, struct str address)
{
	buf_puts(out, name);
	buf_puts(out, str_is_ascii(address) ? "rfc822; " : "utf-8; ");
	put_clean(out, address, true);
	buf_puts(out, "\r\n");
}

static void
put_original_recipient(struct buf *out, struct str orcpt)
{
	struct str type, rest;
	struct buf plain;

	if (!str_cut(orcpt, ';', &type, &rest))
		return;
	buf_init(&plain, DELIVER_ORCPT_MAX);
	(void)xtext_decode(rest, &plain);
	buf_puts(out, "Original-Recipient: ");
	put_clean(out, type, false);
	buf_puts(out, ";");
	put_clean(out, buf_str(&plain), true);
	buf_puts(out, "\r\n");
	buf_free(&plain);
}

static const char *const subjects[] = {
	[DSN_FAILED] = "Undelivered mail returned to sender",
	[DSN_DELAYED] = "Your mail is delayed (no action needed yet)",
	[DSN_DELIVERED] = "Your mail was delivered",
	[DSN_RELAYED] = "Your mail was handed on",
};

static const char *const action_names[] = {
	[DSN_FAILED] = "failed",
	[DSN_DELAYED] = "delayed",
	[DSN_DELIVERED] = "delivered",
	[DSN_RELAYED] = "relayed",
};

static const char *const plain_status[] = {
	[DSN_FAILED] = "5.0.0",
	[DSN_DELAYED] = "4.0.0",
	[DSN_DELIVERED] = "2.0.0",
	[DSN_RELAYED] = "2.0.0",
};

static const char *
opening(const struct dsn *d)
{
	switch (d->action) {
	case DSN_FAILED:
		return d->expired ? "could not be delivered in the time that we try, and is "
				    "returned to you.\r\nWe have given up on:"
				  : "could not be delivered to:";
	case DSN_DELAYED:
		return "has not been delivered yet to the recipients below.\r\n"
		       "You need not send it again: we go on trying.";
	case DSN_DELIVERED:
		return "was delivered to:";
	case DSN_RELAYED:
		return "was taken by a mail server that does not send confirmations.\r\n"
		       "This is the last that we can tell you about:";
	}
	return "";
}

static void
put_head(const struct dsn *d, struct buf *out)
{
	buf_puts(out, "From: Mail delivery <MAILER-DAEMON@");
	buf_put(out, d->hostname);
	buf_puts(out, ">\r\nTo: <");
	put_clean(out, d->to, true);
	buf_puts(out, ">\r\n");
	put_date(out, "Date: ", d->now_s);
	buf_puts(out, "Message-ID: <");
	buf_put(out, d->own_id);
	buf_puts(out, "@");
	buf_put(out, d->hostname);
	buf_puts(out, ">\r\nSubject: ");
	buf_puts(out, subjects[d->action]);
	buf_puts(out,
	    "\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	buf_put(out, d->own_id);
	buf_puts(out, "\"\r\n");
	if (d->eightbit || d->utf8)
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(out, "\r\nA report about the delivery of mail, in MIME format.\r\n");
}

static void
put_boundary(const struct dsn *d, struct buf *out)
{
	buf_puts(out, "\r\n--");
	buf_put(out, d->own_id);
	buf_puts(out, "\r\n");
}

static void
put_for_people(const struct dsn *d, struct buf *out)
{
	put_boundary(d, out);
	buf_puts(out, "Content-Type: text/plain; charset=utf-8\r\n");
	if (d->utf8)
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(out, "\r\nThis is the mail server ");
	buf_put(out, d->hostname);
	buf_puts(out, ".\r\n\r\nThe message that you sent on\r\n\r\n    ");
	put_date(out, "", d->arrived_s);
	buf_puts(out, "\r\n");
	buf_puts(out, opening(d));
	buf_puts(out, "\r\n");
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct dsn_recipient *r = &d->recipients[i];

		buf_puts(out, "\r\n    <");
		put_clean(out, r->final, d->utf8);
		buf_puts(out, ">\r\n");
		if (r->reply.n > 0) {
			buf_puts(out, "        ");
			if (r->mta.n > 0) {
				put_clean(out, r->mta, false);
				buf_puts(out, " said: ");
			}
			put_clean(out, r->reply, d->utf8);
			buf_puts(out, "\r\n");
		}
	}
	if (d->action == DSN_DELAYED && d->until_s > 0)
		put_date(out, "\r\nWe stop trying on\r\n\r\n    ", d->until_s);
	buf_puts(out, d->full ? "\r\nYour message is attached.\r\n"
			      : "\r\nThe header of your message is attached.\r\n");
}

/* RFC 3464 2.2: about the message. */
static void
put_message_fields(const struct dsn *d, struct buf *out)
{
	struct buf plain;

	buf_puts(out, "Reporting-MTA: dns; ");
	buf_put(out, d->hostname);
	buf_puts(out, "\r\n");
	if (d->envid.n > 0) {
		buf_init(&plain, DELIVER_ADDRESS_MAX);
		(void)xtext_decode(d->envid, &plain);
		buf_puts(out, "Original-Envelope-Id: ");
		put_clean(out, buf_str(&plain), false);
		buf_puts(out, "\r\n");
		buf_free(&plain);
	}
	if (d->helo.n > 0) {
		buf_puts(out, "Received-From-MTA: dns; ");
		put_clean(out, d->helo, false);
		buf_puts(out, "\r\n");
	}
	put_date(out, "Arrival-Date: ", d->arrived_s);
	buf_puts(out, "X-Postroom-Id: ");
	buf_put(out, d->id);
	buf_puts(out, "\r\n");
}

/* RFC 3464 2.3: about one recipient. */
static void
put_recipient_fields(const struct dsn *d, const struct dsn_recipient *r, struct buf *out)
{
	buf_puts(out, "\r\n");
	if (r->orcpt.n > 0)
		put_original_recipient(out, r->orcpt);
	put_address(out, "Final-Recipient: ", r->final);
	buf_puts(out, "Action: ");
	buf_puts(out, action_names[d->action]);
	buf_puts(out, "\r\nStatus: ");
	if (r->status.n > 0)
		put_clean(out, r->status, false);
	else
		buf_puts(out, plain_status[d->action]);
	buf_puts(out, "\r\n");
	if (r->mta.n > 0) {
		buf_puts(out, "Remote-MTA: dns; ");
		put_clean(out, r->mta, false);
		buf_puts(out, "\r\n");
	}
	if (r->reply.n > 0 && d->action <= DSN_DELAYED) {
		buf_puts(out,
		    r->mta.n > 0 ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-postroom; ");
		put_clean(out, r->reply, d->utf8);
		buf_puts(out, "\r\n");
	}
	if (r->at_s > 0)
		put_date(out, "Last-Attempt-Date: ", r->at_s);
	if (d->action == DSN_DELAYED && d->until_s > 0)
		put_date(out, "Will-Retry-Until: ", d->until_s);
}

bool
dsn_begin(const struct dsn *d, struct buf *out)
{
	put_head(d, out);
	put_for_people(d, out);
	put_boundary(d, out);
	buf_puts(out, d->utf8 ? "Content-Type: message/global-delivery-status\r\n"
				"Content-Transfer-Encoding: 8bit\r\n\r\n"
			      : "Content-Type: message/delivery-status\r\n\r\n");
	put_message_fields(d, out);
	for (size_t i = 0; i < d->recipient_count; i++)
		put_recipient_fields(d, &d->recipients[i], out);
	put_boundary(d, out);
	buf_puts(out, "Content-Type: ");
	if (d->full)
		buf_puts(out, d->utf8 ? "message/global" : "message/rfc822");
	else
		buf_puts(out, d->utf8 ? "message/global-headers" : "text/rfc822-headers");
	buf_puts(out, "\r\n");
	if (d->eightbit || d->utf8)
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(out, "\r\n");
	return !out->full;
}

bool
dsn_end(const struct dsn *d, struct buf *out)
{
	buf_puts(out, "\r\n--");
	buf_put(out, d->own_id);
	buf_puts(out, "--\r\n");
	return !out->full;
}
