#include "deliver/relay/reply.h"

#include <stdio.h>

#include "base/scan.h"

void
reply_begin(struct reply *r)
{
	memset(r, 0, sizeof(*r));
}

/* RFC 2034 3: class, subject and detail, at most three digits each. */
static bool
take_status(struct scan *s, struct str *status)
{
	struct scan t = *s;
	uint32_t class, subject, detail;
	const char *begin = t.p;

	if (!scan_u32(&t, &class) || !scan_char(&t, '.') || !scan_u32(&t, &subject) ||
	    !scan_char(&t, '.') || !scan_u32(&t, &detail))
		return false;
	if ((class != 2 && class != 4 && class != 5) || subject > 999 || detail > 999 ||
	    t.p - begin > 9 || (!scan_end(&t) && scan_peek(&t) != ' '))
		return false;
	*status = str_n(begin, (size_t)(t.p - begin));
	(void)scan_blanks(&t);
	*s = t;
	return true;
}

static void
keep(struct reply *r, struct str text)
{
	if (r->text_n > 0 && text.n > 0 && r->text_n < REPLY_TEXT_MAX)
		r->text[r->text_n++] = ' ';
	for (size_t i = 0; i < text.n && r->text_n < REPLY_TEXT_MAX; i++) {
		unsigned char c = (unsigned char)text.p[i];

		r->text[r->text_n++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	r->text[r->text_n] = '\0';
}

static int
code_of(struct str line)
{
	if (line.n < 3 || !ascii_digit(line.p[0]) || !ascii_digit(line.p[1]) ||
	    !ascii_digit(line.p[2]))
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

bool
reply_line_text(struct str line, struct str *text)
{
	if (code_of(line) == 0 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return false;
	*text = str_from(line, 4);
	return true;
}

enum reply_state
reply_line(struct reply *r, struct str line)
{
	int code = code_of(line);
	struct str text, status;
	struct scan s;

	if (line.n > REPLY_LINE_MAX || ++r->lines > REPLY_LINES_MAX || code < 200 || code > 599 ||
	    !reply_line_text(line, &text))
		return REPLY_BAD;
	if (r->lines > 1 && code != r->code)
		return REPLY_BAD; /* RFC 5321 4.2.1: the same on every line */
	r->code = code;
	s = scan_of(text);
	if (take_status(&s, &status)) {
		memcpy(r->status, status.p, status.n);
		r->status[status.n] = '\0';
	}
	keep(r, scan_rest(&s));
	return line.n > 3 && line.p[3] == '-' ? REPLY_MORE : REPLY_END;
}

const char *
reply_status(const struct reply *r)
{
	if (r->status[0] != '\0' && r->status[0] - '0' == r->code / 100)
		return r->status;
	switch (r->code / 100) {
	case 2:
		return "2.0.0";
	case 5:
		return "5.0.0";
	default:
		return "4.0.0";
	}
}

void
reply_print(const struct reply *r, char *out, size_t room)
{
	(void)snprintf(
	    out, room, "%d %s%s%s", r->code, r->status, r->status[0] != '\0' ? " " : "", r->text);
}
