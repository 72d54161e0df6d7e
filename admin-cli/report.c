/*
 * report.c - tables by libsmartcols, JSON by jansson.
 */
#include "admin-cli/report.h"

#include <jansson.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void
report_begin(struct report *r, struct cli *c, const struct column *columns, size_t width)
{
	*r = (struct report){ .c = c, .columns = columns, .width = width };
}

void
report_cell(struct report *r, struct str text)
{
	if (r->count == r->room) {
		size_t room = r->room == 0 ? 16 * r->width : 2 * r->room;
		struct str *cells = arena_array(r->c->arena, room, sizeof(*cells));

		for (size_t i = 0; i < r->count; i++)
			cells[i] = r->cells[i];
		r->cells = cells;
		r->room = room;
	}
	r->cells[r->count++] = text;
}

void
report_number(struct report *r, uint64_t n)
{
	report_cell(r, str_of(arena_printf(r->c->arena, "%llu", (unsigned long long)n)));
}

void
report_bool(struct report *r, bool yes)
{
	report_cell(r, yes ? STR("1") : STR("0"));
}

/* --- text that is safe --- */

/* The UTF-8 character at the start of s: its length, *code; 0 where it is ill-formed. */
static size_t
utf8_first(struct str s, uint32_t *code)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++) {
		if (!str_is_utf8(str_first(s, n)))
			continue;
		const unsigned char *p = (const unsigned char *)s.p;
		uint32_t first_bits = n == 1 ? 0x7f : 0x7fu >> n;

		*code = p[0] & first_bits;
		for (size_t i = 1; i < n; i++)
			*code = *code << 6 | (p[i] & 0x3f);
		return n;
	}
	return 0;
}

static bool
is_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	/* Marks that turn or hide text: U+061C, zero-width and direction marks, isolates, tags. */
	if (code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
	    (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	    code == 0xfeff || (code >= 0xe0000 && code <= 0xe007f))
		return false;
	return true;
}

struct str
report_escape(struct arena *a, struct str text)
{
	struct buf out;
	struct str result;

	buf_init(&out, 16 * text.n + 1);
	while (text.n > 0) {
		uint32_t code;
		size_t n = utf8_first(text, &code);

		if (n == 0)
			buf_printf(&out, "\\x%02x", (unsigned char)text.p[0]);
		else if (is_harmless(code))
			buf_put(&out, str_first(text, n));
		else if (code < 0x100)
			buf_printf(&out, "\\x%02x", (unsigned)code);
		else
			buf_printf(&out, "\\u{%x}", (unsigned)code);
		text = str_from(text, n == 0 ? 1 : n);
	}
	result = arena_str(a, buf_str(&out));
	buf_free(&out);
	return result;
}

struct str
report_size(struct arena *a, uint64_t octets)
{
	static const char units[] = "KMGTPE";
	double v = (double)octets;
	size_t unit = 0;

	if (octets < 1024)
		return str_of(arena_printf(a, "%u", (unsigned)octets));
	for (v /= 1024; v >= 1023.95 && unit < sizeof(units) - 2; v /= 1024)
		unit++;
	if (v - (double)(uint64_t)v < 0.05)
		return str_of(arena_printf(a, "%.0f%c", v, units[unit]));
	return str_of(arena_printf(a, "%.1f%c", v, units[unit]));
}

struct str
report_time(struct arena *a, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || gmtime_r(&t, &tm) == NULL)
		return STR_NONE;
	return str_of(arena_printf(a, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec));
}

/* --- JSON --- */

static json_t *
json_text(struct arena *a, struct str s)
{
	json_t *j = json_stringn(s.n > 0 ? s.p : "", s.n);

	if (j == NULL) { /* not UTF-8: show it as the terminal would see it */
		struct str safe = report_escape(a, s);

		j = json_stringn(safe.p, safe.n);
	}
	return j;
}

static json_t *
json_lines(struct arena *a, struct str s)
{
	json_t *array = json_array();
	struct str line, rest = s;

	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		json_array_append_new(array, json_text(a, line));
	}
	return array;
}

static json_t *
json_cell(struct arena *a, enum column_kind kind, struct str s)
{
	uint64_t n;

	if (kind == COLUMN_LINES)
		return json_lines(a, s);
	if (s.p == NULL)
		return json_null();
	if (kind == COLUMN_BOOL)
		return json_boolean(str_eq(s, STR("1")));
	if (kind != COLUMN_TEXT && str_u64(s, &n) && n <= INT64_MAX)
		return json_integer((json_int_t)n);
	return json_text(a, s);
}

static json_t *
json_row(const struct report *r, size_t row)
{
	json_t *object = json_object();

	for (size_t i = 0; i < r->width; i++)
		json_object_set_new(object, r->columns[i].key,
		    json_cell(r->c->arena, r->columns[i].kind, r->cells[row * r->width + i]));
	return object;
}

static enum status
json_out(json_t *value)
{
	bool done = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
		    putchar('\n') != EOF && fflush(stdout) == 0;

	json_decref(value);
	return done ? STATUS_DONE : STATUS_FAILED;
}

/* --- for people --- */

