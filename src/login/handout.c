/* handout: choose the logins, open them, write the file. */
#include "login/handout.h"

#include <string.h>

#include "access/rights.h"
#include "access/standing.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "login/format.h"
#include "login/resolve.h"
#include "login/use.h"
#include "model/body.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

/* Choosing */

static const char *
handout_key_of(const struct hand_out_work *w, const struct login *login)
{
	const char *key = login->registry->key;

	if (w->format->paths && *login->path != '\0')
		return arena_printf(w->context->arena, "%s/%s", key, login->path);
	return login->registry->hub ? w->format->hub : key;
}

static bool
handout_is_there(const struct hand_out_work *w, const char *key)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->entries[i].key, key) == 0)
			return true;
	return false;
}

/* The first of the list that can be used for each key. */
static enum err
choose_each(struct hand_out_work *w, const struct login_list *logins)
{
	for (size_t i = 0; i < logins->count && logins->items[i].fits; i++) {
		const struct login *login = &logins->items[i];
		const char *key = handout_key_of(w, login);

		if (key == NULL)
			return err_set(w->error, ERR_INTERNAL, NULL, NULL);
		if ((!w->format->paths && *login->path != '\0') || handout_is_there(w, key))
			continue;
		if (w->count == HANDOUT_LOGINS_MAX)
			return err_set(w->error, ERR_INVALID_OPTION, "format",
				       "There are more than 1,000 logins: name a registry or an "
				       "image.");
		w->entries[w->count++] = (struct entry){.login = login, .key = key};
	}
	return ERR_NONE;
}

