/*
 * date.c - dates by arithmetic (the proleptic Gregorian calendar in eras of
 * 400 years), names by comparison: no locale, no tm, no zone files.
 */
#include "mail/date.h"
#include "mail/lex.h"

#define DAY_S    86400
#define YEAR_MAX 9999

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "SunMonTueWedThuFriSat";

/* Days since 1970 of a date; month 1 to 12.  Years begin in March, so February is last. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t in_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return era * 146097 + in_era - 719468;
}

struct civil {
	int64_t year;
	int month, day;
};

static struct civil
civil_of(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t of_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t m = (5 * of_year + 2) / 153;
	struct civil c;

	c.day = (int)(of_year - (153 * m + 2) / 5 + 1);
	c.month = (int)(m < 10 ? m + 3 : m - 9);
	c.year = of_era + era * 400 + (c.month <= 2);
	return c;
}

static int
month_days(int64_t year, int month)
{
	static const char n[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return n[month - 1];
}

/* Between min and max digits, no more behind them. */
static bool
scan_digits(struct scan *s, size_t min, size_t max, int *v, size_t *n)
{
	size_t count = 0;
	int x = 0;

	while (s->p + count < s->end && ascii_digit(s->p[count])) {
		if (count == max)
			return false;
		x = x * 10 + (s->p[count++] - '0');
	}
	if (count < min)
		return false;
	s->p += count;
	*v = x;
	if (n != NULL)
		*n = count;
	return true;
}

static bool
scan_month(struct scan *s, int *month)
{
	struct str name;

	if (!scan_take(s, 3, &name))
		return false;
	for (int i = 0; i < 12; i++) {
		if (str_eq_nocase(name, str_n(months + 3 * i, 3))) {
			*month = i + 1;
			return true;
		}
	}
	return false;
}

/* RFC 5322 3.3: "+" or "-", hhmm. */
static bool
scan_numeric_zone(struct scan *s, int *minutes)
{
	bool west = scan_peek(s) == '-';
	int v;

	if (!scan_char(s, '+') && !scan_char(s, '-'))
		return false;
	if (!scan_digits(s, 4, 4, &v, NULL) || v / 100 > 23 || v % 100 > 59)
		return false;
	*minutes = (v / 100 * 60 + v % 100) * (west ? -1 : 1);
	return true;
}

/* RFC 5322 4.3; what is not known counts as "-0000", military letters too. */
static int
named_zone(struct str name)
{
	static const struct {
		char name[4];
		int hours;
	} zones[] = {
		{ "EDT", -4 },
		{ "EST", -5 },
		{ "CDT", -5 },
		{ "CST", -6 },
		{ "MDT", -6 },
		{ "MST", -7 },
		{ "PDT", -7 },
		{ "PST", -8 },
	};

	for (size_t i = 0; i < COUNT_OF(zones); i++)
		if (str_eq_nocase(name, str_n(zones[i].name, 3)))
			return zones[i].hours * 60;
	return 0;
}

static bool
is_letter(unsigned char c)
{
	return ascii_alpha((char)c);
}

static int
scan_zone(struct scan *s)
{
	struct scan t = *s;
	struct str name;
	int minutes;

	lex_cfws(&t, NULL);
	if (scan_numeric_zone(&t, &minutes))
		return minutes;
	return scan_while(&t, is_letter, &name) ? named_zone(name) : 0;
}

static bool
compose(int64_t year, int month, int day, int hour, int minute, int second, int zone,
    struct maildate *out)
{
	if (day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 || second > 60)
		return false;
	/* RFC 5322 3.3 knows the leap second; 1970's seconds do not. */
	second = MIN(second, 59);
	out->time = days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second -
		    (int64_t)zone * 60;
	out->zone = zone;
	return true;
}

/* hour ":" minute [":" second], with blanks around the colons (RFC 5322 4.3). */
static bool
scan_time(struct scan *s, int *hour, int *minute, int *second)
{
	struct scan t;

	*second = 0;
	if (!scan_digits(s, 1, 2, hour, NULL))
		return false;
	lex_cfws(s, NULL);
	if (!scan_char(s, ':') && !scan_char(s, '.')) /* dots: seen from old gateways */
		return false;
	lex_cfws(s, NULL);
	if (!scan_digits(s, 1, 2, minute, NULL))
		return false;
	t = *s;
	lex_cfws(&t, NULL);
	if (scan_char(&t, ':') || scan_char(&t, '.')) {
		lex_cfws(&t, NULL);
		if (!scan_digits(&t, 1, 2, second, NULL))
			return false;
		*s = t;
	}
	return true;
}

/* RFC 5322 4.3: two digits below 50 are 20xx, other two and three digits 19xx. */
static int64_t
year_of(int written, size_t digits)
{
	if (digits == 2)
		return written < 50 ? 2000 + written : 1900 + written;
	return digits == 3 ? 1900 + written : written;
}

static void
skip_cfws_and_hyphen(struct scan *s)
{
	lex_cfws(s, NULL);
	if (scan_char(s, '-')) /* "20-Nov-2025", as many write */
		lex_cfws(s, NULL);
}

