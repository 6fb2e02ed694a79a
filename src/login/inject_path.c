/* inject_path: parses what a request to a registry asks for, from its method, path and query. */
#include <string.h>
#include <strings.h>

#include "base/http.h"
#include "base/text.h"
#include "login/inject.h"
#include "registry/url.h"

enum { SEGMENTS_MAX = 260 /* of a path: a repository's name has 255 characters */ };

struct path {
	const char *segments[SEGMENTS_MAX];
	size_t count;
};

/* Accepts only paths that all programs read alike: no escapes, no empty segments except the last,
 * no dot segments. */
static bool
split(struct arena *a, const char *target, struct path *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-:=+@~";
	size_t len = strcspn(target, "?");

	if (strspn(target, plain) < len || target[0] != '/')
		return false;
	for (const char *at = target + 1, *end = target + len; at <= end;) {
		size_t part = strcspn(at, "/?");
		bool dots =
			(part == 1 && at[0] == '.') || (part == 2 && at[0] == '.' && at[1] == '.');

		if (dots || (part == 0 && at < end) || out->count == SEGMENTS_MAX)
			return false;
		out->segments[out->count++] = arena_copy(a, at, part);
		at += part + 1;
	}
	return !arena_failed(a);
}

static bool
is_at(const struct path *p, size_t from_end, const char *name)
{
	return p->count > from_end && strcmp(p->segments[p->count - 1 - from_end], name) == 0;
}

/* The endings of API paths after the repository's name: the word, and the number of segments from
 * there on. */
static size_t
tail(const struct path *p)
{
	// clang-format off
	static const struct { const char *word, *second; size_t len; } tails[] = {
		{ "blobs", "uploads", 3 }, /* an id, or "" after a final slash */
		{ "blobs", "uploads", 2 },
		{ "tags", "list", 2 },
		{ "manifests", NULL, 2 },
		{ "blobs", NULL, 2 },
		{ "referrers", NULL, 2 },
	};
	// clang-format on

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		size_t len = tails[i].len;

		if (is_at(p, len - 1, tails[i].word) &&
		    (tails[i].second == NULL || is_at(p, len - 2, tails[i].second)))
			return len;
	}
	return 0;
}

static const char *
join(struct arena *a, const struct path *p, size_t first, size_t end)
{
	const char *name = p->segments[first];

	for (size_t i = first + 1; i < end && name != NULL; i++)
		name = arena_printf(a, "%s/%s", name, p->segments[i]);
	return name;
}

static const char *
inject_actions_of(const char *method)
{
	static const struct {
		const char *method, *actions;
	} rows[] = {{"GET", "pull"},	  {"HEAD", "pull"},	  {"POST", "pull,push"},
		    {"PUT", "pull,push"}, {"PATCH", "pull,push"}, {"DELETE", "delete"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].method, method) == 0)
			return rows[i].actions;
	return NULL;
}

/* Registries also read parameters from a form, so forms are refused. */
static bool
is_form(struct arena *a, const struct wish *wish)
{
	static const char *const forms[] = {"application/x-www-form-urlencoded",
					    "multipart/form-data"};
	const char *type = http_media_type(a, wish->content_type);

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (type == NULL || strcmp(type, forms[i]) == 0)
			return true;
	return false;
}

/* Whether the registry API has a parameter of this name. During an upload other parameters, chosen
 * by the registry, are allowed, except any that could be read as `mount` or `from`. */
static bool
is_query_name(const char *name, bool upload)
{
	static const char *const names[] = {"mount", "from", "digest",	     "digest-algorithm",
					    "n",     "last", "artifactType", "ns"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return upload && strncasecmp(name, "mount", 5) != 0 && strncasecmp(name, "from", 4) != 0;
}

/* ?mount=…&from=… mounts a blob from another repository. */
static const char *
read_query(struct arena *a, const char *query, bool upload, struct registry_request *out)
{
	static const char other[] =
		"The query is not part of the registry API: send only the registry's own requests.";
	struct pairs pairs = {0};
	struct error e = {0};

	if (query == NULL)
		return NULL;
	if (strchr(query, ';') != NULL ||
	    http_form_parse(a, query + 1, strlen(query + 1), &pairs, &e) != ERR_NONE)
		return other;
	for (size_t i = 0; i < pairs.count; i++) {
		if (out->repository != NULL && !is_query_name(pairs.items[i].name, upload))
			return other;
		if (strcmp(pairs.items[i].name, "from") != 0)
			continue;
		if (out->from != NULL || registry_path_check(pairs.items[i].value) != NULL)
			return "The repository to mount from is not a valid name: correct it.";
		out->from = pairs.items[i].value;
	}
	return NULL;
}

/* Splits a path at the mark: before it the API's path; after it a word, and the location that the
 * client claims to be from the registry. */
static bool
split_mark(struct arena *a, const char *target, const char *mark, struct registry_request *out)
{
	static const char uploads[] = "/blobs/uploads";
	const char *word = mark + strlen(INJECT_MARK);
	size_t len = (size_t)(mark - target), word_len = strcspn(word, "/?");
	bool upload = len > strlen(uploads) &&
		      strncmp(mark - strlen(uploads), uploads, strlen(uploads)) == 0;

	out->path = arena_printf(a, "%.*s%s", (int)len, target, upload ? "/" : "");
	out->word = arena_copy(a, word, word_len);
	out->named = arena_copy(a, word + word_len, strcspn(word + word_len, "?"));
	out->query = strchr(word, '?');
	return word_len > 0 && !arena_failed(a);
}

static const char *
read_path(struct arena *a, struct registry_request *out)
{
	static const char other[] =
		"The path is not part of the registry API: send only the registry's own requests.";
	struct path *p = arena_alloc(a, sizeof(*p));

	if (p == NULL || !split(a, out->path, p) || strcmp(p->segments[0], "v2") != 0)
		return other;
	if (p->count == 1 || (p->count == 2 && *p->segments[1] == '\0'))
		return NULL;
	if (p->count == 2 && strcmp(p->segments[1], "_catalog") == 0) {
		out->catalog = true;
		return NULL;
	}
	size_t len = tail(p);
	if (len == 0 || p->count < len + 2 || (len == 2 && *p->segments[p->count - 1] == '\0'))
		return other;
	out->repository = join(a, p, 1, p->count - len);
	if (out->repository == NULL || registry_path_check(out->repository) != NULL)
		return other;
	out->begins_upload = len == 3 && *p->segments[p->count - 1] == '\0';
	out->in_upload = len == 3 && !out->begins_upload;
	return NULL;
}

const char *
inject_read(struct arena *a, const struct wish *wish, struct registry_request *out)
{
	const char *mark = strstr(wish->target, INJECT_MARK);

	*out = (struct registry_request){.actions = inject_actions_of(wish->method),
					 .path = wish->target,
					 .query = strchr(wish->target, '?')};
	if (out->actions == NULL)
		return "The method is not part of the registry API: send only the registry's own "
		       "requests.";
	if (is_form(a, wish))
		return "The registry API has no forms: send only the registry's own requests.";
	if (mark != NULL && (out->query == NULL || mark < out->query) &&
	    !split_mark(a, wish->target, mark, out))
		return "The path is not one that this server gave out: start the request again.";
	const char *why = read_path(a, out);
	if (why != NULL || out->word != NULL)
		return why;
	return read_query(a, out->query, out->in_upload, out);
}
