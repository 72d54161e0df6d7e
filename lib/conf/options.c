/*
 * options.c - the table of options, and the search for the one that was
 * meant by a misspelt name.
 */
#include "conf/conf.h"

#define NAME_MAX_LENGTH 48
#define NEAR_ENOUGH     3 /* edits */

const struct conf_option conf_options[CONF_OPTIONS] = {
#define OPTION(type_, name_, value_, bounds_, users_, help_) \
	{ .name = #name_,                                    \
		.type = CONF_##type_,                        \
		.value = value_,                             \
		.bounds = bounds_,                           \
		.users = users_,                             \
		.help = help_,                               \
		.offset = offsetof(struct conf, name_) },
#include "conf/options.def"
#undef OPTION
};

const char *
conf_type_name(enum conf_type t)
{
	static const char *const names[] = { [CONF_TEXT] = "text",
		[CONF_PATH] = "path",
		[CONF_BOOL] = "yes or no",
		[CONF_NUMBER] = "number",
		[CONF_SIZE] = "size",
		[CONF_TIME] = "time",
		[CONF_LIST] = "list",
		[CONF_NETS] = "networks",
		[CONF_HOSTPORT] = "host:port",
		[CONF_CHOICE] = "choice" };

	return names[t];
}

const struct conf_option *
conf_option_by_name(struct str name)
{
	for (size_t i = 0; i < CONF_OPTIONS; i++)
		if (str_eq(name, str_of(conf_options[i].name)))
			return &conf_options[i];
	return NULL;
}

/* Edits (insert, delete, replace) between two names; one row of the usual table is enough. */
static unsigned
distance(struct str a, struct str b)
{
	unsigned row[NAME_MAX_LENGTH + 1];

	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned above = row[j];
			unsigned same = ascii_lower(a.p[i - 1]) == ascii_lower(b.p[j - 1]) ? 0 : 1;

			row[j] = MIN(above, row[j - 1]) + 1;
			row[j] = MIN(row[j], corner + same);
			corner = above;
		}
	}
	return row[b.n];
}

const struct conf_option *
conf_option_nearest(struct str name)
{
	const struct conf_option *best = NULL;
	unsigned least = NEAR_ENOUGH + 1;

	if (name.n == 0 || name.n > NAME_MAX_LENGTH)
		return NULL;
	for (size_t i = 0; i < CONF_OPTIONS; i++) {
		struct str candidate = str_of(conf_options[i].name);
		unsigned d;

		if (candidate.n > NAME_MAX_LENGTH)
			continue;
		d = distance(name, candidate);
		if (d < least) {
			least = d;
			best = &conf_options[i];
		}
	}
	/* A part of the name is a good hint too: "certificate", "shards". */
	for (size_t i = 0; best == NULL && name.n >= 4 && i < CONF_OPTIONS; i++)
		if (str_find_nocase(str_of(conf_options[i].name), name) >= 0)
			best = &conf_options[i];
	return best;
}
