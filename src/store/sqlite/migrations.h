/* migrations: the numbered files of sql/, compiled into the program.
 *
 * migrations.c is made by build-aux/embed-sql.sh at build time; the store runs what a database has
 * not seen yet, in this order.
 */
#ifndef REGCRED_MIGRATIONS_H
#define REGCRED_MIGRATIONS_H

struct migration {
	int number; /* 1, 2, 3 …, without gaps: the user_version of a database that has it */
	const char *name; /* the file's name without ".sql" */
	const char *sql;  /* the whole file */
};

/* Ends with {0, NULL, NULL}. */
extern const struct migration migrations[];

#endif
