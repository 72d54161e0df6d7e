/*
 * date.h - the dates of mail: RFC 5322 3.3 (with the obsolete forms of 4.3),
 * IMAP's date-time and date (RFC 3501 9), written and read without locale,
 * time zone database or any other global.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/buf.h"

struct maildate {
	int64_t time; /* seconds since 1970 UTC */
	int zone;     /* minutes east of UTC, -1439 to 1439 */
};

/*
 * A Date field's value.  Takes comments, missing weekday and seconds, two and
 * three digit years, named zones; an unknown zone counts as UTC (RFC 5322
 * 4.3).  False where there is no date in it or a number is out of range.
 */
must_use bool date_parse(struct str value, struct maildate *out);

/* "Thu, 20 Nov 2025 11:09:00 +0100".  Years 0 to 9999; time is clamped to them. */
bool date_put(struct buf *b, struct maildate d);

/* IMAP INTERNALDATE without its quotes: "20-Nov-2025 11:09:00 +0100", day padded with a space. */
bool date_put_internal(struct buf *b, struct maildate d);
/* The inverse, strict (RFC 3501 9, date-time without DQUOTEs); a day of one digit is taken too. */
must_use bool date_parse_internal(struct str s, struct maildate *out);

/* IMAP search date "1-Feb-1994", without quotes: days since 1970. */
must_use bool date_parse_day(struct str s, int64_t *day);

/*
 * The day, since 1970, that people at the date's own zone read: SEARCH
 * compares these and disregards time and zone (RFC 3501 6.4.4).
 */
int64_t date_day(struct maildate d);

#endif
