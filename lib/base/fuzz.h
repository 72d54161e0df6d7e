/*
 * fuzz.h - a fuzz target in ten lines:
 *
 *	#include "base/fuzz.h"
 *	FUZZ(data, n) { ... look at n octets at data ... }
 *
 * With libFuzzer this is the target; else fuzz_main.c gives it a main that
 * runs it over every file named on the command line (folders: all in them).
 */
#ifndef BASE_FUZZ_H
#define BASE_FUZZ_H

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ(data, n)                                            \
	static void fuzz_one(const uint8_t *data, size_t n);     \
	int LLVMFuzzerTestOneInput(const uint8_t *d_, size_t n_) \
	{                                                        \
		fuzz_one(d_, n_);                                \
		return 0;                                        \
	}                                                        \
	static void fuzz_one(const uint8_t *data, size_t n)

#endif