bool
date_parse(struct str value, struct maildate *out)
{
	struct scan s = scan_of(value);
	int day, month, year, hour, minute, second;
	struct str weekday;
	size_t n;

	lex_cfws(&s, NULL);
	if (scan_while(&s, is_letter, &weekday)) {
		lex_cfws(&s, NULL);
		(void)!scan_char(&s, ',');
		lex_cfws(&s, NULL);
	}
	if (!scan_digits(&s, 1, 2, &day, NULL))
		return false;
	skip_cfws_and_hyphen(&s);
	if (!scan_month(&s, &month))
		return false;
	while (scan_peek(&s) >= 0 && is_letter((unsigned char)scan_peek(&s)))
		s.p++; /* "November" */
	skip_cfws_and_hyphen(&s);
	if (!scan_digits(&s, 2, 4, &year, &n))
		return false;
	lex_cfws(&s, NULL);
	if (!scan_time(&s, &hour, &minute, &second))
		return false;
	return compose(year_of(year, n), month, day, hour, minute, second, scan_zone(&s), out);
}

/* The date's own calendar and clock. */
struct shown {
	struct civil date;
	int weekday; /* 0 is Sunday */
	int hour, minute, second;
	int zone; /* as "hhmm" */
	char sign;
};

static struct shown
show(struct maildate d)
{
	static const int64_t least = -62167219200 + 2 * DAY_S, most = 253402300799 - 2 * DAY_S;
	int64_t local = MAX(least, MIN(most, d.time)) + (int64_t)d.zone * 60;
	int64_t days = local / DAY_S, left = local % DAY_S;
	struct shown s;

	if (left < 0) {
		left += DAY_S;
		days--;
	}
	s.date = civil_of(days);
	s.weekday = (int)(((days + 4) % 7 + 7) % 7);
	s.hour = (int)(left / 3600);
	s.minute = (int)(left / 60 % 60);
	s.second = (int)(left % 60);
	s.sign = d.zone < 0 ? '-' : '+';
	s.zone = d.zone < 0 ? -d.zone : d.zone;
	s.zone = s.zone / 60 * 100 + s.zone % 60;
	return s;
}

bool
date_put(struct buf *b, struct maildate d)
{
	struct shown s = show(d);

	return buf_printf(b, "%.3s, %d %.3s %04d %02d:%02d:%02d %c%04d", weekdays + 3 * s.weekday,
	    s.date.day, months + 3 * (s.date.month - 1), (int)s.date.year, s.hour, s.minute,
	    s.second, s.sign, s.zone);
}

/* n decimal digits of v at p. */
static void
put_digits(char *p, int v, int n)
{
	for (; n > 0; v /= 10)
		p[--n] = (char)('0' + v % 10);
}

/* Without printf: FETCH asks it of each of a hundred thousand messages. */
bool
date_put_internal(struct buf *b, struct maildate d)
{
	struct shown s = show(d);
	char text[] = " d-Mon-yyyy hh:mm:ss +zzzz";

	put_digits(text, s.date.day, 2);
	if (text[0] == '0')
		text[0] = ' ';
	memcpy(text + 3, months + 3 * (s.date.month - 1), 3);
	put_digits(text + 7, (int)s.date.year, 4);
	put_digits(text + 12, s.hour, 2);
	put_digits(text + 15, s.minute, 2);
	put_digits(text + 18, s.second, 2);
	text[21] = s.sign;
	put_digits(text + 22, s.zone, 4);
	return buf_put(b, str_n(text, sizeof(text) - 1));
}

/* date = date-day "-" date-month "-" date-year (RFC 3501 9). */
static bool
scan_date(struct scan *s, int *day, int *month, int *year)
{
	return scan_digits(s, 1, 2, day, NULL) && scan_char(s, '-') && scan_month(s, month) &&
	       scan_char(s, '-') && scan_digits(s, 4, 4, year, NULL) && *day >= 1 &&
	       *day <= month_days(*year, *month);
}

bool
date_parse_internal(struct str text, struct maildate *out)
{
	struct scan s = scan_of(text);
	int day, month, year, hour, minute, second, zone;

	(void)!scan_char(&s, ' '); /* date-day-fixed */
	if (!scan_date(&s, &day, &month, &year) || !scan_char(&s, ' ') ||
	    !scan_digits(&s, 2, 2, &hour, NULL) || !scan_char(&s, ':') ||
	    !scan_digits(&s, 2, 2, &minute, NULL) || !scan_char(&s, ':') ||
	    !scan_digits(&s, 2, 2, &second, NULL) || !scan_char(&s, ' ') ||
	    !scan_numeric_zone(&s, &zone) || !scan_end(&s))
		return false;
	return compose(year, month, day, hour, minute, second, zone, out);
}

bool
date_parse_day(struct str text, int64_t *day_out)
{
	struct scan s = scan_of(text);
	int day, month, year;

	if (!scan_date(&s, &day, &month, &year) || !scan_end(&s))
		return false;
	*day_out = days_of(year, month, day);
	return true;
}

int64_t
date_day(struct maildate d)
{
	int64_t local = d.time + (int64_t)d.zone * 60;

	return local >= 0 ? local / DAY_S : -((-local + DAY_S - 1) / DAY_S);
}
