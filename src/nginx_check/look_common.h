/* look_common: looks that several rules use. */
#ifndef REGCRED_NGINX_CHECK_LOOK_COMMON_H
#define REGCRED_NGINX_CHECK_LOOK_COMMON_H

#include <stdbool.h>

#include "nginx_check/site.h"
#include "nginx_check/tree.h"

void look_is(const struct site *site, const struct rule *rule);

void look_is_not(const struct site *site, const struct rule *rule);

bool node_has_word(const struct node *n, const char *text);

void look_has_word(const struct site *site, const struct rule *rule);

void look_param_set(const struct site *site, const struct rule *rule);

/* Without any of them look_params_none speaks. */
void look_param_missing(const struct site *site, const struct rule *rule);

void look_param_is_not(const struct site *site, const struct rule *rule);

void look_param_twice(const struct site *site, const struct rule *rule);

void look_params_none(const struct site *site, const struct rule *rule);

/* nginx's own parameter file, on the level that counts. */
void look_params_file(const struct site *site, const struct rule *rule);

/* Both end with NULL. */
extern const char *const error_codes[];
/* What a client says. */
extern const char *const client_variables[];

/* The error_page of the level that counts which names the code. */
const struct node *error_page_find(const struct site *site, const char *code);

/* The location that has this very name, in the same server. */
const struct node *location_find(const struct site *site, const char *name);

/* Reports each place where a variable of the list goes into the parameter. */
void look_for_variables(const struct site *site, const struct rule *rule, const char *name,
			const char *const *list);

bool url_is_local(const char *address);

#endif
