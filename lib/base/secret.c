#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

void
wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

bool
secret_set(struct secret *s, struct str text)
{
	secret_free(s);
	if (text.n > SECRET_MAX)
		return false;
	s->octets = xmalloc(text.n + 1);
	if (text.n > 0)
		memcpy(s->octets, text.p, text.n);
	s->octets[text.n] = '\0';
	s->length = text.n;
	return true;
}

void
secret_free(struct secret *s)
{
	if (s->octets != NULL)
		wipe(s->octets, s->length);
	free(s->octets);
	*s = (struct secret){ 0 };
}
