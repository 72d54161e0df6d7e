/* date_fuzz.c - what is read is printed and read again. */
#include "base/fuzz.h"
#include "mail/date.h"

FUZZ(data, n)
{
	struct str in = str_n(data, n);
	struct maildate d, again;
	struct buf b;
	int64_t day;

	buf_init(&b, 100);
	if (date_parse(in, &d)) {
		assert(d.zone > -1440 && d.zone < 1440);
		assert(date_put(&b, d));
		if (d.time > -62000000000 && d.time < 253000000000) {
			assert(date_parse(buf_str(&b), &again));
			assert(d.time == again.time && d.zone == again.zone);
		}
		(void)date_day(d);
	}
	buf_clear(&b);
	if (date_parse_internal(in, &d)) {
		assert(date_put_internal(&b, d));
		if (d.time > -62000000000 && d.time < 253000000000) {
			assert(date_parse_internal(buf_str(&b), &again));
			assert(d.time == again.time && d.zone == again.zone);
		}
	}
	if (date_parse_day(in, &day))
		assert(day > -800000 && day < 3000000);
	buf_free(&b);
}
