/* survey: whether the sources that logins name can be asked from this machine. */
#include "renew/survey.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/text.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "model/source.h"
#include "outbound/fetch.h"
#include "renew/ask.h"
#include "renew/program.h"
#include "renew/sources.h"
#include "store/store.h"

enum { SURVEY_ARENA = 64 * 1024 * 1024, SURVEY_PAGE = 200, SURVEY_HOSTS_MAX = 64 };

struct survey {
	struct store *store;
	const struct renew_settings *settings;
	FILE *out;
	struct arena *arena;
	const char *seen[SURVEY_HOSTS_MAX];
	size_t seen_count;
	bool good;
};

/* Lines hold texts of clients. */
static void
survey_tell(struct survey *s, bool good, const char *what, const char *which, const char *how)
{
	(void)fprintf(s->out, "%s: %s ", good ? "ok" : "problem", what);
	text_print_plain(s->out, which);
	(void)fputs(": ", s->out);
	text_print_plain(s->out, how);
	(void)fputc('\n', s->out);
	s->good = s->good && good;
}

/* Where the source is asked, if its configuration does not say that itself; NULL: nobody knows. */
static const char *
survey_usual(struct survey *s, const char *source, const struct json *config, const char *address)
{
	static const struct {
		const char *source, *url;
	} usual[] = {
		{"azure", "https://login.microsoftonline.com"},
		{"ecrPublic", "https://api.ecr-public.us-east-1.amazonaws.com"},
		{"github", "https://api.github.com"},
		{"google", "https://oauth2.googleapis.com"},
	};

	for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if (strcmp(usual[i].source, source) == 0)
			return usual[i].url;
	struct renewal r = {.arena = s->arena, .config = config, .address = address};
	return strcmp(source, "ecr") == 0 && address != NULL ? ecr_api(&r) : NULL;
}

static bool
survey_is_new(struct survey *s, const char *text)
{
	for (size_t i = 0; i < s->seen_count; i++)
		if (strcmp(s->seen[i], text) == 0)
			return false;
	if (s->seen_count == SURVEY_HOSTS_MAX)
		return false;
	s->seen[s->seen_count++] = text;
	return true;
}

/* Any answer will do. */
static void
survey_ask(struct survey *s, const struct json *config, const char *member, const char *url)
{
	struct renewal r = {.settings = s->settings,
			    .arena = s->arena,
			    .config = config,
			    .fetch = fetch_new(),
			    .now_ms = clock_wall_ms(),
			    .deadline_ms = clock_ms() + s->settings->timeout_ms};
	const struct ask q = {.url = ask_url(&r, member, url, "/")};
	struct ask_answer answer = {0};
	const char *host = source_text(config, member) != NULL ? source_text(config, member) : url;

	if (r.fetch == NULL || q.url == NULL) {
		survey_tell(s, false, "the source at", host,
			    r.message != NULL ? r.message : "out of memory");
	} else {
		enum renew_result result = ask(&r, &q, &answer);

		if (r.http_status == 0)
			survey_tell(s, false, "the source at", host, renew_result_sentence(result));
		else if (answer.skew_ms != 0)
			survey_tell(s, false, "the source at", host,
				    arena_printf(s->arena,
						 "its clock is %lld s %s the one of this server: "
						 "set this server's clock",
						 (long long)(answer.skew_ms < 0 ? -answer.skew_ms
										: answer.skew_ms) /
							 1000,
						 answer.skew_ms < 0 ? "behind" : "ahead of"));
		else
			survey_tell(s, true, "the source at", host, "it answers");
	}
	fetch_free(r.fetch);
}

static void
survey_program(struct survey *s, const struct json *config)
{
	const char *name = source_text(config, "program");
	struct program program;

	if (name != NULL && survey_is_new(s, arena_printf(s->arena, "exec %s", name)) &&
	    !program_find(s->settings->programs, name, &program))
		survey_tell(s, false, "the program", name,
			    "a login names it, and the setting refresh_programs does not list it");
}

static void
survey_login(struct survey *s, const struct record *row)
{
	static const char *const members[] = {"endpoint", "address", "authority"};
	const char *source = record_text(row, COL_SOURCE), *member = members[0];
	const char *text = record_text(row, COL_SOURCE_CONFIG), *address = NULL;
	struct record registry;
	struct json *config = NULL;
	struct error e = {0};

	if (json_parse(s->arena, text != NULL ? text : "{}", text != NULL ? strlen(text) : 2,
		       &config, &e) != ERR_NONE)
		return;
	if (strcmp(source, "exec") == 0) {
		survey_program(s, config);
		return;
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (source_text(config, members[i]) != NULL)
			member = members[i];
	if (row->columns[COL_REGISTRY_ID].type == VALUE_INT &&
	    store_get(s->store, s->arena, &family_storage_pool,
		      row->columns[COL_REGISTRY_ID].number, &owners_all, &registry) == STORE_OK)
		address = record_text(&registry, COL_SERVER_ADDRESS);
	const char *url = survey_usual(s, source, config, address);
	const char *where = source_text(config, member) != NULL ? source_text(config, member) : url;
	if (where != NULL && survey_is_new(s, where))
		survey_ask(s, config, member, url);
}

static void
survey_programs(struct survey *s)
{
	const char *list = s->settings->programs;
	struct program program;

	while (program_next(&list, &program)) {
		const char *why = program_distrust(s->arena, program.path);

		survey_tell(s, why == NULL, "the program", program.name,
			    why == NULL ? "it can be run" : why);
	}
}

static bool
survey_logins(struct survey *s)
{
	struct list_query q = {.family = &family_credential,
			       .owners = owners_all,
			       .condition_count = 1,
			       .columns = COL_BIT(COL_ID) | COL_BIT(COL_SOURCE) |
					  COL_BIT(COL_SOURCE_CONFIG) | COL_BIT(COL_REGISTRY_ID),
			       .sort = COL_ID,
			       .limit = SURVEY_PAGE};
	struct record_list list;

	q.conditions[0] = (struct condition){.column = COL_SOURCE, .op = OP_NOT_NULL};
	do {
		if (store_list(s->store, s->arena, &q, &list) != STORE_OK)
			return false;
		for (size_t i = 0; i < list.count; i++)
			survey_login(s, &list.items[i]);
		if (list.count > 0)
			q.from = (struct position){.set = true,
						   .id = record_id(&list.items[list.count - 1])};
	} while (list.more && list.count > 0);
	return !arena_failed(s->arena);
}

bool
renew_survey(struct store *store, const struct renew_settings *settings, FILE *out)
{
	struct survey s = {store, settings, out, arena_new(SURVEY_ARENA), {0}, 0, true};

	if (s.arena == NULL)
		return false;
	survey_programs(&s);
	if (!survey_logins(&s)) {
		(void)fprintf(out, "problem: the logins that have a source cannot be read\n");
		s.good = false;
	}
	arena_free(s.arena);
	return s.good;
}
