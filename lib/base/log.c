#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define LINE_MAX_OCTETS  4000 /* a pipe takes up to 4,096 in one piece (PIPE_BUF) */
#define VALUE_MAX_OCTETS 256

static const char *daemon_name = "postroom";
static enum log_level least_level = LOG_INFO;
static atomic_uint_fast64_t dropped;
static atomic_uint_fast64_t dropped_told;

static const char *const level_names[] = { "debug", "info", "warn", "fatal" };

/* A line under construction: never allocates, so it works when memory is short. */
struct line {
	char p[LINE_MAX_OCTETS + 1];
	size_t n;
};

void
log_init(const char *daemon, enum log_level least)
{
	daemon_name = daemon;
	least_level = least;
}

uint64_t
log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static void
add(struct line *l, struct str s)
{
	size_t n = MIN(s.n, LINE_MAX_OCTETS - l->n);

	if (n > 0)
		memcpy(l->p + l->n, s.p, n);
	l->n += n;
}

static void printf_like(2, 3) addf(struct line *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->p + l->n, LINE_MAX_OCTETS - l->n + 1, format, ap);
	va_end(ap);
	if (n > 0)
		l->n += MIN((size_t)n, LINE_MAX_OCTETS - l->n);
}

/* The length of the well-formed UTF-8 character that s begins with, or 0. */
static size_t
utf8_char(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (n > s.n || !str_is_utf8(str_first(s, n)))
		return 0;
	/* C1 controls (U+0080 to U+009F) drive terminals too. */
	if (n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		return 0;
	return n;
}

void
log_escape(struct str s, char *out, size_t room)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	assert(room > 0);
	while (s.n > 0) {
		unsigned char c = (unsigned char)s.p[0];
		size_t len = utf8_char(s);

		if (c < 0x20 || c == 0x7f || c == '\\' || c == '"' || len == 0) {
			if (n + 4 >= room)
				break;
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
			len = 1;
		} else {
			if (n + len >= room)
				break;
			memcpy(out + n, s.p, len);
			n += len;
		}
		s = str_from(s, len);
	}
	out[n] = '\0';
}

static void
add_value(struct line *l, struct str v)
{
	char text[VALUE_MAX_OCTETS + 1];
	bool quote = v.n == 0 || str_chr(v, ' ') >= 0 || str_chr(v, '=') >= 0;

	log_escape(v, text, sizeof(text));
	addf(l, quote ? "\"%s\"" : "%s", text);
}

static void
begin(struct line *l, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	uint64_t lost = log_dropped();
	uint64_t told = atomic_exchange_explicit(&dropped_told, lost, memory_order_relaxed);

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	addf(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s", tm.tm_year + 1900, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, daemon_name,
	    level_names[level]);
	if (lost > told)
		addf(l, " log_lines_dropped=%" PRIu64, lost - told);
}

static void
end(struct line *l)
{
	struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
	int saved = errno;

	l->p[MIN(l->n, (size_t)LINE_MAX_OCTETS - 1)] = '\n';
	l->n = MIN(l->n + 1, (size_t)LINE_MAX_OCTETS);
	/*
	 * The descriptor may be shared with processes that want it blocking, so
	 * it is asked instead of being switched.  POLLOUT on a pipe promises
	 * PIPE_BUF octets, which a line never exceeds.
	 */
	if (poll(&sink, 1, 0) != 1 || (sink.revents & POLLOUT) == 0 ||
	    write(STDERR_FILENO, l->p, l->n) != (ssize_t)l->n)
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
	errno = saved;
}

void
log_event(enum log_level level, const char *event, ...)
{
	struct line l;
	struct kv kv;
	va_list ap;

	if (level < least_level)
		return;
	l.n = 0;
	begin(&l, level);
	addf(&l, " %s", event);
	va_start(ap, event);
	while (kv = va_arg(ap, struct kv), kv.kind != KV_KIND_END) {
		addf(&l, " %s=", kv.key);
		switch (kv.kind) {
		case KV_KIND_STR:
			add_value(&l, kv.text);
			break;
		case KV_KIND_INT:
			addf(&l, "%" PRId64, kv.i);
			break;
		case KV_KIND_UINT:
			addf(&l, "%" PRIu64, kv.u);
			break;
		case KV_KIND_ID:
			addf(&l, "%" PRIx64, kv.u);
			break;
		case KV_KIND_END:
			break;
		}
	}
	va_end(ap);
	end(&l);
}

static void printf_like(2, 0) vsay(enum log_level level, const char *format, va_list ap)
{
	char text[1024], clean[2048];
	struct line l;

	(void)vsnprintf(text, sizeof(text), format, ap);
	log_escape(str_of(text), clean, sizeof(clean));
	l.n = 0;
	begin(&l, level);
	add(&l, STR(" "));
	add(&l, str_of(clean));
	end(&l);
}

void
log_say(enum log_level level, const char *format, ...)
{
	va_list ap;

	if (level < least_level)
		return;
	va_start(ap, format);
	vsay(level, format, ap);
	va_end(ap);
}

void
log_fatal(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(LOG_FATAL, format, ap);
	va_end(ap);
	exit(1);
}
