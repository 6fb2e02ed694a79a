/* body: reads a JSON body by the field table. */
#ifndef REGCRED_MODEL_BODY_H
#define REGCRED_MODEL_BODY_H

#include "base/err.h"
#include "base/json_in.h"
#include "model/schema.h"

/* Validates a body by the field table, in the order of the body, then checks the required fields in
 * the order of the schema. Unknown fields and fields that the caller may not set are ignored.
 * References are parsed, not looked up. Texts are not copied: they live as long as the body. */
enum err schema_read(const struct schema_rules *rules, const struct json *body, struct change *out,
		     struct error *e) __attribute__((warn_unused_result));

/* A text in the body of a question (TYPE_QUESTION), by the type's field; *out is NULL if it is not
 * given. Lengths and options are checked. */
enum err schema_read_question(const struct resource_type *type, const char *name,
			      const struct json *body, const char **out, struct error *e)
	__attribute__((warn_unused_result));

#endif
