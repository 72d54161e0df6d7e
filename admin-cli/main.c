/*
 * main.c - postroom, the administrator's command: find the command's row,
 * sort the words into options and operands, run it.
 *
 * The whole command line is checked before anything is done.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin-cli/cli.h"
#include "admin-cli/help.h"
#include "base/log.h"
#include "conf/conf.h"

#define ARENA_MAX    (512 * 1024 * 1024) /* a list of a million mailboxes has to fit */
#define DEFAULT_CONF "/etc/postroom/postroom.conf"
#define VERSION      "0.1.0"

static const struct command *
find_command(const char *first, const char *second, bool *takes_two)
{
	for (const struct command *k = commands; k->name != NULL; k++) {
		if (k->group == NULL && strcmp(k->name, first) == 0) {
			*takes_two = false;
			return k;
		}
		if (k->group != NULL && second != NULL && strcmp(k->group, first) == 0 &&
		    strcmp(k->name, second) == 0) {
			*takes_two = true;
			return k;
		}
	}
	return NULL;
}

static int
option_index(const struct option *table, struct str name)
{
	for (int i = 0; table != NULL && table[i].name != NULL; i++)
		if (str_eq(name, str_of(table[i].name)))
			return i;
	return -1;
}

const char *
cli_option(const struct cli *c, const char *name)
{
	int i = option_index(c->command->options, str_of(name));

	assert(i >= 0);
	return c->given[i];
}

/* --- global options: anywhere before "--" --- */

struct words {
	int count;
	char **list;
	bool help;
	bool version;
};

static enum status
global_value(struct cli *c, struct words *w, int *i, const char *word, const char *value)
{
	if (value == NULL && *i + 1 >= w->count)
		return cli_fail(c, STATUS_USAGE, NULL, "%s needs a file", word);
	c->conf_path = value != NULL ? value : w->list[++*i];
	return STATUS_DONE;
}

/* Takes the global options out of the words; what is left is in w->list. */
static enum status
take_globals(struct cli *c, struct words *w)
{
	int kept = 0;
	bool ended = false;

	for (int i = 0; i < w->count; i++) {
		char *word = w->list[i];
		enum status s = STATUS_DONE;

		if (ended)
			w->list[kept++] = word;
		else if (strcmp(word, "--") == 0) {
			ended = true;
			w->list[kept++] = word;
		} else if (strcmp(word, "--json") == 0)
			c->json = true;
		else if (strcmp(word, "--verbose") == 0 || strcmp(word, "-v") == 0)
			c->verbose = true;
		else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			w->help = true;
		else if (strcmp(word, "--version") == 0)
			w->version = true;
		else if (strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0)
			s = global_value(c, w, &i, word, NULL);
		else if (strncmp(word, "--config=", 9) == 0)
			s = global_value(c, w, &i, word, word + 9);
		else
			w->list[kept++] = word;
		if (s != STATUS_DONE)
			return s;
		if (i == 0 && kept == 1 && strcmp(word, "complete") == 0)
			ended = true; /* the shell's words are not ours */
	}
	w->count = kept;
	return STATUS_DONE;
}

/* --- a command's own words --- */

static enum status
take_option(struct cli *c, const struct words *w, int *i)
{
	const struct command *k = c->command;
	struct str name, value, word = str_of(w->list[*i] + 2);
	bool has_value = str_cut(word, '=', &name, &value);
	int index = option_index(k->options, name);

	if (index < 0)
		return cli_fail(
		    c, STATUS_USAGE, help_hint(c), "unknown option --" STR_FMT, STR_ARG(name));
	if (c->given[index] != NULL)
		return cli_fail(
		    c, STATUS_USAGE, NULL, "--" STR_FMT " was given twice", STR_ARG(name));
	if (k->options[index].value == NULL) {
		if (has_value)
			return cli_fail(
			    c, STATUS_USAGE, NULL, "--" STR_FMT " takes no value", STR_ARG(name));
		c->given[index] = "";
		return STATUS_DONE;
	}
	if (!has_value && *i + 1 >= w->count)
		return cli_fail(c, STATUS_USAGE, NULL, "--" STR_FMT " needs a value: %s",
		    STR_ARG(name), k->options[index].value);
	c->given[index] = has_value ? value.p : w->list[++*i];
	return STATUS_DONE;
}

