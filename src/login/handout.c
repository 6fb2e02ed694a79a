/* handout: chooses the logins, opens them, writes the file. */
#include "login/handout.h"

#include <string.h>

#include "access/rights.h"
#include "access/standing.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "login/resolve.h"
#include "login/use.h"
#include "model/body.h"
#include "model/format.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/quota.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "shared/board.h"
#include "store/store.h"

enum {
	LEFT_OUT_MAX = 200, /* bytes of the list of ids */
	TRIES_MAX = 5,	    /* attempts to choose logins that do not change meanwhile */
};

/* Choosing */

/* The login is the only candidate for the file. */
static enum err
handout_refuse(const struct hand_out_work *w, const struct login *login, const char *why)
{
	struct arena *a = w->context->arena;
	const char *id = id_format(a, &family_credential, record_id(login->row));

	if (why == use_unopened)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return err_set(w->error, ERR_INVALID_FORMAT, "format",
		       arena_printf(a, "The login %s %s.", id != NULL ? id : "", why));
}

static enum err
handout_too_long(const struct hand_out_work *w)
{
	return err_set(
		w->error, ERR_INVALID_OPTION, "format",
		"The logins are more than the 4 MiB that an answer may have: name a registry "
		"or an image.");
}

/* The exact name that readers of the file look up: the host as written in the request; else as in
 * an image without a port. */
static const char *
handout_host(const struct hand_out_work *w, const struct login *login)
{
	const char *written = w->wanted.parts.written;

	if (login->registry->hub)
		return written == NULL || registry_is_hub_name(written) ? REGISTRY_HUB : written;
	return written != NULL ? written : login->registry->key;
}

static const char *
handout_name(const struct hand_out_work *w, const struct login *login, const char *host)
{
	if (w->format->paths && *login->path != '\0')
		return arena_printf(w->context->arena, "%s/%s", host, login->path);
	return strcmp(host, REGISTRY_HUB) == 0 ? w->format->hub : host;
}

static bool
handout_has_name(const struct hand_out_work *w, const char *key)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->entries[i].key, key) == 0)
			return true;
	return false;
}

