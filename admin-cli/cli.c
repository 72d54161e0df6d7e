/*
 * cli.c - failing in words, reading the settings, and taking what was typed
 * into the forms our tables have.
 */
#include "admin-cli/cli.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unicase.h>
#include <unistr.h>

#include "admin-cli/report.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/idn.h"

#define CONF_ERRORS_MAX 8192

static void
fail_in_json(const struct cli *c, enum status status, struct str text, const char *hint)
{
	json_t *error = json_object(), *object = json_object();

	json_object_set_new(error, "status", json_integer(status));
	json_object_set_new(error, "text", json_stringn(text.p, text.n));
	json_object_set_new(error, "hint", hint != NULL ? json_string(hint) : json_null());
	json_object_set_new(object, "error", error);
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(object);
}

enum status
cli_fail(const struct cli *c, enum status status, const char *hint, const char *format, ...)
{
	struct buf text;
	struct str safe;
	va_list ap;

	buf_init(&text, 16 * 1024);
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	safe = report_escape(c->arena, buf_str(&text));
	buf_free(&text);
	if (c->quiet)
		return status;
	if (c->json)
		fail_in_json(c, status, safe, hint);
	else {
		fprintf(stderr, "postroom: " STR_FMT "\n", STR_ARG(safe));
		if (hint != NULL) {
			safe = report_escape(c->arena, str_of(hint));
			fprintf(stderr, "          " STR_FMT "\n", STR_ARG(safe));
		}
	}
	return status;
}

enum status
cli_fail_why(
    const struct cli *c, enum outcome o, const struct why *why, const char *hint, const char *doing)
{
	return cli_fail(c, o == PERMFAIL ? STATUS_REFUSED : STATUS_UNREACHABLE,
	    o == PERMFAIL ? NULL : hint, "%s: %s", doing,
	    why->text[0] != '\0' ? why->text : outcome_name(o));
}

/* --- settings --- */

/* One line of what conf_read found wrong is said like any other failure; several as a list. */
enum status
cli_conf(struct cli *c)
{
	struct buf errors;
	enum outcome o;

	if (c->conf != NULL)
		return STATUS_DONE;
	buf_init(&errors, CONF_ERRORS_MAX);
	o = conf_read(c->conf_path, &c->conf, &errors);
	if (o != DONE) {
		struct str text = str_trim(buf_str(&errors));
		struct str line, rest = text;

		if (c->json || str_chr(text, '\n') < 0)
			cli_fail(c, STATUS_FAILED,
			    "name another file with -c or POSTROOM_CONF, or correct this one",
			    STR_FMT, STR_ARG(text));
		else
			while (rest.n > 0) {
				str_cut(rest, '\n', &line, &rest);
				cli_fail(c, STATUS_FAILED, NULL, STR_FMT, STR_ARG(line));
			}
	}
	buf_free(&errors);
	return o == DONE ? STATUS_DONE : STATUS_FAILED;
}

const char *
cli_share(struct cli *c, const char *name)
{
	const char *folder = getenv("POSTROOM_SHARE");

	if (folder == NULL || folder[0] == '\0')
		folder = POSTROOM_SHARE;
	return arena_printf(c->arena, "%s/%s", folder, name);
}

/* --- what was typed --- */

static enum status
domain_typed(struct cli *c, const char *typed, struct str text, struct str *domain)
{
	if (!idn_to_ascii(text, c->arena, domain) || !domain_valid(*domain, false) ||
	    str_chr(*domain, '.') < 0)
		return cli_fail(c, STATUS_USAGE, "a domain is written like example.test",
		    "'%s' is no domain", typed);
	return STATUS_DONE;
}

enum status
cli_domain(struct cli *c, const char *typed, struct str *domain)
{
	return domain_typed(c, typed, str_of(typed), domain);
}

/* Character by character, as the tables' triggers do it. */
static struct str
lower(struct arena *a, struct str s)
{
	struct buf text;
	struct str out;

	buf_init(&text, 4 * s.n + 8);
	while (s.n > 0) {
		uint8_t octets[6];
		ucs4_t code;
		int n = u8_mbtouc(&code, (const uint8_t *)s.p, s.n);
		int made = u8_uctomb(octets, uc_tolower(code), sizeof(octets));

		if (n <= 0 || made <= 0 || !buf_put(&text, str_n(octets, (size_t)made)))
			break; /* address_parse has let only UTF-8 through */
		s = str_from(s, (size_t)n);
	}
	out = arena_str(a, buf_str(&text));
	buf_free(&text);
	return out;
}

enum status
cli_address(struct cli *c, const char *typed, struct str *address, struct str *domain)
{
	struct mailaddr m;
	enum address_fault fault = address_parse(str_of(typed), c->arena, ADDRESS_ALLOW_UTF8, &m);

	if (fault != ADDRESS_OK || m.local.n == 0 || m.domain.n == 0)
		return cli_fail(c, STATUS_USAGE, "an address is written like ann@example.test",
		    "'%s' is no address%s%s", typed, fault != ADDRESS_OK ? ": " : "",
		    fault != ADDRESS_OK ? address_fault_text(fault) : "");
	enum status s = domain_typed(c, typed, m.domain, domain);

	if (s != STATUS_DONE)
		return s;
	m.domain = *domain;
	m.local = lower(c->arena, m.local);
	*address = address_text(c->arena, &m);
	return STATUS_DONE;
}

enum status
cli_alias_source(struct cli *c, const char *typed, struct str *source, struct str *domain)
{
	if (typed[0] != '@')
		return cli_address(c, typed, source, domain);
	enum status s = domain_typed(c, typed, str_of(typed + 1), domain);

	if (s == STATUS_DONE)
		*source = str_of(arena_printf(c->arena, "@" STR_FMT, STR_ARG(*domain)));
	return s;
}

enum status
cli_size(const struct cli *c, const char *option, const char *typed, int64_t *octets)
{
	static const char units[] = "KMGT";
	struct str text = str_trim(str_of(typed));
	uint64_t n, factor = 1;

	if (str_eq_nocase(text, STR("none"))) {
		*octets = 0;
		return STATUS_DONE;
	}
	if (text.n > 0 && ascii_upper(text.p[text.n - 1]) == 'B')
		text.n--;
	if (text.n > 0 && !ascii_digit(text.p[text.n - 1])) {
		const char *unit = strchr(units, ascii_upper(text.p[text.n - 1]));

		if (unit == NULL || *unit == '\0')
			text.n = 0;
		else {
			factor = 1ull << (10 * (unit - units + 1));
			text.n--;
		}
	}
	if (!str_u64(text, &n) || __builtin_mul_overflow(n, factor, &n) || n > INT64_MAX)
		return cli_fail(c, STATUS_USAGE, "a size is written like 500M, 2G, or none",
		    "--%s: '%s' is no size", option, typed);
	*octets = (int64_t)n;
	return STATUS_DONE;
}

enum status
cli_number(const struct cli *c, const char *option, const char *typed, int64_t *n)
{
	uint64_t v;

	if (!str_u64(str_of(typed), &v) || v > INT64_MAX)
		return cli_fail(c, STATUS_USAGE, NULL, "--%s: '%s' is no number", option, typed);
	*n = (int64_t)v;
	return STATUS_DONE;
}

enum status
cli_yes_no(const struct cli *c, const char *option, const char *typed, bool *yes)
{
	if (strcmp(typed, "yes") != 0 && strcmp(typed, "no") != 0)
		return cli_fail(
		    c, STATUS_USAGE, NULL, "--%s takes yes or no, not '%s'", option, typed);
	*yes = strcmp(typed, "yes") == 0;
	return STATUS_DONE;
}
