/*
 * conf_reference.c - the reference of all options in Markdown, on standard
 * output.  With the page named, says whether it holds just that (a test);
 * with --write behind it, puts it there.
 */
#include <stdio.h>

#include "conf/conf.h"

static void
put_reference(struct buf *out)
{
	buf_puts(out, "| option | type | default | used by | |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < CONF_OPTIONS; i++) {
		const struct conf_option *o = &conf_options[i];

		buf_printf(out, "| `%s` | %s", o->name, conf_type_name(o->type));
		if (o->type == CONF_CHOICE)
			buf_puts(out, ":");
		for (const char *p = o->bounds; o->type == CONF_CHOICE && *p != '\0'; p++) {
			if (p == o->bounds || *p == '|')
				buf_puts(out, p == o->bounds ? " " : ", ");
			if (*p != '|')
				buf_putc(out, *p);
		}
		if (o->type == CONF_NUMBER || o->type == CONF_SIZE || o->type == CONF_TIME)
			buf_printf(out, ", %s", o->bounds);
		buf_printf(out, " | %s%s%s | %s | %s |\n", o->value[0] != '\0' ? "`" : "", o->value,
		    o->value[0] != '\0' ? "`" : "", o->users, o->help);
	}
}

/* The table stands between these two lines of the page. */
static const struct str begin =
    STR("<!-- options begin: written by `ninja configuration-reference` -->\n");
static const struct str end = STR("<!-- options end -->\n");

static bool
read_page(const char *path, struct buf *page)
{
	FILE *f = fopen(path, "r");
	int c;

	if (f == NULL)
		return false;
	while ((c = getc(f)) != EOF)
		buf_putc(page, (char)c);
	return fclose(f) == 0;
}

static bool
write_page(const char *path, struct str before, struct str table, struct str after)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return false;
	fprintf(f, STR_FMT STR_FMT STR_FMT, STR_ARG(before), STR_ARG(table), STR_ARG(after));
	return fclose(f) == 0;
}

int
main(int argc, char **argv)
{
	struct buf want, page;
	ptrdiff_t from, to;
	struct str have;

	buf_init(&want, CONF_TEXT_MAX);
	buf_init(&page, CONF_TEXT_MAX);
	put_reference(&want);
	if (argc < 2) {
		(void)fputs(buf_cstr(&want), stdout);
		return 0;
	}
	if (!read_page(argv[1], &page)) {
		perror(argv[1]);
		return 1;
	}
	from = str_find(buf_str(&page), begin);
	to = str_find(buf_str(&page), end);
	if (from < 0 || to < from) {
		fprintf(stderr, "%s has no place for the options\n", argv[1]);
		return 1;
	}
	from += (ptrdiff_t)begin.n;
	have = str_n(page.p + from, (size_t)(to - from));
	if (str_eq(have, buf_str(&want)))
		return 0;
	if (argc > 2)
		return write_page(argv[1], str_first(buf_str(&page), (size_t)from), buf_str(&want),
			   str_from(buf_str(&page), (size_t)to))
			   ? 0
			   : 1;
	fprintf(
	    stderr, "%s is older than options.def: run `ninja configuration-reference`\n", argv[1]);
	return 1;
}
