/*
 * config.c - postroom config: what is in force and where it comes from.
 */
#include <stdio.h>

#include "admin-cli/report.h"
#include "conf/conf.h"

enum status
config_check(struct cli *c)
{
	if (c->operand_count > 0)
		c->conf_path = c->operands[0];
	enum status s = cli_conf(c);

	if (s != STATUS_DONE)
		return s;
	return report_done(c, "file", str_of(c->conf_path), "%s is right", c->conf_path);
}

static void
report_option(struct cli *c, struct report *r, size_t i)
{
	unsigned line = conf_line(c->conf, (enum conf_index)i);

	report_cell(r, str_of(conf_options[i].name));
	report_cell(r, str_of(conf_written(c->conf, (enum conf_index)i)));
	if (line > 0)
		report_cell(r, str_of(arena_printf(c->arena, "%s:%u", conf_file(c->conf), line)));
	else
		report_cell(r, STR("default"));
	report_cell(r, str_of(conf_options[i].value));
	report_cell(r, str_of(conf_type_name(conf_options[i].type)));
	report_cell(r, str_of(conf_options[i].help));
}

static const struct column columns[] = {
	{ "setting", "Setting", COLUMN_TEXT },
	{ "value", "Value", COLUMN_TEXT },
	{ "from", "From", COLUMN_TEXT },
	{ "default", NULL, COLUMN_TEXT },
	{ "type", NULL, COLUMN_TEXT },
	{ "help", NULL, COLUMN_TEXT },
};

static enum status
show_one(struct cli *c, const struct conf_option *option)
{
	struct column all[COUNT_OF(columns)];
	struct report r;

	for (size_t i = 0; i < COUNT_OF(columns); i++)
		all[i] = columns[i];
	all[3].title = "Default";
	all[4].title = "Type";
	all[5].title = "Meaning";
	report_begin(&r, c, all, COUNT_OF(all));
	report_option(c, &r, (size_t)(option - conf_options));
	return report_one(&r);
}

enum status
config_show(struct cli *c)
{
	bool changed = cli_option(c, "changed") != NULL;
	struct report r;
	enum status s = cli_conf(c);

	if (s != STATUS_DONE)
		return s;
	if (c->operand_count == 1) {
		const struct conf_option *option = conf_option_by_name(str_of(c->operands[0]));
		const struct conf_option *near = conf_option_nearest(str_of(c->operands[0]));

		if (option != NULL)
			return show_one(c, option);
		return cli_fail(c, STATUS_NOT_FOUND,
		    near != NULL ? arena_printf(c->arena, "did you mean %s?", near->name)
				 : "postroom config show lists all",
		    "there is no setting '%s'", c->operands[0]);
	}
	report_begin(&r, c, columns, COUNT_OF(columns));
	for (size_t i = 0; i < CONF_OPTIONS; i++)
		if (!changed || conf_line(c->conf, (enum conf_index)i) > 0)
			report_option(c, &r, i);
	return report_list(&r);
}
