/*
 * report.h - what a command found, as a table or lines for people or as JSON
 * for programs: columns are described once, cells are text.
 *
 *	struct report r;
 *	report_begin(&r, c, columns, COUNT_OF(columns));
 *	report_cell(&r, address);  ... one for each column, row by row
 *	report_list(&r);
 *
 * JSON keys are the interface: they are never renamed.
 */
#ifndef ADMIN_CLI_REPORT_H
#define ADMIN_CLI_REPORT_H

#include "admin-cli/cli.h"

enum column_kind {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_BOOL,  /* "1" or "0"; yes and no for people */
	COLUMN_SIZE,  /* octets; 1.5M for people, a number in JSON */
	COLUMN_LIMIT, /* likewise, where 0 means that there is none */
	COLUMN_LINES, /* several values, with LF between: an array in JSON */
};

struct column {
	const char *key;   /* in JSON */
	const char *title; /* for people; NULL: in JSON only */
	enum column_kind kind;
};

struct report {
	struct cli *c;
	const struct column *columns;
	size_t width; /* columns */
	struct str *cells;
	size_t count, room;
};

void report_begin(struct report *r, struct cli *c, const struct column *columns, size_t width);
/* The next cell; STR_NONE is "none" (null in JSON).  The text must live until the report is out. */
void report_cell(struct report *r, struct str text);
void report_number(struct report *r, uint64_t n);
void report_bool(struct report *r, bool yes);

/* All rows: a table, or an array of objects. */
enum status report_list(struct report *r);
/* The one row: "Title: value" lines, or an object. */
enum status report_one(struct report *r);

/*
 * Several reports one after the other, the last one as its one row: tables
 * with empty lines between, or an object with a member for each name.
 */
enum status report_parts(struct report *const *parts, const char *const *names, size_t count);

/*
 * A text that is safe on a terminal: control characters, ill-formed UTF-8 and
 * marks that turn the writing direction come out as \xNN or \u{NNNN}.
 */
struct str report_escape(struct arena *a, struct str text);

/* Octets as people write them: "0", "900", "1.5K", "20M". */
struct str report_size(struct arena *a, uint64_t octets);

/* Seconds since 1970 as "2026-01-31 12:00:00" UTC; STR_NONE for 0. */
struct str report_time(struct arena *a, uint64_t seconds);

/*
 * One sentence for people, or the JSON object {"done": true, key: value}.
 * key may be NULL.
 */
enum status report_done(struct cli *c, const char *key, struct str value, const char *format, ...)
    printf_like(4, 5);

#endif
