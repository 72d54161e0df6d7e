/* structure_fuzz.c - a packed structure from a damaged or hostile index. */
#include "base/fuzz.h"
#include "mail/structure.h"

FUZZ(data, n)
{
	struct structure s;
	struct section at;
	struct buf b;

	buf_init(&b, STRUCTURE_MAX);
	if (structure_unpack(str_n(data, n), &s)) {
		(void)!structure_put_body(&s, &b);
		for (uint32_t x = 0; x < 27; x++) {
			uint32_t numbers[3] = { 1 + x % 3, 1 + x / 3 % 3, 1 + x / 9 };
			for (size_t k = 0; k <= 3; k++) {
				if (structure_section(
					&s, numbers, k, (enum section_kind)(x % 4), &at)) {
					assert(at.region.at <= s.message.size);
					assert(at.region.size <= s.message.size - at.region.at);
				}
			}
		}
	}
	buf_free(&b);
}