/* Adds a second name for a login in the file. */
static enum err
handout_add_name(struct hand_out_work *w, const struct entry *entry, const char *key)
{
	if (key == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (handout_has_name(w, key))
		return ERR_NONE;
	w->entries[w->count] = *entry;
	w->entries[w->count].key = key;
	w->entries[w->count++].again = true;
	return ERR_NONE;
}

/* Another way to write the address in an image; NULL: there is none. Readers may look up a default
 * port with and without the number, and do not recognise all names of Docker Hub. */
static const char *
handout_other_host(const struct hand_out_work *w, const struct registry_url *url)
{
	if (w->format->one || w->format->names || w->wanted.parts.written != NULL)
		return NULL;
	if (url->hub)
		return registry_is_hub_name(url->written) ? NULL : url->written;
	return url->port_dropped ? arena_printf(w->context->arena, "%s:%u", url->key, url->port)
				 : NULL;
}

static enum err
handout_add_other(struct hand_out_work *w, const struct entry *entry)
{
	const char *host = handout_other_host(w, entry->login->registry);

	return host != NULL ? handout_add_name(w, entry, handout_name(w, entry->login, host))
			    : ERR_NONE;
}

static enum err
handout_leave_out(struct hand_out_work *w, const struct login *login)
{
	struct arena *a = w->context->arena;
	const char *id = id_format(a, &family_credential, record_id(login->row));
	const char *before = w->out->left_out;

	if (id == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (before == NULL || strlen(before) < LEFT_OUT_MAX)
		w->out->left_out = before == NULL ? id : arena_printf(a, "%s, %s", before, id);
	return w->out->left_out != NULL ? ERR_NONE : err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

/* Adds a login to the file if the format can hold it; *why says why not. */
static enum err
handout_add(struct hand_out_work *w, const struct login *login, const char **why)
{
	struct entry entry = {.login = login,
			      .key = handout_name(w, login, handout_host(w, login))};

	*why = NULL;
	if (entry.key == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (handout_has_name(w, entry.key))
		return ERR_NONE;
	if (use_open_login(w, &entry, why) != ERR_NONE)
		return w->error->code;
	if (*why != NULL)
		return handout_leave_out(w, login);
	w->entries[w->count++] = entry;
	w->logins++;
	/* No format is shorter; the request's memory would not hold them all. */
	w->bytes += strlen(entry.user) + (entry.secret != NULL ? strlen(entry.secret) : 0);
	if (w->bytes > HANDOUT_BYTES_MAX)
		return handout_too_long(w);
	return handout_add_other(w, &w->entries[w->count - 1]);
}

/* Kubernetes uses the old name of Docker Hub only if nothing else matches: next to a login for a
 * part of it, the one for the whole needs the name used in images. */
static enum err
handout_add_hub(struct hand_out_work *w)
{
	const struct entry *whole = NULL;
	bool part = false;

	for (size_t i = 0; i < w->count; i++) {
		const struct entry *entry = &w->entries[i];
		bool hub = entry->login->registry->hub;

		part = part || (hub && *entry->login->path != '\0');
		if (hub && *entry->login->path == '\0')
			whole = entry;
	}
	return w->format->kubernetes && part && whole != NULL
		       ? handout_add_name(w, whole, REGISTRY_HUB)
		       : ERR_NONE;
}

/* For each name, adds the first usable login of the list. */
static enum err
choose_each(struct hand_out_work *w, const struct login_list *logins)
{
	const char *why = NULL, *first_why = NULL;
	const struct login *first = NULL;

	for (size_t i = 0; i < logins->count && logins->items[i].fits; i++) {
		const struct login *login = &logins->items[i];

		if (!w->format->paths && *login->path != '\0')
			continue;
		if (w->logins == HANDOUT_LOGINS_MAX)
			return err_set(w->error, ERR_INVALID_OPTION, "format",
				       "There are more than 1,000 logins: name a registry or an "
				       "image.");
		if (handout_add(w, login, &why) != ERR_NONE)
			return w->error->code;
		if (why != NULL && first == NULL) {
			first = login;
			first_why = why;
		}
	}
	bool all = w->wanted.parts.key == NULL && w->wanted.registry_id == 0;
	if (w->count == 0 && first != NULL && (!all || first_why == use_unopened))
		return handout_refuse(w, first, first_why);
	return handout_add_hub(w);
}

/* Adds the login for an image: the first that the format can hold. */
static enum err
choose_one(struct hand_out_work *w, struct login_list *logins)
{
	const char *why = NULL, *first_why = NULL;

	resolve_order(logins, w->wanted.parts.repository);
	for (size_t i = 0; i < logins->count; i++)
		w->parts = w->parts || *logins->items[i].path != '\0';
	for (size_t i = 0; w->count == 0 && i < logins->count && logins->items[i].fits; i++) {
		if (handout_add(w, &logins->items[i], &why) != ERR_NONE)
			return w->error->code;
		if (i == 0)
			first_why = why;
	}
	return w->count == 0 && first_why != NULL ? handout_refuse(w, logins->items, first_why)
						  : ERR_NONE;
}

static enum err
handout_choose(struct hand_out_work *w)
{
	const struct wanted *wanted = &w->wanted;
	bool all = wanted->parts.key == NULL && wanted->registry_id == 0;
	struct login_list logins;
	enum err rc;

	w->count = w->logins = w->bytes = 0;
	w->out->left_out = NULL;
	if (resolve_find(w->context, wanted, true, &logins, w->error) != ERR_NONE)
		return w->error->code;
	/* Each has at most two names, and a login for all of Docker Hub a third. */
	size_t most = logins.count < HANDOUT_LOGINS_MAX ? logins.count : HANDOUT_LOGINS_MAX;
	w->entries = arena_array(w->context->arena, 2 * most + 1, sizeof(*w->entries));
	if (w->entries == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (wanted->parts.repository != NULL) {
		rc = choose_one(w, &logins);
	} else {
		resolve_sort(&logins);
		rc = choose_each(w, &logins);
	}
	if (rc != ERR_NONE)
		return rc;
	if (w->count > 0 || (all && (logins.count > 0 || !resolve_is_lost(w->context, &logins))))
		return ERR_NONE;
	return err_set(w->error, ERR_NO_LOGIN, NULL,
		       resolve_is_lost(w->context, &logins) ? resolve_text(&logins, NULL) : NULL);
}

/* Opening and noting */

/* What was requested, for the audit log. */
static const char *
asked(const struct hand_out_work *w)
{
	struct json_out out;
	size_t len;

	json_out_init(&out, w->context->arena);
	json_begin_object(&out);
	json_string_member(&out, "format", w->format->name);
	if (w->wanted.image != NULL)
		json_string_member(&out, "image", w->wanted.image);
	if (w->wanted.address != NULL)
		json_string_member(&out, "serverAddress", w->wanted.address);
	if (w->former)
		json_string_member(&out, "secret", "previous");
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

		if (w->entries[i].again)
			continue;
		if (standing_check(tx, c->arena, c->id, row->columns[COL_ACCOUNT_ID].number,
				   w->error) != ERR_NONE)
			return w->error->code;
		rc = handout_note_use(tx, c, row);
		if (rc == STORE_OK)
			rc = resource_note(tx, c, c->arena, "handOut", 200, row, what);
	}
	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

/* What the format sees of the logins; NULL if out of memory. */
static const struct format_login *
handout_opened(const struct hand_out_work *w)
{
	struct format_login *list = arena_array(w->context->arena, w->count, sizeof(*list));

	for (size_t i = 0; list != NULL && i < w->count; i++) {
		const struct entry *entry = &w->entries[i];
		const struct value *expires = &entry->login->row->columns[COL_EXPIRES];

		list[i] = (struct format_login){
			.key = entry->key,
			.user = entry->user,
			.secret = entry->secret,
			.hub = entry->login->registry->hub,
			.left_ms = expires->type == VALUE_INT ? expires->number - w->context->now_ms
							      : INT64_MAX,
		};
	}
	return list;
}

/* Writes the file, before the lock is taken. */
static enum err
handout_write(struct hand_out_work *w)
{
	struct format_job job = {
		.format = w->format,
		.logins = handout_opened(w),
		.count = w->count,
		.name = w->name,
		.namespace = w->namespace,
		.version = w->version,
		.part = w->parts ? w->wanted.parts.repository : NULL,
		.error = w->error,
	};
	struct json_out out;

	if (job.logins == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	json_out_init(&out, w->context->arena);
	w->format->write(&out, &job);
	w->out->text = json_out_text(&out, &w->out->len);
	w->out->content_type = w->format->content_type;
	if (w->error->code != ERR_NONE)
		return w->error->code;
	if (w->out->text == NULL || arena_failed(w->context->arena))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return w->out->len <= HANDOUT_BYTES_MAX ? ERR_NONE : handout_too_long(w);
}

/* Under the lock nothing is searched: the chosen logins are checked again and recorded. */
static enum err
hand_out_in_transaction(struct store_tx *tx, void *arg)
{
	struct hand_out_work *w = arg;

	if (standing_check(tx, w->context->arena, w->context->id, 0, w->error) != ERR_NONE)
		return w->error->code;
	w->stale = false;
	for (size_t i = 0; i < w->count; i++) {
		bool same = true;
		enum store_rc rc = w->entries[i].again ? STORE_OK
						       : use_check(tx, w->context,
								   w->entries[i].login->row, &same);

		if (rc != STORE_OK)
			return store_err(rc, w->error);
		w->stale = w->stale || !same;
	}
	if (w->stale)
		return err_set(w->error, ERR_UNAVAILABLE, NULL,
			       "The logins are being changed: try again.");
	return record_all(tx, w);
}

static enum err
handout_try(struct hand_out_work *w)
{
	*w->error = (struct error){0};
	w->stale = false;
	if (handout_choose(w) != ERR_NONE || handout_write(w) != ERR_NONE)
		return w->error->code;
	if (w->format->names)
		return ERR_NONE;
	if (quota_take_room(w->context, w->logins * QUOTA_ROW_BYTES, w->error) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = store_write(w->context->store, hand_out_in_transaction, w);
	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
}

/* Reading the request */

/* A DNS name as defined by Kubernetes: labels of lower-case letters, digits and inner dashes. */
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

/* The versions of the kubelet's protocol, which have the same answer. */
static enum err
read_version(struct hand_out_work *w, const struct resource_type *type, const struct json *body)
{
	static const char *const versions[] = {"credentialprovider.kubelet.k8s.io/v1",
					       "credentialprovider.kubelet.k8s.io/v1beta1",
					       "credentialprovider.kubelet.k8s.io/v1alpha1"};
	const char *wanted = NULL;

	if (schema_read_question(type, "apiVersion", body, &wanted, w->error) != ERR_NONE)
		return w->error->code;
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		if (wanted == NULL || strcmp(versions[i], wanted) == 0) {
			w->version = versions[i];
			return ERR_NONE;
		}
	return err_set(w->error, ERR_INVALID_OPTION, "apiVersion",
		       "It is not a version of the kubelet's protocol: leave it out, or send "
		       "credentialprovider.kubelet.k8s.io/v1, v1beta1 or v1alpha1.");
}

static enum err
read_question(struct hand_out_work *w, const struct resource_type *type, const struct json *body)
{
	const char *format = NULL, *secret = NULL;
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
	if (schema_read_question(type, "secret", body, &secret, e) != ERR_NONE)
		return e->code;
	w->former = secret != NULL && strcmp(secret, "previous") == 0;
	if (handout_read_name(type, body, "name", true, &w->name, e) != ERR_NONE ||
	    handout_read_name(type, body, "namespace", false, &w->namespace, e) != ERR_NONE ||
	    read_version(w, type, body) != ERR_NONE ||
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
	enum err rc = quota_count(c, &c->limits.writes, quota_too_many, e);
	int tries = 0;

	if (rc != ERR_NONE)
		return rc;
	do
		rc = handout_try(&w);
	while (rc != ERR_NONE && w.stale && ++tries < TRIES_MAX);
	if (rc == ERR_NONE)
		board_count_labelled(BOARD_HANDOUTS, (unsigned)(w.format - format_table));
	return rc;
}