static enum status
take_words(struct cli *c, const struct words *w, int from)
{
	const struct command *k = c->command;
	bool raw = k->flags & COMMAND_RAW;

	for (int i = from; i < w->count; i++) {
		char *word = w->list[i];

		if (!raw && strcmp(word, "--") == 0)
			raw = true;
		else if (!raw && strncmp(word, "--", 2) == 0) {
			enum status s = take_option(c, w, &i);

			if (s != STATUS_DONE)
				return s;
		} else if (!raw && word[0] == '-' && word[1] != '\0')
			return cli_fail(c, STATUS_USAGE, help_hint(c), "unknown option %s", word);
		else if (c->operand_count == MIN(k->most, CLI_OPERANDS_MAX))
			return cli_fail(
			    c, STATUS_USAGE, help_hint(c), "'%s' is a word too many", word);
		else
			c->operands[c->operand_count++] = word;
	}
	if (c->operand_count < k->least)
		return cli_fail(c, STATUS_USAGE, help_hint(c), "it needs %s", k->operands);
	return STATUS_DONE;
}

static enum status
unknown_command(struct cli *c, const struct words *w)
{
	const char *first = w->list[0];

	if (group_help(first) == NULL)
		return cli_fail(c, STATUS_USAGE, "postroom --help lists the commands",
		    "there is no command '%s'", first);
	if (w->count == 1) {
		if (!c->json)
			help_group(first, stderr);
		return cli_fail(c, STATUS_USAGE, NULL, "postroom %s: what about it?", first);
	}
	return cli_fail(c, STATUS_USAGE,
	    arena_printf(c->arena, "postroom %s --help lists them", first),
	    "there is no command '%s %s'", first, w->list[1]);
}

static enum status
run(struct cli *c, struct words *w)
{
	enum status s = take_globals(c, w);
	bool two = false;

	if (s != STATUS_DONE)
		return s;
	if (w->version) {
		puts("postroom " VERSION);
		return STATUS_DONE;
	}
	if (w->count == 0) {
		help_all(w->help ? stdout : stderr);
		return w->help ? STATUS_DONE : STATUS_USAGE;
	}
	c->command = find_command(w->list[0], w->count > 1 ? w->list[1] : NULL, &two);
	if (w->help && c->command == NULL && group_help(w->list[0]) != NULL) {
		help_group(w->list[0], stdout);
		return STATUS_DONE;
	}
	if (c->command == NULL)
		return unknown_command(c, w);
	if (w->help) {
		help_command(c->command, stdout);
		return STATUS_DONE;
	}
	s = take_words(c, w, two ? 2 : 1);
	return s == STATUS_DONE ? c->command->run(c) : s;
}

int
main(int argc, char **argv)
{
	struct cli c = { .conf_path = getenv("POSTROOM_CONF") };
	struct words w = { argc - 1, argv + 1, false, false };
	enum status s;

	setlocale(LC_CTYPE, "");
	if (c.conf_path == NULL || c.conf_path[0] == '\0')
		c.conf_path = DEFAULT_CONF;
	for (int i = 1; i < argc; i++)
		c.verbose |= strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0;
	/* Failures are ours to word; the libraries' own lines are for --verbose. */
	log_init("postroom", c.verbose ? LOG_DEBUG : LOG_FATAL);
	c.arena = arena_new(ARENA_MAX);
	s = run(&c, &w);
	cli_db_close(&c);
	conf_unref(&c.conf);
	arena_free(&c.arena);
	return (int)s;
}
