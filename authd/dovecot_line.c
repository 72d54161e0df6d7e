/* dovecot_line.c - the lines of the Dovecot auth protocol, read and written. */
#include "authd/dovecot.h"

#include "base/codec.h"

/* \001 introduces what could not stand in a line: 0 NUL, 1 \001, t tab, r CR, n LF. */
static const char escaped[] = "01trn";
static const char meant[] = "\0\001\t\r\n";

bool
dovecot_escape(struct buf *out, struct str field)
{
	bool ok = true;

	for (size_t i = 0; ok && i < field.n; i++) {
		const char *at = memchr(meant, field.p[i], sizeof(meant) - 1);

		if (at == NULL)
			ok = buf_putc(out, field.p[i]);
		else
			ok = buf_putc(out, '\001') && buf_putc(out, escaped[at - meant]);
	}
	return ok;
}

static bool
unescape(struct str field, struct arena *a, struct str *out)
{
	char *p = arena_alloc(a, field.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < field.n; i++) {
		const char *at;

		if (field.p[i] != '\001') {
			p[n++] = field.p[i];
			continue;
		}
		if (++i == field.n || field.p[i] == '\0' ||
		    (at = strchr(escaped, field.p[i])) == NULL)
			return false;
		p[n++] = meant[at - escaped];
	}
	*out = str_n(p, n);
	return true;
}

static bool
take_base64(struct str text, struct arena *a, struct str *out)
{
	struct buf b;
	bool ok;

	buf_init(&b, AUTH_DATA_MAX);
	ok = base64_take(&b, text);
	*out = arena_str(a, buf_str(&b));
	if (b.p != NULL)
		wipe(b.p, b.n);
	buf_free(&b);
	return ok;
}

static bool
take_parameter(struct str field, struct arena *a, struct dovecot_line *out)
{
	struct str name, value;

	if (!unescape(field, a, &field))
		return false;
	(void)str_cut(field, '=', &name, &value);
	if (str_eq(name, STR("service"))) {
		out->service = value;
	} else if (str_eq(name, STR("rip"))) {
		out->client = value;
	} else if (str_eq(name, STR("lip"))) {
		out->server = value;
	} else if (str_eq(name, STR("secured"))) {
		/* "secured" or "secured=tls"; anything else leaves the password unprotected. */
		out->secured = value.n == 0 || str_eq(value, STR("tls"));
	} else if (str_eq(name, STR("resp"))) {
		out->has_response = true;
		return take_base64(value, a, &out->response);
	}
	return true; /* what we do not know does not matter to us */
}

static bool
parse_auth(struct str rest, struct arena *a, struct dovecot_line *out)
{
	struct str field;
	bool more = str_cut(rest, '\t', &field, &rest);

	if (field.n == 0 || field.n > 40 || !unescape(field, a, &out->mechanism))
		return false;
	out->service = STR("smtp");
	while (more) {
		more = str_cut(rest, '\t', &field, &rest);
		if (!take_parameter(field, a, out))
			return false;
	}
	return out->service.n <= 32 && out->client.n <= 64 && out->server.n <= 64;
}

bool
dovecot_parse(struct str line, struct arena *a, struct dovecot_line *out)
{
	static const struct {
		struct str name;
		int verb;
	} verbs[] = {
		{ STR("AUTH"), DOVECOT_AUTH },
		{ STR("CONT"), DOVECOT_CONT },
		{ STR("CANCEL"), DOVECOT_CANCEL },
		{ STR("CPID"), DOVECOT_CPID },
		{ STR("VERSION"), DOVECOT_VERSION },
	};
	struct str verb, number, rest;

	*out = (struct dovecot_line){ .verb = DOVECOT_OTHER };
	(void)str_cut(line, '\t', &verb, &rest);
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		if (str_eq(verb, verbs[i].name))
			out->verb = verbs[i].verb;
	if (out->verb == DOVECOT_OTHER)
		return true; /* later minor versions may say more */
	(void)str_cut(rest, '\t', &number, &rest);
	if (!str_u32(number, &out->id))
		return false;
	out->major = out->id;
	if (out->verb == DOVECOT_AUTH)
		return parse_auth(rest, a, out);
	if (out->verb != DOVECOT_CONT)
		return true;
	out->has_response = true;
	return take_base64(rest, a, &out->response);
}
