/* version: which regcred a program is. */
#ifndef REGCRED_BASE_VERSION_H
#define REGCRED_BASE_VERSION_H

/* For people: "0.2.0", and with the commit where that is known "0.2.0 (1c725ad4b6a1)".  In each
 * program, not in the library: the build makes it anew with every commit. */
extern const char version_text[];

#endif
