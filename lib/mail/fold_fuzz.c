/* fold_fuzz.c - needle, LF, text: found in pieces exactly where it is found in the whole. */
#include "base/fuzz.h"
#include "mail/fold.h"

FUZZ(data, n)
{
	struct str in = str_from(str_n(data, n), 1), needle, text;
	struct fold_search f;
	struct buf folded, all;
	size_t step;
	bool want;

	if (n == 0)
		return;
	step = 1 + data[0] % 16;
	(void)str_cut(in, '\n', &needle, &text);
	needle = str_first(needle, 60);
	buf_init(&folded, FOLD_NEEDLE_MAX);
	buf_init(&all, 64 * n + 1024);
	assert(fold_put(needle, &folded) && fold_put(text, &all));
	assert(str_is_utf8(buf_str(&all)));
	want = str_find(buf_str(&all), buf_str(&folded)) >= 0;
	assert(fold_has(text, buf_str(&folded)) == want);
	fold_search_init(&f, buf_str(&folded));
	for (size_t at = 0; at < text.n; at += step)
		(void)fold_search_put(&f, str_first(str_from(text, at), step));
	assert(fold_search_end(&f) == want);
	fold_search_free(&f);
	buf_free(&folded);
	buf_free(&all);
}
