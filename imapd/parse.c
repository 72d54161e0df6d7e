/*
 * parse.c - the tokens of IMAP: RFC 3501 9, with the leniencies that clients
 * have needed for decades and no more.
 */
#include "imapd/parse.h"

#include <limits.h>

struct parse
parse_of(struct str text, struct arena *arena)
{
	return (struct parse){ .s = scan_of(text), .arena = arena };
}

bool
parse_wrong(struct parse *p, const char *what)
{
	if (p->wrong == NULL)
		p->wrong = what;
	return false;
}

bool
is_atom_char(unsigned char c)
{
	/* atom-specials: ( ) { SP CTL % * " \ ] */
	if (c <= 0x20 || c >= 0x7f)
		return false;
	return c != '(' && c != ')' && c != '{' && c != '%' && c != '*' && c != '"' && c != '\\' &&
	    c != ']';
}

bool
is_astring_char(unsigned char c)
{
	return c == ']' || is_atom_char(c);
}

static bool
is_list_char(unsigned char c)
{
	return c == '%' || c == '*' || is_astring_char(c);
}

bool
parse_sp(struct parse *p)
{
	return scan_char(&p->s, ' ') || parse_wrong(p, "Expected a space");
}

bool
parse_end(struct parse *p)
{
	/* Some clients leave a space at the end of a command. */
	struct scan s = p->s;

	while (scan_char(&s, ' '))
		;
	return scan_end(&s) || parse_wrong(p, "Unexpected text at the end of the command");
}

bool
parse_char(struct parse *p, char c)
{
	return scan_char(&p->s, c);
}

bool
parse_word(struct parse *p, const char *word)
{
	struct scan s = p->s;
	int next;

	if (!scan_word(&s, word))
		return false;
	next = scan_peek(&s);
	if (next >= 0 && is_atom_char((unsigned char)next) && next != '[' && next != '<')
		return false;
	p->s = s;
	return true;
}

bool
parse_atom(struct parse *p, struct str *out)
{
	return scan_while(&p->s, is_atom_char, out) || parse_wrong(p, "Expected a word");
}

/* {n} or {n+} CRLF n octets; the reader has seen that they are there. */
static bool
parse_literal(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	uint32_t n;

	if (!scan_char(&s, '{') || !scan_u32(&s, &n))
		return false;
	(void)scan_char(&s, '+');
	if (!scan_char(&s, '}'))
		return false;
	(void)scan_char(&s, '\r');
	if (!scan_char(&s, '\n') || !scan_take(&s, n, out))
		return false;
	p->s = s;
	return true;
}

static bool
parse_quoted(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	const char *from;
	bool escaped = false;
	char *copy;
	size_t n = 0;

	if (!scan_char(&s, '"'))
		return false;
	from = s.p;
	while (!scan_end(&s) && *s.p != '"') {
		if (*s.p == '\r' || *s.p == '\n')
			return false;
		if (*s.p == '\\') {
			escaped = true;
			s.p++;
			if (scan_end(&s) || (*s.p != '\\' && *s.p != '"'))
				return false;
		}
		s.p++;
	}
	if (scan_end(&s))
		return false;
	*out = str_n(from, (size_t)(s.p - from));
	s.p++;
	if (escaped) {
		copy = arena_alloc(p->arena, out->n);
		for (size_t i = 0; i < out->n; i++) {
			if (out->p[i] == '\\')
				i++;
			copy[n++] = out->p[i];
		}
		*out = str_n(copy, n);
	}
	p->s = s;
	return true;
}

bool
parse_string(struct parse *p, struct str *out)
{
	if (parse_quoted(p, out) || parse_literal(p, out))
		return true;
	return parse_wrong(p, "Expected a string");
}

bool
parse_astring(struct parse *p, struct str *out)
{
	if (scan_while(&p->s, is_astring_char, out))
		return true;
	return parse_string(p, out);
}

bool
parse_nstring(struct parse *p, struct str *out)
{
	if (parse_word(p, "NIL")) {
		*out = STR_NONE;
		return true;
	}
	return parse_string(p, out);
}

bool
parse_list_mailbox(struct parse *p, struct str *out)
{
	if (scan_while(&p->s, is_list_char, out))
		return true;
	return parse_string(p, out);
}

bool
parse_number(struct parse *p, uint32_t *v)
{
	return scan_u32(&p->s, v) || parse_wrong(p, "Expected a number");
}

bool
parse_nz_number(struct parse *p, uint32_t *v)
{
	struct scan s = p->s;

	if (!scan_u32(&s, v) || *v == 0)
		return parse_wrong(p, "Expected a number from 1 on");
	p->s = s;
	return true;
}

bool
parse_number64(struct parse *p, uint64_t *v)
{
	struct scan s = p->s;

	if (!scan_u64(&s, v) || *v > INT64_MAX)
		return parse_wrong(p, "Expected a number below 2^63");
	p->s = s;
	return true;
}

