/*
 * params.c - grammar of the parameters of MAIL and RCPT.
 *
 * A parameter is esmtp-keyword ["=" esmtp-value] (RFC 5321 4.1.2).  Each may
 * stand once; RFC 3461 4.5 asks for 501 else, and we ask it of all.  A bit in
 * `seen` remembers.
 */
#include "smtpd/params.h"

#include "base/codec.h"

enum {
	SEEN_SIZE = 1 << 0,
	SEEN_BODY = 1 << 1,
	SEEN_SMTPUTF8 = 1 << 2,
	SEEN_AUTH = 1 << 3,
	SEEN_RET = 1 << 4,
	SEEN_ENVID = 1 << 5,
	SEEN_NOTIFY = 1 << 6,
	SEEN_ORCPT = 1 << 7,
};

struct param {
	struct str key;
	struct str value; /* p is NULL when there was no "=" */
};

static bool
is_key(unsigned char c)
{
	return ascii_alnum((char)c) || c == '-';
}

/* RFC 5321 4.1.2 esmtp-value; octets above 127 by RFC 6531 3.3. */
static bool
is_value(unsigned char c)
{
	return c > 32 && c != '=' && c != 127;
}

/* SP before each; false with *bad set where something else stands. */
static bool
next_param(struct scan *s, struct param *out, bool *bad)
{
	bool blank = scan_blanks(s);

	*bad = false;
	if (scan_end(s))
		return false;
	out->value = STR_NONE;
	if (!blank || !scan_while(s, is_key, &out->key) || out->key.p[0] == '-') {
		*bad = true;
		return false;
	}
	if (scan_char(s, '=') && !scan_while(s, is_value, &out->value)) {
		*bad = true;
		return false;
	}
	if (!scan_end(s) && scan_peek(s) != ' ' && scan_peek(s) != '\t') {
		*bad = true;
		return false;
	}
	return true;
}

static bool
is_param(const struct param *p, const char *key)
{
	return str_eq_nocase(p->key, str_of(key));
}

static enum outcome
once(unsigned *seen, unsigned bit, const struct param *p, struct why *why)
{
	if ((*seen & bit) != 0)
		return fail(PERMFAIL, why, 501, "5.5.4", "Parameter given twice: " STR_FMT,
		    STR_ARG(p->key));
	*seen |= bit;
	return DONE;
}

static enum outcome
bad_value(const struct param *p, struct why *why)
{
	return fail(
	    PERMFAIL, why, 501, "5.5.4", "Bad value of parameter " STR_FMT, STR_ARG(p->key));
}

static enum outcome
bad_syntax(struct why *why)
{
	return fail(PERMFAIL, why, 501, "5.5.4", "Syntax error in parameters");
}

static enum outcome
unknown_param(const struct param *p, struct why *why)
{
	/* RFC 5321 4.1.1.11: 555 for a parameter that is not known. */
	return fail(PERMFAIL, why, 555, "5.5.4", "Unsupported parameter: " STR_FMT,
	    STR_ARG(str_first(p->key, 40)));
}

bool
xtext_valid(struct str s, bool utf8)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '+') {
			unsigned char octet;

			/* RFC 3461 4: two upper case digits; 4.2, 4.4: printable ASCII is meant. */
			if (i + 2 >= s.n || (s.p[i + 1] >= 'a' && s.p[i + 1] <= 'f') ||
			    (s.p[i + 2] >= 'a' && s.p[i + 2] <= 'f') ||
			    !hex_take(&octet, 1, str_n(s.p + i + 1, 2)))
				return false;
			if (octet < 32 || octet == 127 || (octet > 127 && !utf8))
				return false;
			i += 2;
		} else if (c < 33 || c == '=' || c == 127 || (c > 127 && !utf8)) {
			return false;
		}
	}
	return !utf8 || str_is_utf8(s);
}

