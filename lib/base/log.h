/*
 * log.h - one line per event, key=value, to descriptor 2.
 *
 *	log_event(LOG_INFO, "smtp.rcpt", kv_id("s", id), kv_str("to", addr),
 *	    kv_cstr("o", "permfail"), kv_int("code", 550), KV_END);
 *
 * Writing never blocks and never fails the caller: a line that cannot be
 * written at once is dropped and counted, and the count is logged with the
 * next line that gets through.  Values that came from a peer are passed with
 * kv_str or kv_cstr, which escape everything but printable ASCII and
 * well-formed UTF-8, and cut at 256 octets.  Any thread may call.
 *
 * Levels: info; warn, someone should look; fatal, cannot go on (ends the
 * process with status 1); bug, our own mistake (ends it by abort).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARN,
	LOG_FATAL,
};

enum kv_kind {
	KV_KIND_END,
	KV_KIND_STR,
	KV_KIND_INT,
	KV_KIND_UINT,
	KV_KIND_ID,
};

struct kv {
	enum kv_kind kind;
	const char *key;
	struct str text;
	int64_t i;
	uint64_t u;
};

#define KV_END        ((struct kv){ .kind = KV_KIND_END })
#define kv_str(k, v)  ((struct kv){ .kind = KV_KIND_STR, .key = (k), .text = (v) })
#define kv_cstr(k, v) ((struct kv){ .kind = KV_KIND_STR, .key = (k), .text = str_of(v) })
#define kv_int(k, v)  ((struct kv){ .kind = KV_KIND_INT, .key = (k), .i = (int64_t)(v) })
#define kv_uint(k, v) ((struct kv){ .kind = KV_KIND_UINT, .key = (k), .u = (uint64_t)(v) })
/* A session or trace id: hexadecimal, without leading zeros. */
#define kv_id(k, v)   ((struct kv){ .kind = KV_KIND_ID, .key = (k), .u = (uint64_t)(v) })

/* The name every line begins with ("smtpd"), and the least level written. */
void log_init(const char *daemon, enum log_level least);

/* `event` is a constant of ours, dotted: "smtp.rcpt".  The list ends with KV_END. */
void log_event(enum log_level level, const char *event, ...);

/* A sentence: for start-up and for the rare thing that has no event name. */
void log_say(enum log_level level, const char *format, ...) printf_like(2, 3);
void log_fatal(const char *format, ...) printf_like(1, 2) no_return;

/* Lines dropped since the start because the sink was stuck. */
uint64_t log_dropped(void);

/* The text as the log would show it, into out (always ends in NUL). */
void log_escape(struct str s, char *out, size_t room);

#endif
