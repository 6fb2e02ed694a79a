/* postgres: a PostgreSQL server of the tests' own, and what the rig needs of it. */
#ifndef REGCRED_TESTS_POSTGRES_H
#define REGCRED_TESTS_POSTGRES_H

#include <stdbool.h>

#include "support/support.h"

/* Starts it, once in a program; false if there is none on this machine. */
bool postgres_begin(void);
void postgres_stop(void);

const char *postgres_place(const char *name);
void postgres_copy(const char *from, const char *to);
const char *postgres_sql(struct rig *rig, const char *sql);
void postgres_exec(struct rig *rig, const char *sql);
const char *postgres_dump(struct rig *rig);

#endif