static enum outcome
mail_param(struct param *p, unsigned *seen, struct mail_params *out, struct why *why)
{
	enum outcome o = DONE;

	if (is_param(p, "SIZE")) {
		/* RFC 1870 3: up to twenty digits; one that does not fit is too large anyway. */
		o = once(seen, SEEN_SIZE, p, why);
		if (o != DONE)
			return o;
		for (size_t i = 0; i < p->value.n; i++)
			if (!ascii_digit(p->value.p[i]))
				return bad_value(p, why);
		if (p->value.n == 0 || p->value.n > 20)
			return bad_value(p, why);
		if (!str_u64(p->value, &out->size))
			out->size = UINT64_MAX;
		return DONE;
	}
	if (is_param(p, "BODY")) {
		o = once(seen, SEEN_BODY, p, why);
		if (o != DONE)
			return o;
		if (str_eq_nocase(p->value, STR("7BIT")))
			out->body = BODY_7BIT;
		else if (str_eq_nocase(p->value, STR("8BITMIME")))
			out->body = BODY_8BITMIME;
		else if (str_eq_nocase(p->value, STR("BINARYMIME")))
			out->body = BODY_BINARYMIME;
		else
			return bad_value(p, why);
		return DONE;
	}
	if (is_param(p, "SMTPUTF8")) {
		if (p->value.p != NULL) /* RFC 6531 3.4: no value */
			return bad_value(p, why);
		out->smtputf8 = true;
		return once(seen, SEEN_SMTPUTF8, p, why);
	}
	if (is_param(p, "AUTH")) {
		/* RFC 4954 5: xtext of a mailbox, or "<>". */
		out->auth = p->value;
		if (p->value.n == 0 || !xtext_valid(p->value, true))
			return bad_value(p, why);
		return once(seen, SEEN_AUTH, p, why);
	}
	if (is_param(p, "RET")) {
		if (str_eq_nocase(p->value, STR("FULL")))
			out->ret = DELIVER_RET_FULL;
		else if (str_eq_nocase(p->value, STR("HDRS")))
			out->ret = DELIVER_RET_HDRS;
		else
			return bad_value(p, why);
		return once(seen, SEEN_RET, p, why);
	}
	if (is_param(p, "ENVID")) {
		out->envid = p->value;
		if (p->value.n == 0 || p->value.n > PARAM_ENVID_MAX ||
		    !xtext_valid(p->value, false))
			return bad_value(p, why);
		return once(seen, SEEN_ENVID, p, why);
	}
	return unknown_param(p, why);
}

enum outcome
mail_params_parse(struct scan *args, struct mail_params *out, struct why *why)
{
	struct param p;
	unsigned seen = 0;
	bool bad;

	*out = (struct mail_params){ 0 };
	while (next_param(args, &p, &bad)) { /* bounded by the length of a line */
		enum outcome o = mail_param(&p, &seen, out, why);
		if (o != DONE)
			return o;
	}
	return bad ? bad_syntax(why) : DONE;
}

/* RFC 3461 4.1: NEVER alone, or a list of the other three. */
static bool
notify_parse(struct str list, uint8_t *out)
{
	static const struct {
		struct str name;
		uint8_t bit;
	} words[] = {
		{ { "NEVER", 5 }, DELIVER_NOTIFY_NEVER },
		{ { "SUCCESS", 7 }, DELIVER_NOTIFY_SUCCESS },
		{ { "FAILURE", 7 }, DELIVER_NOTIFY_FAILURE },
		{ { "DELAY", 5 }, DELIVER_NOTIFY_DELAY },
	};
	struct str word;
	bool more;

	*out = 0;
	do {
		uint8_t bit = 0;

		more = str_cut(list, ',', &word, &list);
		for (size_t i = 0; i < COUNT_OF(words); i++)
			if (str_eq_nocase(word, words[i].name))
				bit = words[i].bit;
		if (bit == 0)
			return false;
		*out |= bit;
	} while (more);
	return (*out & DELIVER_NOTIFY_NEVER) == 0 || *out == DELIVER_NOTIFY_NEVER;
}

/* RFC 3461 4.2: addr-type ";" xtext. */
static bool
orcpt_valid(struct str s, bool smtputf8)
{
	struct str type, address;

	if (s.n > PARAM_ORCPT_MAX || !str_cut(s, ';', &type, &address))
		return false;
	if (type.n == 0 || address.n == 0)
		return false;
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_alnum(type.p[i]) && type.p[i] != '-')
			return false;
	/* RFC 6533 3: utf-8 addresses may come raw when SMTPUTF8 was asked for. */
	return xtext_valid(address, smtputf8);
}

static enum outcome
rcpt_param(struct param *p, unsigned *seen, bool smtputf8, struct rcpt_params *out, struct why *why)
{
	if (is_param(p, "NOTIFY")) {
		if (!notify_parse(p->value, &out->notify))
			return bad_value(p, why);
		return once(seen, SEEN_NOTIFY, p, why);
	}
	if (is_param(p, "ORCPT")) {
		if (!orcpt_valid(p->value, smtputf8))
			return bad_value(p, why);
		out->orcpt = p->value;
		return once(seen, SEEN_ORCPT, p, why);
	}
	return unknown_param(p, why);
}

enum outcome
rcpt_params_parse(struct scan *args, bool smtputf8, struct rcpt_params *out, struct why *why)
{
	struct param p;
	unsigned seen = 0;
	bool bad;

	*out = (struct rcpt_params){ 0 };
	while (next_param(args, &p, &bad)) { /* bounded by the length of a line */
		enum outcome o = rcpt_param(&p, &seen, smtputf8, out, why);
		if (o != DONE)
			return o;
	}
	return bad ? bad_syntax(why) : DONE;
}
