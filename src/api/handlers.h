/* handlers: one function for each route, which calls an operation and prints the result. */
#ifndef REGCRED_API_HANDLERS_H
#define REGCRED_API_HANDLERS_H

#include "api/call.h"
#include "base/err.h"

enum err handle_versions(struct call *c);
enum err handle_version(struct call *c);
enum err handle_schemas(struct call *c);
enum err handle_schema(struct call *c);
enum err handle_openapi(struct call *c);
enum err handle_list(struct call *c);
enum err handle_read(struct call *c);
enum err handle_action_without_post(struct call *c);
enum err handle_link(struct call *c);
enum err handle_create(struct call *c);
enum err handle_update(struct call *c);
enum err handle_delete(struct call *c);
enum err handle_action(struct call *c);
enum err handle_question(struct call *c);
enum err handle_not_allowed(struct call *c);

#endif
