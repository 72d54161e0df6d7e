/*
 * help.c - the help, and what the shell's completion asks for; both are read
 * from the table of commands, so neither can be out of date.
 */
#include "admin-cli/help.h"

#define COLUMN "%-38s"

static void
print_call(const struct command *k, FILE *out)
{
	fprintf(out, "postroom %s%s%s%s%s", k->group != NULL ? k->group : "",
	    k->group != NULL ? " " : "", k->name, k->operands[0] != '\0' ? " " : "", k->operands);
}

static void
print_row(const struct command *k, FILE *out)
{
	char call[96];

	snprintf(call, sizeof(call), "%s%s%s %s", k->group != NULL ? k->group : "",
	    k->group != NULL ? " " : "", k->name, k->operands);
	fprintf(out, "  " COLUMN " %s\n", call, k->help);
}

static void
print_options(const struct option *table, FILE *out)
{
	for (; table != NULL && table->name != NULL; table++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s%s%s", table->name,
		    table->value != NULL ? " " : "", table->value != NULL ? table->value : "");
		fprintf(out, "  " COLUMN " %s\n", text, table->help);
	}
}

void
help_all(FILE *out)
{
	fputs("postroom - administer the mail platform\n\n"
	      "usage: postroom [-c FILE] [--json] COMMAND ...\n\n",
	    out);
	for (const struct command *k = commands; k->name != NULL; k++)
		if (!(k->flags & COMMAND_HIDDEN))
			print_row(k, out);
	fputs("\noptions everywhere:\n", out);
	print_options(global_options, out);
	fputs("\nexit status: 0 done, 1 failed, 2 usage, 3 not found, 4 exists already,\n"
	      "5 refused by a rule, 6 database or daemon unreachable\n"
	      "\npostroom COMMAND --help shows a command's options and examples.\n",
	    out);
}

void
help_group(const char *group, FILE *out)
{
	fprintf(out, "postroom %s - %s\n\n", group, group_help(group));
	for (const struct command *k = commands; k->name != NULL; k++)
		if (k->group != NULL && strcmp(k->group, group) == 0)
			print_row(k, out);
	fprintf(out, "\npostroom %s COMMAND --help shows options and examples.\n", group);
}

void
help_command(const struct command *k, FILE *out)
{
	fputs("usage: ", out);
	print_call(k, out);
	fputs(k->options != NULL ? " [OPTION...]\n\n" : "\n\n", out);
	fprintf(out, "%s\n", k->help);
	if (k->options != NULL) {
		fputs("\noptions:\n", out);
		print_options(k->options, out);
	}
	fputs("\noptions everywhere:\n", out);
	print_options(global_options, out);
	fprintf(out, "\nexamples:\n%s", k->examples);
}

const char *
help_hint(const struct cli *c)
{
	const struct command *k = c->command;

	return arena_printf(c->arena, "postroom %s%s%s --help shows how",
	    k->group != NULL ? k->group : "", k->group != NULL ? " " : "", k->name);
}

/* --- completion --- */

static bool
begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static void
offer_first(const char *start)
{
	const char *last = "";

	for (const struct command *k = commands; k->name != NULL; k++) {
		const char *word = k->group != NULL ? k->group : k->name;

		if (!(k->flags & COMMAND_HIDDEN) && begins(word, start) && strcmp(word, last) != 0)
			puts(word);
		last = word;
	}
}

static void
offer_options(const struct option *table, const char *start)
{
	for (; table != NULL && table->name != NULL; table++) {
		char word[64];

		snprintf(word, sizeof(word), "--%s", table->name);
		if (begins(word, start))
			puts(word);
	}
}

/*
 * postroom complete WORD...: what could stand in the place of the last word,
 * one a line.  An unknown beginning offers nothing.
 */
enum status
complete(struct cli *c)
{
	const char *last = c->operand_count > 0 ? c->operands[c->operand_count - 1] : "";
	const char *first = c->operands[0];

	if (c->operand_count <= 1) {
		offer_first(last);
		return STATUS_DONE;
	}
	for (const struct command *k = commands; k->name != NULL; k++) {
		const char *word = k->group != NULL ? k->group : k->name;
		bool named = k->group == NULL ||
			     (c->operand_count > 2 && strcmp(k->name, c->operands[1]) == 0);

		if ((k->flags & COMMAND_HIDDEN) || strcmp(word, first) != 0)
			continue;
		if (named && begins(last, "-")) {
			offer_options(k->options, last);
			offer_options(global_options, last);
		} else if (!named && c->operand_count == 2 && begins(k->name, last))
			puts(k->name);
	}
	return STATUS_DONE;
}
