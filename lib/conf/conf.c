/*
 * conf.c - the configuration file: lines to fields.
 *
 * Every mistake is reported, not only the first, because whoever edits a
 * file wants to edit it once.  After any mistake there is no struct conf:
 * half a configuration is never in force.
 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "conf/value.h"

/*
 * The largest file cannot need more: each list member costs at most a
 * struct conf_net, a little more than its shortest text.
 */
#define CONF_ARENA_MAX (CONF_TEXT_MAX * 32)

struct conf_private {
	struct conf conf;
	atomic_uint refs;
	struct arena *arena; /* all texts and lists */
	const char *file;
	const char *written[CONF_OPTIONS];
	unsigned line[CONF_OPTIONS];
};

struct parse {
	struct conf_private *p;
	const char *file;
	struct buf *errors;
	unsigned line;
	bool bad;
};

static void complain(struct parse *ps, const char *format, ...) printf_like(2, 3);

static void
complain(struct parse *ps, const char *format, ...)
{
	va_list ap;

	ps->bad = true;
	buf_printf(ps->errors, "%s:%u: ", ps->file, ps->line);
	va_start(ap, format);
	buf_vprintf(ps->errors, format, ap);
	va_end(ap);
	buf_putc(ps->errors, '\n');
}

/* A word of the file as a message may show it. */
#define SHOWN_MAX 80
static const char *
shown(struct str s, char out[SHOWN_MAX])
{
	size_t n = MIN(s.n, (size_t)SHOWN_MAX - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = s.p[i] >= ' ' && s.p[i] < 0x7f ? s.p[i] : '?';
	out[n] = '\0';
	return out;
}

static void
set(struct parse *ps, const struct conf_option *o, struct str value, unsigned line)
{
	struct conf_private *p = ps->p;
	size_t i = (size_t)(o - conf_options);
	char text[SHOWN_MAX];
	struct buf expected;

	buf_init(&expected, 1024);
	if (value_parse(o, value, p->arena, (char *)&p->conf + o->offset, &expected)) {
		p->written[i] = arena_cstr(p->arena, value);
		p->line[i] = line;
	} else {
		complain(ps, "%s: expected %s, not \"%s\"", o->name, buf_cstr(&expected),
		    shown(value, text));
	}
	buf_free(&expected);
}

static void
unknown(struct parse *ps, struct str key)
{
	const struct conf_option *near = conf_option_nearest(key);
	char text[SHOWN_MAX];

	if (near != NULL)
		complain(ps, "there is no option \"%s\"; did you mean %s?", shown(key, text),
		    near->name);
	else
		complain(ps, "there is no option \"%s\"; `postroom config show` lists all",
		    shown(key, text));
}

/* A # begins a comment at the start of a line or after a blank. */
static struct str
without_comment(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '#' && (i == 0 || line.p[i - 1] == ' ' || line.p[i - 1] == '\t'))
			return str_first(line, i);
	return line;
}

static void
take_line(struct parse *ps, struct str line)
{
	const struct conf_option *o;
	struct str key, value;
	unsigned before;

	if (line.n > CONF_LINE_MAX) {
		complain(ps, "expected a line of at most %d octets", CONF_LINE_MAX);
		return;
	}
	line = str_trim(without_comment(line));
	if (line.n == 0)
		return;
	if (!str_cut(line, '=', &key, &value)) {
		complain(ps, "expected \"name = value\"");
		return;
	}
	key = str_trim(key);
	value = str_trim(value);
	o = conf_option_by_name(key);
	if (o == NULL) {
		unknown(ps, key);
		return;
	}
	before = ps->p->line[o - conf_options];
	if (before != 0)
		complain(ps, "%s was already set in line %u", o->name, before);
	else
		set(ps, o, value, ps->line);
}

/* What makes no sense together, though each line does by itself. */
static void
check_whole(struct parse *ps)
{
	const struct conf *c = &ps->p->conf;
	const unsigned *line = ps->p->line;

	if ((c->tls_certificate[0] == '\0') != (c->tls_key[0] == '\0')) {
		ps->line = line[CONF_INDEX_tls_certificate] + line[CONF_INDEX_tls_key];
		complain(ps, "expected both tls_certificate and tls_key, or neither");
	}
	if (c->smarthost.n > 1) {
		ps->line = line[CONF_INDEX_smarthost];
		complain(ps, "smarthost: expected one host");
	}
}

