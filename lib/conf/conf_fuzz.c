#include "base/fuzz.h"
#include "conf/conf.h"

/* What is taken prints as text that is taken again. */
FUZZ(data, n)
{
	struct conf *c, *again;
	struct buf errors, text;

	buf_init(&errors, 64 * 1024);
	buf_init(&text, CONF_TEXT_MAX * 2);
	if (conf_parse(str_n(data, n), "fuzz", &c, &errors) == DONE) {
		enum outcome o;

		conf_print(c, &text);
		o = conf_parse(buf_str(&text), "again", &again, &errors);
		assert(o == DONE);
		conf_unref(&again);
	}
	conf_unref(&c);
	buf_free(&errors);
	buf_free(&text);
}
