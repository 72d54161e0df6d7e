/* mutf7_test.c - one name, one spelling (faults.md 16); names we take. */
#include "base/test.h"

#include "mail/mutf7.h"

static void
names(void **state)
{
	static const struct {
		const char *name;
		struct str coded, utf8;
		bool ok;
	} rows[] = {
		{ "ASCII", STR("INBOX.Sent Items"), STR("INBOX.Sent Items"), true },
		{ "RFC 3501 5.1.3", STR("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
		    STR("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
			"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
		    true },
		{ "ampersand", STR("R&-D"), STR("R&D"), true },
		{ "umlaut", STR("Entw&APw-rfe"), STR("Entw\xc3\xbcrfe"), true },
		{ "surrogates", STR("&2D3c6w-"), STR("\xf0\x9f\x93\xab"), true },
		{ "adjacent shifts", STR("&U,BTFw-&ZeVnLIqe-"), STR(""), false },
		{ "slash in base64", STR("&AC8-"), STR(""), false },
		{ "ASCII in base64", STR("&AGE-"), STR(""), false },
		{ "NUL", STR("&AAA-"), STR(""), false },
		{ "lone surrogate", STR("&2AA-"), STR(""), false },
		{ "low surrogate first", STR("&3AA-"), STR(""), false },
		{ "unterminated", STR("&U,BTFw"), STR(""), false },
		{ "lone ampersand", STR("a&"), STR(""), false },
		{ "stray bits", STR("&APx-"), STR(""), false },
		{ "standard slash digit", STR("&U/BTFw-"), STR(""), false },
		{ "8 bit", STR("\xc3\xbc"), STR(""), false },
		{ "control", STR("a\x01"), STR(""), false },
		{ "ampersand in base64", STR("&ACY-"), STR(""), false },
		{ "cut unit", STR("&AP-"), STR(""), false },
	};
	struct buf b;

	buf_init(&b, 200);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_clear(&b);
		bool ok = mutf7_to_utf8(rows[i].coded, &b);

		if (ok != rows[i].ok || !str_eq(buf_str(&b), rows[i].utf8))
			fail_msg("%s: %d %s", rows[i].name, ok, buf_cstr(&b));
		if (!ok)
			continue;
		buf_clear(&b);
		assert_true(mutf7_from_utf8(rows[i].utf8, &b));
		if (!str_eq(buf_str(&b), rows[i].coded))
			fail_msg("%s: back %s", rows[i].name, buf_cstr(&b));
	}
	buf_free(&b);
}

static void
validity(void **state)
{
	static const struct {
		struct str in;
		char sep;
		bool ok;
	} rows[] = {
		{ STR("INBOX"), '.', true },
		{ STR("a.b.c"), '.', true },
		{ STR("a..b"), '.', false },
		{ STR(".a"), '.', false },
		{ STR("a."), '.', false },
		{ STR("a/b"), '.', false },
		{ STR("a/b"), '/', true },
		{ STR("a/../b"), '/', false },
		{ STR("./b"), '/', false },
		{ STR("~root"), '/', false },
		{ STR("a\0b"), '/', false },
		{ STR("a\nb"), '/', false },
		{ STR("a\xc2\x85"), '/', false },
		{ STR("a\xe2\x80\xa8"), '/', false },
		{ STR("\xc3\xa4"), '/', true },
		{ STR("\xe4"), '/', false },
		{ STR(""), '/', false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (mailbox_name_valid(rows[i].in, rows[i].sep) != rows[i].ok)
			fail_msg("row %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(validity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