bool
parse_modseq(struct parse *p, uint64_t *v)
{
	return parse_number64(p, v);
}

static bool
is_set_char(unsigned char c)
{
	return ascii_digit((char)c) || c == ':' || c == ',' || c == '*';
}

bool
parse_set_text(struct parse *p, struct str *out)
{
	return scan_while(&p->s, is_set_char, out) || parse_wrong(p, "Expected a sequence set");
}

bool
parse_flag(struct parse *p, struct str *out)
{
	struct scan s = p->s;
	struct str name;
	const char *from = s.p;

	(void)scan_char(&s, '\\');
	if (!scan_while(&s, is_atom_char, &name) || (size_t)(s.p - from) > PARSE_FLAG_MAX)
		return parse_wrong(p, "Expected a flag");
	*out = str_n(from, (size_t)(s.p - from));
	p->s = s;
	return true;
}

bool
parse_flag_list(struct parse *p, bool bare, struct flag_list *out)
{
	struct scan before = p->s;
	bool list = scan_char(&p->s, '(');

	out->count = 0;
	if (!list && !bare)
		return parse_wrong(p, "Expected a list of flags");
	if (list && scan_char(&p->s, ')'))
		return true;
	do {
		if (out->count == PARSE_FLAGS_MAX) {
			p->s = before;
			return parse_wrong(p, "Too many flags");
		}
		if (!parse_flag(p, &out->flag[out->count])) {
			p->s = before;
			return false;
		}
		out->count++;
	} while (scan_char(&p->s, ' '));
	if (list && !scan_char(&p->s, ')')) {
		p->s = before;
		return parse_wrong(p, "Expected the end of the list of flags");
	}
	return true;
}

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static bool
scan_digits(struct scan *s, size_t least, size_t most, int *v)
{
	struct scan at = *s;
	size_t n = 0;

	*v = 0;
	while (n < most && !scan_end(&at) && ascii_digit(*at.p)) {
		*v = *v * 10 + (*at.p - '0');
		at.p++;
		n++;
	}
	if (n < least)
		return false;
	*s = at;
	return true;
}

static bool
scan_month(struct scan *s, int *month)
{
	struct str name;
	struct scan at = *s;

	if (!scan_take(&at, 3, &name))
		return false;
	for (int m = 0; m < 12; m++) {
		if (str_eq_nocase(name, str_n(month_names + m * 3, 3))) {
			*month = m + 1;
			*s = at;
			return true;
		}
	}
	return false;
}

static int
days_in_month(int year, int month)
{
	static const signed char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool
scan_date(struct scan *s, struct date *out)
{
	struct scan at = *s;

	(void)scan_char(&at, ' '); /* date-day-fixed: " 7" */
	if (!scan_digits(&at, 1, 2, &out->day) || !scan_char(&at, '-') ||
	    !scan_month(&at, &out->month) || !scan_char(&at, '-') ||
	    !scan_digits(&at, 4, 4, &out->year) || out->day < 1 ||
	    out->day > days_in_month(out->year, out->month))
		return false;
	*s = at;
	return true;
}

bool
parse_date(struct parse *p, struct date *out)
{
	struct scan s = p->s;
	bool quoted = scan_char(&s, '"');

	if (!scan_date(&s, out) || (quoted && !scan_char(&s, '"')))
		return parse_wrong(p, "Expected a date such as 1-Feb-1994");
	p->s = s;
	return true;
}

int64_t
date_days(struct date d)
{
	/* Years begin in March, so that the leap day is the last of its year. */
	int64_t y = d.month <= 2 ? d.year - 1 : d.year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool
parse_date_time(struct parse *p, int64_t *seconds, int *zone_minutes)
{
	struct scan s = p->s;
	struct date date;
	int hour, minute, second, zone_h, zone_m, sign;

	if (!scan_char(&s, '"') || !scan_date(&s, &date) || !scan_char(&s, ' ') ||
	    !scan_digits(&s, 2, 2, &hour) || !scan_char(&s, ':') ||
	    !scan_digits(&s, 2, 2, &minute) || !scan_char(&s, ':') ||
	    !scan_digits(&s, 2, 2, &second) || !scan_char(&s, ' '))
		goto wrong;
	if (scan_char(&s, '+'))
		sign = 1;
	else if (scan_char(&s, '-'))
		sign = -1;
	else
		goto wrong;
	if (!scan_digits(&s, 2, 2, &zone_h) || !scan_digits(&s, 2, 2, &zone_m) ||
	    !scan_char(&s, '"') || hour > 23 || minute > 59 || second > 60 || zone_h > 23 ||
	    zone_m > 59)
		goto wrong;
	*zone_minutes = sign * (zone_h * 60 + zone_m);
	*seconds = date_days(date) * 86400 + hour * 3600 + minute * 60 + second -
	    (int64_t)*zone_minutes * 60;
	p->s = s;
	return true;
wrong:
	return parse_wrong(p, "Expected a date such as \"17-Jul-1996 02:44:25 -0700\"");
}
