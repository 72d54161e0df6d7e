/*
 * help.h - one screen for every command, from its row in commands.c.
 */
#ifndef ADMIN_CLI_HELP_H
#define ADMIN_CLI_HELP_H

#include <stdio.h>

#include "admin-cli/cli.h"

void help_all(FILE *out);
void help_group(const char *group, FILE *out);
void help_command(const struct command *k, FILE *out);

/* "postroom mailbox add --help shows how", in the arena. */
const char *help_hint(const struct cli *c);

#endif
