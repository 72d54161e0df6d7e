/* result.c - cells of a result by their columns' names. */
#include "sql/db.h"

struct str
db_cell(const struct db_result *r, size_t row, const char *column)
{
	for (size_t i = 0; row < r->row_count && i < r->column_count; i++)
		if (str_eq_nocase(r->columns[i], str_of(column)))
			return r->cells[row * r->column_count + i];
	return STR_NONE;
}

int64_t
db_cell_int(const struct db_result *r, size_t row, const char *column, int64_t otherwise)
{
	struct str s = db_cell(r, row, column);
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t v;

	if (!str_u64(str_from(s, minus ? 1 : 0), &v) || v > INT64_MAX)
		return otherwise;
	return minus ? -(int64_t)v : (int64_t)v;
}
