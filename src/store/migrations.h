/* migrations: the numbered files of sql/, compiled into the program.
 *
 * Each engine has its own, with the same numbers; build-aux/embed-sql.sh makes them at build time.
 * The store runs what a database has not seen yet, in this order.
 */
#ifndef REGCRED_STORE_MIGRATIONS_H
#define REGCRED_STORE_MIGRATIONS_H

struct migration {
	int number;	  /* without gaps: the version of a database that has it */
	const char *name; /* the file's name without ".sql" */
	const char *sql;  /* the whole file */
};

/* End with {0, NULL, NULL}. */
extern const struct migration migrations[], postgres_migrations[];

#endif
