/* check: compares the tables of types with each other, at start. */
#ifndef REGCRED_MODEL_CHECK_H
#define REGCRED_MODEL_CHECK_H

/* NULL if all tables agree with each other, else a sentence.  Run at start. */
const char *schema_check(void);

#endif