static struct conf_private *
conf_new(const char *file)
{
	struct conf_private *p = xcalloc(1, sizeof(*p));

	atomic_init(&p->refs, 1);
	p->arena = arena_new(CONF_ARENA_MAX);
	p->file = arena_cstr(p->arena, str_of(file));
	p->conf.private = p;
	return p;
}

/* Every option that no line has set. */
static void
set_defaults(struct parse *ps)
{
	char host[256] = "localhost";

	for (size_t i = 0; i < CONF_OPTIONS; i++)
		if (ps->p->line[i] == 0 && ps->p->written[i] == NULL)
			set(ps, &conf_options[i], str_of(conf_options[i].value), 0);
	if (!ps->bad && ps->p->conf.hostname[0] == '\0') {
		if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
			memcpy(host, "localhost", sizeof("localhost"));
		host[sizeof(host) - 1] = '\0';
		set(ps, &conf_options[CONF_INDEX_hostname], str_of(host), 0);
	}
}

enum outcome
conf_parse(struct str text, const char *file, struct conf **out, struct buf *errors)
{
	struct parse ps = { .file = file, .errors = errors };
	bool more = true;
	struct str line;

	*out = NULL;
	if (text.n > CONF_TEXT_MAX) {
		buf_printf(errors, "%s: expected at most %d octets\n", file, CONF_TEXT_MAX);
		return PERMFAIL;
	}
	ps.p = conf_new(file);
	while (more) {
		ps.line++;
		more = str_cut(text, '\n', &line, &text);
		take_line(&ps, line);
	}
	if (!ps.bad)
		set_defaults(&ps);
	if (!ps.bad)
		check_whole(&ps);
	*out = &ps.p->conf;
	if (ps.bad)
		conf_unref(out);
	return ps.bad ? PERMFAIL : DONE;
}

enum outcome
conf_load_fd(int fd, const char *name, struct buf *out, struct buf *errors)
{
	char piece[8192];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			buf_printf(
			    errors, "%s: cannot be read: %s\n", name, strerrordesc_np(errno));
			return PERMFAIL;
		}
		if (!buf_put(out, str_n(piece, (size_t)n))) {
			buf_printf(errors, "%s: expected at most %zu octets\n", name, out->max);
			return PERMFAIL;
		}
		at += n;
	}
	return DONE;
}

enum outcome
conf_read(const char *path, struct conf **out, struct buf *errors)
{
	enum outcome o;
	struct buf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*out = NULL;
	if (fd < 0) {
		buf_printf(errors, "%s: cannot be opened: %s\n", path, strerrordesc_np(errno));
		return PERMFAIL;
	}
	buf_init(&text, CONF_TEXT_MAX);
	o = conf_load_fd(fd, path, &text, errors);
	if (o == DONE)
		o = conf_parse(buf_str(&text), path, out, errors);
	buf_free(&text);
	fd_close(&fd);
	return o;
}

struct conf *
conf_ref(struct conf *c)
{
	atomic_fetch_add_explicit(&c->private->refs, 1, memory_order_relaxed);
	return c;
}

void
conf_unref(struct conf **c)
{
	struct conf_private *p;

	if (*c == NULL)
		return;
	p = (*c)->private;
	*c = NULL;
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_free(&p->arena);
	free(p);
}

const char *
conf_written(const struct conf *c, enum conf_index i)
{
	return c->private->written[i];
}

unsigned
conf_line(const struct conf *c, enum conf_index i)
{
	return c->private->line[i];
}

const char *
conf_file(const struct conf *c)
{
	return c->private->file;
}

void
conf_print(const struct conf *c, struct buf *out)
{
	for (size_t i = 0; i < CONF_OPTIONS; i++)
		buf_printf(out, "%s = %s\n", conf_options[i].name, c->private->written[i]);
}

struct conf_socket
conf_socket(const struct conf *c, const char *name)
{
	struct conf_socket s;
	int n = snprintf(s.path, sizeof(s.path), "%s/%s", c->run_dir, name);

	if (n < 0 || (size_t)n >= sizeof(s.path))
		(void)snprintf(s.path, sizeof(s.path), "/run/postroom-%016" PRIx64 "/%s",
		    hash_stable(str_of(c->run_dir)), name);
	return s;
}
