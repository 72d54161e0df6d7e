/*
 * value.c - the types of the configuration file.
 *
 * Each parser looks at one text and says yes or no; what was expected is put
 * together afterwards from the option's type and bounds, so a message never
 * tells less than the table knows.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>

#include "base/scan.h"
#include "conf/value.h"

/* --- numbers with units --- */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 }, { "K", 1024 }, { "M", 1024 * 1024 },
	{ "G", 1024 * 1024 * 1024 }, { NULL, 0 } };
/* "ms" before "m", since the first that fits is taken. */
static const struct unit time_units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 }, { "d", 24 * 60 * 60 * 1000 }, { NULL, 0 } };

static const struct unit *
units_of(enum conf_type t)
{
	if (t == CONF_SIZE)
		return size_units;
	return t == CONF_TIME ? time_units : no_units;
}

static bool
quantity(struct str text, const struct unit *units, uint64_t *out)
{
	struct scan s = scan_of(text);
	uint64_t n;

	if (!scan_u64(&s, &n))
		return false;
	for (const struct unit *u = units; u->name != NULL; u++)
		if (str_eq_nocase(scan_rest(&s), str_of(u->name)))
			return !__builtin_mul_overflow(n, u->factor, out) && *out <= INT64_MAX;
	/* Zero needs no unit. */
	if (n == 0 && scan_end(&s)) {
		*out = 0;
		return true;
	}
	return false;
}

/* "64K..2G" in the units of the type. */
static void
bounds_of(const struct conf_option *o, struct str *least, struct str *most)
{
	struct str b = str_of(o->bounds);
	ptrdiff_t dots = str_find(b, STR(".."));

	assert(dots > 0); /* an option without bounds is a bug in options.def */
	*least = str_first(b, (size_t)dots);
	*most = str_from(b, (size_t)dots + 2);
}

static bool
parse_quantity(const struct conf_option *o, struct str text, uint64_t *out)
{
	const struct unit *units = units_of(o->type);
	struct str least_text, most_text;
	uint64_t least, most, n;
	bool ours;

	bounds_of(o, &least_text, &most_text);
	ours = quantity(least_text, units, &least) && quantity(most_text, units, &most);
	assert(ours);
	if (!quantity(text, units, &n) || n < least || n > most)
		return false;
	*out = n;
	return true;
}

/* --- words --- */

static bool
parse_bool(struct str text, bool *out)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < COUNT_OF(yes); i++) {
		if (str_eq_nocase(text, str_of(yes[i]))) {
			*out = true;
			return true;
		}
		if (str_eq_nocase(text, str_of(no[i]))) {
			*out = false;
			return true;
		}
	}
	return false;
}

static bool
parse_choice(const char *choices, struct str text, int *out)
{
	struct str rest = str_of(choices), word;
	int i = 0;
	bool more = true;

	while (more) {
		more = str_cut(rest, '|', &word, &rest);
		if (str_eq_nocase(word, text)) {
			*out = i;
			return true;
		}
		i++;
	}
	return false;
}

static bool
parse_path(struct str text, struct arena *a, const char **out)
{
	if (text.n > 0 && text.p[0] != '/')
		return false;
	/* "/var/" and "/var" name one directory; keep one spelling. */
	while (text.n > 1 && text.p[text.n - 1] == '/')
		text.n--;
	*out = arena_cstr(a, text);
	return text.n < PATH_MAX;
}

static bool
separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* The next word of a list; false at its end. */
static bool
next_word(struct str *rest, struct str *word)
{
	size_t i = 0, from;

	while (i < rest->n && separator(rest->p[i]))
		i++;
	from = i;
	while (i < rest->n && !separator(rest->p[i]))
		i++;
	*word = str_n(rest->p + from, i - from);
	*rest = str_from(*rest, i);
	return word->n > 0;
}

static size_t
count_words(struct str text)
{
	struct str word;
	size_t n = 0;

	while (next_word(&text, &word))
		n++;
	return n;
}

static bool
parse_list(struct str text, struct arena *a, struct conf_list *out)
{
	size_t n = count_words(text);
	const char **items;
	struct str word;

	if (n > CONF_LIST_MAX)
		return false;
	items = arena_array(a, n + 1, sizeof(*items));
	for (size_t i = 0; next_word(&text, &word); i++)
		items[i] = arena_cstr(a, word);
	*out = (struct conf_list){ items, n };
	return true;
}

/* --- networks --- */

static bool
parse_net(struct str word, struct conf_net *out)
{
	char address[INET6_ADDRSTRLEN];
	struct str host, bits;
	uint32_t n;
	bool has_bits = str_cut(word, '/', &host, &bits);

	*out = (struct conf_net){ 0 };
	if (host.n == 0 || host.n >= sizeof(address))
		return false;
	memcpy(address, host.p, host.n);
	address[host.n] = '\0';
	if (inet_pton(AF_INET, address, out->octets) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, address, out->octets) == 1)
		out->family = AF_INET6;
	else
		return false;
	out->bits = out->family == AF_INET ? 32 : 128;
	if (has_bits) {
		if (!str_u32(bits, &n) || n > out->bits)
			return false;
		out->bits = n;
	}
	return true;
}

static bool
parse_nets(struct str text, struct arena *a, struct conf_nets *out)
{
	size_t n = count_words(text);
	struct conf_net *items;
	struct str word;

	if (n > CONF_LIST_MAX)
		return false;
	items = arena_array(a, n + 1, sizeof(*items));
	for (size_t i = 0; next_word(&text, &word); i++)
		if (!parse_net(word, &items[i]))
			return false;
	*out = (struct conf_nets){ items, n };
	return true;
}

