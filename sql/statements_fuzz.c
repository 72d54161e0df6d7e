/* statements_fuzz.c - profiles and SQL files as administrators may write them. */
#include "base/fuzz.h"
#include "sql/migrate.h"

FUZZ(data, n)
{
	struct str text = str_n(data, n), delimiter = STR(";"), statement;
	struct profile *p = profile_new();
	struct why why;
	size_t before = text.n + 1;

	if (profile_parse(p, text, "fuzz", &why) == DONE)
		(void)profile_find(p, "a");
	profile_free(&p);
	while (text.n < before && sql_next_statement(&text, &delimiter, &statement))
		before = text.n + (text.n == 0);
}
