/*
 * preauth.c - what IMAP and POP3 have in common before login.
 */
#include "imapd/login/preauth.h"

#include "base/codec.h"
#include "base/secret.h"

#define SECRET_ROOM 2048

void
preauth_init(struct preauth *p, enum preauth_protocol protocol)
{
	*p = (struct preauth){ .protocol = protocol, .mechanisms = "", .hostname = "" };
	buf_init(&p->response, PREAUTH_SASL_MAX);
	buf_init(&p->id, PREAUTH_ID_MAX);
	buf_init(&p->user, PREAUTH_LITERAL_MAX);
}

static void
forget(struct buf *b)
{
	if (b->room > 0)
		wipe(b->p, b->room);
	buf_free(b);
}

/* Empty, with room for any password at once: growing would leave a copy behind. */
static void
begin_secret(struct buf *b)
{
	forget(b);
	(void)buf_room(b, SECRET_ROOM);
}

void
preauth_free(struct preauth *p)
{
	forget(&p->response);
	forget(&p->id);
	forget(&p->user);
}

void
preauth_secured(struct preauth *p)
{
	preauth_free(p);
	p->tls = true;
	p->passwords = true;
	p->in_exchange = false;
	p->literals = 0;
	p->scanned = p->segment = 0;
	p->tag[0] = '\0';
}

static enum preauth_want
too_many_errors(const struct preauth *p, struct buf *out)
{
	preauth_bye(p, "Too many errors", out);
	return WANT_CLOSE;
}

enum preauth_want
preauth_take(struct preauth *p, struct str in, size_t *used, struct buf *out)
{
	enum preauth_want want;

	*used = 0;
	if (p->errors >= PREAUTH_ERRORS_MAX) /* the last was an exchange given up */
		return too_many_errors(p, out);
	want = p->protocol == PREAUTH_IMAP ? preauth_imap_line(p, in, used, out)
					   : preauth_pop3_line(p, in, used, out);
	if (*used > 0) {
		p->scanned = p->segment = 0;
		p->literals = 0;
		p->first_line_seen = true;
	}
	if (want == WANT_INPUT && p->errors >= PREAUTH_ERRORS_MAX)
		return too_many_errors(p, out);
	return want;
}

enum preauth_line
preauth_line_end(struct preauth *p, struct str in, size_t *end)
{
	/* Not an octet more, so that it does not matter in which pieces they came. */
	struct str some = str_first(in, PREAUTH_INPUT_MAX);
	ptrdiff_t lf = -1;

	if (p->scanned < some.n)
		lf = str_chr(str_from(some, p->scanned), '\n');
	if (lf >= 0) {
		*end = p->scanned + (size_t)lf + 1;
		return LINE_WHOLE;
	}
	p->scanned = MAX(p->scanned, some.n);
	return some.n == PREAUTH_INPUT_MAX ? LINE_TOO_LONG : LINE_PARTLY;
}

enum preauth_want
preauth_plain(struct preauth *p, struct str user, struct str password)
{
	memcpy(p->mechanism, "PLAIN", sizeof("PLAIN"));
	begin_secret(&p->response);
	buf_putc(&p->response, '\0');
	buf_put(&p->response, user);
	buf_putc(&p->response, '\0');
	buf_put(&p->response, password);
	p->has_response = true;
	return WANT_START;
}

bool
preauth_begin(struct preauth *p, struct str mechanism, struct str initial, bool has)
{
	if (mechanism.n == 0 || mechanism.n >= sizeof(p->mechanism))
		return false;
	for (size_t i = 0; i < mechanism.n; i++)
		p->mechanism[i] = ascii_upper(mechanism.p[i]);
	p->mechanism[mechanism.n] = '\0';
	begin_secret(&p->response);
	p->has_response = has;
	return !has || str_eq(initial, STR("=")) || base64_take(&p->response, initial);
}

bool
preauth_is_http(struct str line)
{
	static const char *const verbs[] = { "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ",
		"CONNECT ", "DELETE ", "PRI " };

	line = str_trim(line);
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (str_starts(line, str_of(verbs[i])) && str_find(line, STR(" HTTP/")) > 0)
			return true;
	return false;
}