static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, left = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return left == 0 || ((a[whole] ^ b[whole]) >> (8 - left)) == 0;
}

bool
conf_nets_have(const struct conf_nets *nets, const struct sockaddr *sa)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *octets;
	int family = sa->sa_family;

	if (family == AF_INET)
		octets = (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)
			     ->sin_addr;
	else if (family == AF_INET6)
		octets = (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)sa)
			     ->sin6_addr;
	else
		return false;
	if (family == AF_INET6 && memcmp(octets, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		octets += sizeof(mapped);
	}
	for (size_t i = 0; i < nets->n; i++)
		if (nets->items[i].family == family &&
		    same_bits(nets->items[i].octets, octets, nets->items[i].bits))
			return true;
	return false;
}

/* --- host:port --- */

static bool
host_octet(unsigned char c)
{
	return ascii_alnum((char)c) || c == '.' || c == '-' || c == '_' || c == ':';
}

static bool
parse_host(struct str word, uint16_t standard, struct arena *a, struct conf_host *out)
{
	struct scan s = scan_of(word);
	struct str name;
	uint32_t port = standard;
	ptrdiff_t colon;

	if (scan_char(&s, '[')) {
		if (!scan_while(&s, host_octet, &name) || !scan_char(&s, ']'))
			return false;
	} else {
		colon = str_rchr(word, ':');
		/* More than one colon without brackets is an IPv6 address and no port. */
		if (colon >= 0 && str_chr(word, ':') != colon)
			colon = -1;
		name = colon >= 0 ? str_first(word, (size_t)colon) : word;
		s.p += name.n;
	}
	if (scan_char(&s, ':') && !scan_u32(&s, &port))
		return false;
	if (!scan_end(&s) || port == 0 || port > UINT16_MAX || name.n == 0 || name.n > 253)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!host_octet((unsigned char)name.p[i]) && !str_eq(name, STR("*")))
			return false;
	*out = (struct conf_host){ arena_cstr(a, name), (uint16_t)port };
	return true;
}

static bool
parse_hosts(const struct conf_option *o, struct str text, struct arena *a, struct conf_hosts *out)
{
	size_t n = count_words(text);
	struct conf_host *items;
	struct str word;
	uint32_t standard;
	bool ours = str_u32(str_of(o->bounds), &standard) && standard <= UINT16_MAX;

	assert(ours);
	*out = (struct conf_hosts){ NULL, 0 };
	if (n == 0 || str_eq_nocase(text, STR("off")))
		return true;
	if (n > CONF_LIST_MAX)
		return false;
	items = arena_array(a, n, sizeof(*items));
	for (size_t i = 0; next_word(&text, &word); i++)
		if (!parse_host(word, (uint16_t)standard, a, &items[i]))
			return false;
	*out = (struct conf_hosts){ items, n };
	return true;
}

/* --- all of them --- */

static void
say_expected(const struct conf_option *o, struct buf *out)
{
	struct str least, most;

	switch (o->type) {
	case CONF_TEXT:
		buf_puts(out, "text without control characters");
		return;
	case CONF_PATH:
		buf_puts(out, "a path that begins with /");
		return;
	case CONF_BOOL:
		buf_puts(out, "yes or no");
		return;
	case CONF_NUMBER:
	case CONF_SIZE:
	case CONF_TIME:
		bounds_of(o, &least, &most);
		buf_printf(out, "a %s from " STR_FMT " to " STR_FMT, conf_type_name(o->type),
		    STR_ARG(least), STR_ARG(most));
		buf_puts(out, o->type == CONF_SIZE   ? ", as in 900, 64K or 50M"
			      : o->type == CONF_TIME ? ", as in 500ms, 10s, 5m, 4h or 2d"
						     : "");
		return;
	case CONF_LIST:
		buf_printf(out, "at most %d words", CONF_LIST_MAX);
		return;
	case CONF_NETS:
		buf_puts(
		    out, "addresses or networks, as in 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32");
		return;
	case CONF_HOSTPORT:
		buf_printf(out, "off, or hosts with ports, as in *:%s, 192.0.2.7:%s or [::1]:%s",
		    o->bounds, o->bounds, o->bounds);
		return;
	case CONF_CHOICE:
		buf_puts(out, "one of");
		for (const char *p = o->bounds; *p != '\0'; p++) {
			if (p == o->bounds || *p == '|')
				buf_puts(out, p == o->bounds ? " " : ", ");
			if (*p != '|')
				buf_putc(out, *p);
		}
		return;
	}
}

static bool
parse_typed(const struct conf_option *o, struct str text, struct arena *a, void *field)
{
	uint64_t n;

	switch (o->type) {
	case CONF_TEXT:
		*(const char **)field = arena_cstr(a, text);
		return true;
	case CONF_PATH:
		return parse_path(text, a, field);
	case CONF_BOOL:
		return parse_bool(text, field);
	case CONF_NUMBER:
	case CONF_SIZE:
		return parse_quantity(o, text, field);
	case CONF_TIME:
		if (!parse_quantity(o, text, &n))
			return false;
		*(int64_t *)field = (int64_t)n;
		return true;
	case CONF_LIST:
		return parse_list(text, a, field);
	case CONF_NETS:
		return parse_nets(text, a, field);
	case CONF_HOSTPORT:
		return parse_hosts(o, text, a, field);
	case CONF_CHOICE:
		return parse_choice(o->bounds, text, field);
	}
	return false;
}

bool
value_parse(const struct conf_option *o, struct str text, struct arena *a, void *field,
    struct buf *expected)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' && text.p[i] != '\t') {
			buf_puts(expected, "text without control characters");
			return false;
		}
	if (parse_typed(o, text, a, field))
		return true;
	say_expected(o, expected);
	return false;
}