static enum err
handout_choose(struct hand_out_work *w, struct login_list *logins)
{
	const struct wanted *wanted = &w->wanted;
	bool all = wanted->parts.key == NULL && wanted->registry_id == 0;

	w->count = 0;
	w->entries = arena_array(w->context->arena,
				 logins->count < HANDOUT_LOGINS_MAX ? logins->count + 1
								    : HANDOUT_LOGINS_MAX,
				 sizeof(*w->entries));
	if (w->entries == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (wanted->parts.repository != NULL) {
		resolve_order(logins, wanted->parts.repository);
		if (logins->count > 0 && logins->items[0].fits)
			w->entries[w->count++] = (struct entry){
				.login = logins->items, .key = handout_key_of(w, logins->items)};
	} else {
		resolve_sort(logins);
		if (choose_each(w, logins) != ERR_NONE)
			return w->error->code;
	}
	if (w->count > 0 || (all && (logins->count > 0 || !resolve_is_lost(w->context, logins))))
		return ERR_NONE;
	return err_set(w->error, ERR_NO_LOGIN, NULL,
		       resolve_is_lost(w->context, logins) ? resolve_text(logins, NULL) : NULL);
}

/* Opening and noting */

/* What was asked for, for the audit log. */
static const char *
asked(const struct hand_out_work *w)
{
	struct json_out out;
	size_t len;

	json_out_init(&out, w->context->arena);
	json_begin_object(&out);
	format_name_and_text(&out, "format", w->format->name);
	if (w->wanted.image != NULL)
		format_name_and_text(&out, "image", w->wanted.image);
	if (w->wanted.address != NULL)
		format_name_and_text(&out, "serverAddress", w->wanted.address);
	json_end_object(&out);
	return json_out_text(&out, &len);
}

static enum err
record_all(struct store_tx *tx, const struct hand_out_work *w)
{
	const struct context *c = w->context;
	const char *what = asked(w);
	enum store_rc rc = what != NULL ? STORE_OK : STORE_NO_MEMORY;

	for (size_t i = 0; rc == STORE_OK && i < w->count; i++) {
		const struct record *row = w->entries[i].login->row;

		if (standing_check(tx, c->arena, c->id, row->columns[COL_ACCOUNT_ID].number,
				   w->error) != ERR_NONE)
			return w->error->code;
		rc = handout_note_use(tx, c, row);
		if (rc == STORE_OK)
			rc = resource_note(tx, c, c->arena, "handOut", 200, row, what);
	}
	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

static enum err
hand_out_in_transaction(struct store_tx *tx, void *arg)
{
	struct hand_out_work *w = arg;
	const struct context *c = w->context;
	struct login_list logins;
	struct json_out out;

	if (standing_check(tx, c->arena, c->id, 0, w->error) != ERR_NONE ||
	    resolve_find(c, tx, &w->wanted, true, &logins, w->error) != ERR_NONE ||
	    handout_choose(w, &logins) != ERR_NONE)
		return w->error->code;
	for (size_t i = 0; i < w->count; i++)
		if (use_open_login(w, &w->entries[i]) != ERR_NONE)
			return w->error->code;
	json_out_init(&out, c->arena);
	w->format->write(&out, w);
	w->out->text = json_out_text(&out, &w->out->len);
	w->out->content_type = w->format->content_type;
	if (w->out->text == NULL || arena_failed(c->arena))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return record_all(tx, w);
}

/* Reading what is asked for */

/* A name of DNS, as Kubernetes has it: labels of small letters, digits and inner dashes. */
static bool
is_dns_name(const char *name, bool dots)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (const char *p = name;; p++) {
		size_t len = strcspn(p, ".");

		if (len == 0 || strchr(ends, p[0]) == NULL || strchr(ends, p[len - 1]) == NULL)
			return false;
		for (size_t i = 0; i < len; i++)
			if (p[i] != '-' && strchr(ends, p[i]) == NULL)
				return false;
		p += len;
		if (*p == '\0')
			return true;
		if (!dots)
			return false;
	}
}

static enum err
handout_read_name(const struct resource_type *type, const struct json *body, const char *field,
		  bool dots, const char **out, struct error *e)
{
	if (schema_read_question(type, field, body, out, e) != ERR_NONE)
		return e->code;
	if (*out == NULL || is_dns_name(*out, dots))
		return ERR_NONE;
	return err_set(
		e, ERR_INVALID_FORMAT, field,
		"It is not a name that Kubernetes accepts: use lower-case letters, digits, and "
		"dashes between them.");
}

static enum err
read_question(struct hand_out_work *w, const struct resource_type *type, const struct json *body)
{
	const char *format = NULL;
	struct error *e = w->error;

	if (schema_read_question(type, "format", body, &format, e) != ERR_NONE)
		return e->code;
	if (format == NULL)
		return err_set(e, ERR_MISSING_REQUIRED, "format", NULL);
	for (const struct format *f = format_table; f->name != NULL; f++)
		if (strcmp(f->name, format) == 0)
			w->format = f;
	if (w->format == NULL)
		return err_set(e, ERR_INVALID_OPTION, "format", NULL);
	if (handout_read_name(type, body, "name", true, &w->name, e) != ERR_NONE ||
	    handout_read_name(type, body, "namespace", false, &w->namespace, e) != ERR_NONE ||
	    resolve_read(w->context, type, body, &w->wanted, e) != ERR_NONE)
		return e->code;
	if (w->name == NULL)
		w->name = "regcred";
	if (w->format->one && w->wanted.parts.key == NULL && w->wanted.registry_id == 0)
		return err_set(
			e, ERR_MISSING_REQUIRED, "image",
			"This format contains one login: name an image, a serverAddress or a "
			"registryId.");
	return ERR_NONE;
}

enum err
handout_run(const struct context *c, const struct resource_type *type, const struct json *body,
	    struct hand_out *out, struct error *e)
{
	struct hand_out_work w = {.context = c, .out = out, .error = e};

	if (!auth_may_reveal(c->id))
		return err_set(
			e, ERR_FORBIDDEN, NULL,
			"This key may not retrieve logins: make one with reveal set to true.");
	if (read_question(&w, type, body) != ERR_NONE)
		return e->code;
	enum store_rc rc = store_write(c->store, hand_out_in_transaction, &w);
	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? e->code : store_err(rc, e);
}
