/*
 * value.h - one value of the configuration file, from text to its field.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "base/arena.h"
#include "conf/conf.h"

/*
 * Parse text as the option's type into *field (which has the C type of
 * conf.h).  Texts and lists go into the arena.  False: `expected` says what
 * was wanted ("a size from 64K to 2G, as in 900, 64K or 50M").
 */
must_use bool value_parse(const struct conf_option *o, struct str text, struct arena *a,
    void *field, struct buf *expected);

#endif
