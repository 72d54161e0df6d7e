/*
 * crashpoint.h - named places where the kill harness ends a process.
 *
 * Compiled to nothing unless built with -Dcrashpoints=true.  Then, when the
 * environment has POSTROOM_CRASH=NAME or NAME:n, the n-th passing of that
 * point (the first without a number) ends the process by SIGKILL; with
 * POSTROOM_CRASH=n, the n-th passing of any point.  Where POSTROOM_CRASH_FILE
 * names a file, its first line says the same and is looked at each time, so a
 * running daemon can be told; the file is removed before the kill.  With
 * POSTROOM_CRASH_LOG each passing appends its name to that file, which is how
 * the harness learns what points there are.
 */
#ifndef BASE_CRASHPOINT_H
#define BASE_CRASHPOINT_H

#ifdef POSTROOM_CRASHPOINTS
void crash_point(const char *name);
#else
#	define crash_point(name) ((void)0)
#endif

#endif
