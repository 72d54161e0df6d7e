#include "base/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum outcome
fail(enum outcome o, struct why *why, int code, const char *enhanced, const char *format, ...)
{
	va_list ap;
	int n;

	if (why == NULL)
		return o;
	why->code = (short)code;
	(void)snprintf(why->enhanced, sizeof(why->enhanced), "%s", enhanced);
	va_start(ap, format);
	n = vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(why->text)) { /* do not leave half a UTF-8 character */
		size_t end = sizeof(why->text) - 1;
		while (end > 0 && ((unsigned char)why->text[end - 1] & 0xc0) == 0x80)
			end--;
		if (end > 0 && (unsigned char)why->text[end - 1] >= 0xc0)
			end--;
		why->text[end] = '\0';
	}
	for (char *p = why->text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return o;
}

const char *
outcome_name(enum outcome o)
{
	static const char *const names[] = { "done", "tempfail", "permfail", "gone" };

	assert((size_t)o < COUNT_OF(names));
	return names[o];
}