/* In a table the lines stand side by side. */
static struct str
cell_of_lines(struct arena *a, struct str lines)
{
	struct str line, safe, rest = lines, out;
	struct buf text;

	if (lines.n == 0)
		return STR("-");
	buf_init(&text, 16 * lines.n + 1);
	while (rest.n > 0) {
		str_cut(rest, '\n', &line, &rest);
		safe = report_escape(a, line);
		buf_printf(&text, STR_FMT "%s", STR_ARG(safe), rest.n > 0 ? ", " : "");
	}
	out = arena_str(a, buf_str(&text));
	buf_free(&text);
	return out;
}

static struct str
cell_text(const struct report *r, size_t row, size_t column)
{
	struct arena *a = r->c->arena;
	struct str s = r->cells[row * r->width + column];
	uint64_t n;

	switch (r->columns[column].kind) {
	case COLUMN_BOOL:
		return str_eq(s, STR("1")) ? STR("yes") : STR("no");
	case COLUMN_SIZE:
	case COLUMN_LIMIT:
		if (str_u64(s, &n)) {
			if (n == 0 && r->columns[column].kind == COLUMN_LIMIT)
				return STR("-");
			return report_size(a, n);
		}
		break;
	case COLUMN_LINES:
		return cell_of_lines(a, s);
	case COLUMN_NUMBER:
	case COLUMN_TEXT:
		break;
	}
	return s.n == 0 ? STR("-") : report_escape(a, s);
}

static enum status
table_out(const struct report *r)
{
	struct libscols_table *table = scols_new_table();

	if (table == NULL)
		return STATUS_FAILED;
	scols_table_enable_noencoding(table, 1); /* report_escape has done it */
	for (size_t i = 0; i < r->width; i++) {
		bool right = r->columns[i].kind != COLUMN_TEXT &&
			     r->columns[i].kind != COLUMN_LINES &&
			     r->columns[i].kind != COLUMN_BOOL;

		if (r->columns[i].title != NULL)
			scols_table_new_column(
			    table, r->columns[i].title, 0, right ? SCOLS_FL_RIGHT : 0);
	}
	for (size_t row = 0; row < r->count / r->width; row++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);
		size_t shown = 0;

		for (size_t i = 0; line != NULL && i < r->width; i++)
			if (r->columns[i].title != NULL)
				scols_line_set_data(
				    line, shown++, arena_cstr(r->c->arena, cell_text(r, row, i)));
	}
	int failed = r->count > 0 ? scols_print_table(table) : 0;

	scols_unref_table(table);
	return failed != 0 || fflush(stdout) != 0 ? STATUS_FAILED : STATUS_DONE;
}

static json_t *
json_rows(const struct report *r)
{
	json_t *array = json_array();

	for (size_t row = 0; row < r->count / r->width; row++)
		json_array_append_new(array, json_row(r, row));
	return array;
}

enum status
report_list(struct report *r)
{
	assert(r->count % r->width == 0);
	return r->c->json ? json_out(json_rows(r)) : table_out(r);
}

static void
print_lines(const struct report *r, const char *title, struct str s)
{
	struct str line, rest = s;

	do {
		struct str safe;

		str_cut(rest, '\n', &line, &rest);
		safe = line.n == 0 ? STR("-") : report_escape(r->c->arena, line);
		printf("%-20s" STR_FMT "\n", title, STR_ARG(safe));
		title = "";
	} while (rest.n > 0);
}

enum status
report_one(struct report *r)
{
	assert(r->count == r->width);
	if (r->c->json)
		return json_out(json_row(r, 0));
	for (size_t i = 0; i < r->width; i++) {
		const char *title = r->columns[i].title;

		if (title == NULL)
			continue;
		title = arena_printf(r->c->arena, "%s:", title);
		if (r->columns[i].kind == COLUMN_LINES)
			print_lines(r, title, r->cells[i]);
		else
			printf("%-20s" STR_FMT "\n", title, STR_ARG(cell_text(r, 0, i)));
	}
	return fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED;
}

enum status
report_parts(struct report *const *parts, const char *const *names, size_t count)
{
	json_t *object = json_object();
	enum status s = STATUS_DONE;

	if (parts[0]->c->json) {
		for (size_t i = 0; i < count; i++)
			json_object_set_new(object, names[i],
			    i + 1 < count ? json_rows(parts[i]) : json_row(parts[i], 0));
		return json_out(object);
	}
	json_decref(object);
	for (size_t i = 0; s == STATUS_DONE && i < count; i++) {
		if (i > 0)
			putchar('\n');
		s = i + 1 < count ? table_out(parts[i]) : report_one(parts[i]);
	}
	return s;
}

enum status
report_done(struct cli *c, const char *key, struct str value, const char *format, ...)
{
	if (c->json) {
		json_t *object = json_object();

		json_object_set_new(object, "done", json_true());
		if (key != NULL)
			json_object_set_new(object, key, json_text(c->arena, value));
		return json_out(object);
	}
	struct buf text;
	struct str safe;
	va_list ap;

	buf_init(&text, 4096);
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	safe = report_escape(c->arena, buf_str(&text));
	buf_free(&text);
	printf(STR_FMT "\n", STR_ARG(safe));
	return fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED;
}
