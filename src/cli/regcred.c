/* cli: the `regcred` command: administration on the machine that holds the database and the key.
 *
 * Whoever can read both can do everything; the command therefore acts as superadmin, through the
 * same operations as the API.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/app.h"
#include "audit/audit.h"
#include "service/backup.h"
#include "client/cli_client.h"
#include "base/disk.h"
#include "base/harden.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "nginx_check/nginx_check.h"
#include "service/rekey.h"
#include "api/repr.h"
#include "service/status.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, WORDS_MAX = 4, OPTIONS_MAX = 8 };

/* A command line behind the settings: words and --name value pairs. */
struct arguments {
	const char *words[WORDS_MAX];
	size_t word_count;
	struct {
		const char *name, *value;
	} options[OPTIONS_MAX];
	size_t option_count;
};

/* What a command works with. */
struct session {
	const struct settings *settings;
	const struct arguments *arguments;
	struct app *app;
	struct arena *arena;
	struct identity identity;
	struct context context;
};

static const char *
option(const struct arguments *arguments, const char *name, const char *fallback)
{
	for (size_t i = 0; i < arguments->option_count; i++)
		if (strcmp(arguments->options[i].name, name) == 0)
			return arguments->options[i].value;
	return fallback;
}

static int
fail(const char *what)
{
	(void)fprintf(stderr, "regcred: %s\n", what);
	return EXIT_FAILED;
}

/* An error of the API, for people. */
static int
fail_error(const struct error *e)
{
	(void)fprintf(stderr, "regcred: %s%s%s%s%s\n", err_code(e->code),
		      e->field != NULL ? ": " : "", e->field != NULL ? e->field : "",
		      e->detail != NULL ? ": " : "", e->detail != NULL ? e->detail : "");
	return EXIT_FAILED;
}

static int
command_init(struct session *s)
{
	char why[CONFIG_WHY_MAX];
	const struct settings *settings = s->settings;
	bool fresh = access(settings->key_file, F_OK) != 0;

	if (mkdir(settings->state_dir, 0700) != 0 && errno != EEXIST) {
		(void)fprintf(stderr, "regcred: cannot make %s: %s\n", settings->state_dir,
			      strerror(errno));
		return EXIT_FAILED;
	}
	/* A new key for an old database would lose every secret in it. */
	if (fresh && access(settings->database, F_OK) == 0)
		return fail("there is a database but no master key: put the key file back, or name "
			    "it with --key-file");
	if (!secret_init())
		return fail("libsodium does not start");
	if ((fresh && !keyring_create(settings->key_file, why)) ||
	    !app_prepare(settings, PREPARE_CREATE, why))
		return fail(why);
	(void)printf("%s %s\n", fresh ? "made" : "kept", settings->key_file);
	(void)printf("ready: %s\n", settings->database);
	if (fresh)
		(void)printf("Keep a copy of the key file in a safe place: without it no stored "
			     "secret can be read.\n");
	return EXIT_OK;
}

/* "90d" and "12h" from now on; anything else as it is. */
static const char *
date_of(struct session *s, const char *text)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'d', INT64_C(86400000)}, {'h', INT64_C(3600000)}};
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 6 || text[digits] == '\0' || text[digits + 1] != '\0')
		return text;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].unit == text[digits])
			return arena_printf(s->arena, "%lld",
					    (long long)(s->context.now_ms +
							strtoll(text, NULL, 10) * units[i].ms));
	return text;
}

static struct json *
body_of(struct session *s)
{
	static const char *const fields[][2] = {
		{"account", "accountId"},	{"name", "name"},
		{"description", "description"}, {"kind", "kind"},
		{"expires", "expires"},		{"role", "role"},
		{"networks", "networks"},	{"proxy-user", "externalId"}};
	struct json *body = json_object(s->arena);

	for (size_t i = 0; body != NULL && i < sizeof(fields) / sizeof(*fields); i++) {
		const char *value = option(s->arguments, fields[i][0], NULL);

		if (value != NULL && strcmp(fields[i][0], "expires") == 0)
			value = date_of(s, value);
		if (value != NULL && !http_utf8_valid(value, strlen(value)))
			return NULL;
		if (value != NULL)
			(void)json_add_string(s->arena, body, fields[i][1], value);
	}
	if (body != NULL && option(s->arguments, "proxy-user", NULL) != NULL)
		(void)json_add_string(s->arena, body, "externalIdType", STORE_PROXY_TYPE);
	return body;
}

static int
create(struct session *s, const char *type, struct record *row, const char **secret)
{
	struct error e = {0};
	struct json *body = body_of(s);

	if (body == NULL)
		return fail("an option is not valid UTF-8");
	if (resource_create(&s->context, type_find(type), body, row, secret, &e) != ERR_NONE)
		return fail_error(&e);
	return EXIT_OK;
}

static int
command_key_create(struct session *s)
{
	struct record row;
	const char *secret = NULL;

	if (option(s->arguments, "account", NULL) == NULL)
		return fail("whose key? name the account, for example --account 1a5");
	int status = create(s, "apiKey", &row, &secret);
	if (status == EXIT_OK)
		(void)printf("REGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n",
			     record_text(&row, COL_PUBLIC_VALUE), secret);
	return status;
}

static int
command_account_add(struct session *s)
{
	struct record row;
	const char *secret = NULL;
	int status = create(s, "account", &row, &secret);

	if (status == EXIT_OK)
		(void)printf("%s\n", id_format(s->arena, row.type->family, record_id(&row)));
	return status;
}

/* Text for a terminal: nothing that could move the cursor. */
static void
print_column(const char *text, int width)
{
	char plain[128];
	size_t n = 0;

	for (const char *p = text != NULL ? text : "-"; *p != '\0' && n + 1 < sizeof(plain); p++) {
		bool c1 = p[0] == '\xc2' &&
			  (unsigned char)p[1] < 0xa0; /* controls of U+0080 to U+009F */

		plain[n++] = (unsigned char)*p < 0x20 || *p == 0x7f || c1 ? '?' : *p;
		p += c1;
	}
	plain[n] = '\0';
	(void)printf("%-*s  ", width, plain);
}

static void
print_date(const struct record *row, enum column column)
{
	char text[21] = "-";

	if (row->columns[column].type == VALUE_INT)
		date_format(row->columns[column].number, text);
	print_column(text, 20);
}

static void
print_row(struct session *s, const struct record *row)
{
	print_column(id_format(s->arena, row->type->family, record_id(row)), 8);
	if (row->columns[COL_ACCOUNT_ID].type == VALUE_INT) {
		print_column(
			id_format(s->arena, &family_account, row->columns[COL_ACCOUNT_ID].number),
			8);
		print_column(record_text(row, COL_PUBLIC_VALUE), 20);
	} else {
		print_column(record_text(row, COL_KIND), 12);
	}
	print_column(record_text(row, COL_STATE), 10);
	print_date(row, COL_CREATED);
	if ((row->type->flags & TYPE_API_KEY) != 0) {
		print_date(row, COL_EXPIRES);
		print_date(row, COL_LAST_USED);
		print_column(record_text(row, COL_LAST_ADDRESS), 15);
		print_column(record_text(row, COL_ROLE), 8);
	}
	print_column(record_text(row, COL_NAME), 0);
	(void)putchar('\n');
}

/* Lists everything, page after page. */
static int
list(struct session *s, const char *type_id)
{
	struct list_request request = {.all = true, .paged = true};
	struct record_list rows = {.more = true};
	struct error e = {0};

	request.list.limit = LIMIT_MAX;
	while (rows.more) {
		if (resource_list(&s->context, type_find(type_id), &request, &rows, &e) != ERR_NONE)
			return fail_error(&e);
		for (size_t i = 0; i < rows.count; i++)
			print_row(s, &rows.items[i]);
		if (rows.count > 0)
			request.list.from = (struct position){
				.set = true, .id = record_id(&rows.items[rows.count - 1])};
		arena_reset(s->arena);
	}
	return EXIT_OK;
}

static int
command_key_list(struct session *s)
{
	return list(s, "apiKey");
}

static int
command_account_list(struct session *s)
{
	return list(s, "account");
}

/* The id of a key that is named by its id or its access key; NULL if there is none. */
static const char *
find_key_id(struct session *s, const char *name)
{
	struct record key, account;
	int64_t id;

	if (id_parse(&family_credential, name, &id))
		return name;
	if (store_find_key(s->context.store, s->arena, name, &key, &account) != STORE_OK)
		return NULL;
	return id_format(s->arena, &family_credential, record_id(&key));
}

static int
command_key_revoke(struct session *s)
{
	static const char *const actions[] = {"deactivate", "remove", NULL};
	const struct resource_type *type = type_find("apiKey");
	struct json *body = json_object(s->arena);
	struct record row;
	struct record_list members;
	struct error e = {0};
	const char *id =
		s->arguments->word_count > 2 ? find_key_id(s, s->arguments->words[2]) : NULL;

	if (id == NULL)
		return fail("which key? give its id (1c12) or its access key as `regcred key list` "
			    "prints them");
	if (resource_read(&s->context, type, id, &row, &e) != ERR_NONE)
		return fail_error(&e);
	for (size_t i = 0; actions[i] != NULL; i++) {
		e = (struct error){0};
		enum err rc = resource_action(&s->context, type, id, actions[i], body, &row,
					      &members, &e);
		if (rc != ERR_NONE && rc != ERR_ACTION_NOT_AVAILABLE)
			return fail_error(&e);
	}
	(void)printf("revoked %s\n", id);
	return EXIT_OK;
}

static int
command_sweep(struct session *s)
{
	app_run_checks(s->app);
	return app_sweep(s->app, NULL, NULL) ? EXIT_OK : fail("the pass did not end; see the log");
}

static int
command_status(struct session *s)
{
	return (int)status_report(s->settings, option(s->arguments, "json", NULL) != NULL, stdout);
}

/* Names what is wrong with an nginx configuration; NULL for none. */
static int
check_nginx(const char *path)
{
	struct nginx_report report;
	char why[CONFIG_WHY_MAX];

	if (path == NULL)
		return EXIT_OK;
	if (!nginx_check(path, HTTP_BODY_MAX, stdout, &report, why, sizeof(why)))
		return fail(why);
	(void)printf("%s: %zu problems, %zu warnings\n", path, report.problems, report.warnings);
	return report.problems == 0 ? EXIT_OK : EXIT_FAILED;
}

static volatile sig_atomic_t stop_asked;

static void
on_stop(int number)
{
	(void)number;
	stop_asked = 1;
}

static bool
is_stopped(void)
{
	return stop_asked != 0;
}

/* The first signal ends the work between two steps, a second one at once, which does no harm
 * either.
 */
static void
stop_on_signals(void)
{
	struct sigaction action = {.sa_handler = on_stop,
				   /* the header has it as an unsigned number */
				   .sa_flags = (int)SA_RESETHAND | SA_RESTART};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

/* A whole number from 1 to max; 0 for anything else. */
static size_t
read_count(const char *text, size_t max)
{
	enum { DIGITS_MAX = 9 };
	size_t value = 0, len = strlen(text);

	if (len == 0 || len > DIGITS_MAX || strspn(text, "0123456789") != len)
		return 0;
	for (const char *p = text; *p != '\0'; p++)
		value = value * 10 + (size_t)(*p - '0');
	return value <= max ? value : 0;
}

static int
command_rekey(struct session *s)
{
	const char *batch = option(s->arguments, "batch", NULL);
	char why[SECRET_WHY_MAX];
	struct rekey r = {.store = s->context.store,
			  .ring = s->context.ring,
			  .key_file = s->settings->key_file,
			  .batch = batch != NULL ? read_count(batch, REKEY_BATCH_MAX)
						 : REKEY_BATCH_DEFAULT,
			  .stop = &stop_asked,
			  .out = stdout,
			  .progress = stderr};

	if (r.batch == 0) {
		(void)fprintf(stderr, "regcred: --batch must be a whole number from 1 to %d\n",
			      REKEY_BATCH_MAX);
		return EXIT_USAGE;
	}
	stop_on_signals();
	if (!rekey_run(&r, why)) {
		(void)fflush(stdout);
		return fail(why);
	}
	(void)printf("Keep a copy of the new key file %s in a safe place: older copies cannot open "
		     "this database any more.\n",
		     s->settings->key_file);
	return EXIT_OK;
}

/* One line for each key that the file has or that a value names. */
static int
print_keys(const struct session *s)
{
	struct sealing_key keys[KEYRING_MAX];
	struct key_rows rows[KEY_ROWS_MAX];
	size_t key_count = keyring_sealing(s->context.ring, keys), count = 0;
	int status = EXIT_OK;

	if (rekey_count(s->context.store, rows, &count) != STORE_OK)
		return fail("the sealed values cannot be counted");
	for (size_t k = 0; k < key_count; k++) {
		long long sealed = 0;

		for (size_t i = 0; i < count; i++)
			if (rows[i].id == keys[k].id)
				sealed = (long long)rows[i].rows;
		(void)printf("key %u%s: %lld sealed values\n", keys[k].id,
			     keys[k].primary ? " (primary)" : "", sealed);
	}
	for (size_t i = 0; i < count; i++) {
		bool known = false;

		for (size_t k = 0; k < key_count; k++)
			known = known || keys[k].id == rows[i].id;
		if (known)
			continue;
		(void)printf(
			"key %lld (NOT IN THE FILE): %lld sealed values that nobody can open\n",
			(long long)rows[i].id, (long long)rows[i].rows);
		status = EXIT_FAILED;
	}
	if (key_count > 1)
		(void)printf("a rotation is under way: end it with `regcred rekey`\n");
	return status;
}

/* Like the other commands, but only after the check has said what is wrong. */
static int
check_sealed(struct session *s)
{
	char why[CONFIG_WHY_MAX];

	s->app = app_new(s->settings, why);
	if (s->app == NULL)
		return fail(why);
	app_local(s->app, s->arena, &s->identity, &s->context);
	return print_keys(s);
}

static int
copy_or_restore(struct session *s, bool (*work)(const struct backup *b, char why[CONFIG_WHY_MAX]))
{
	char why[CONFIG_WHY_MAX];
	const struct backup b = {.settings = s->settings,
				 .file = s->arguments->word_count > 1 ? s->arguments->words[1]
								      : NULL,
				 .force = option(s->arguments, "force", NULL) != NULL,
				 .stop = &stop_asked,
				 .out = stdout,
				 .progress = stderr};

	if (b.file == NULL)
		return fail("which file?");
	stop_on_signals();
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit is an error like a full disk */
	return work(&b, why) ? EXIT_OK : fail(why);
}

static int
command_backup(struct session *s)
{
	return copy_or_restore(s, backup_make);
}

static int
command_restore(struct session *s)
{
	return copy_or_restore(s, backup_restore);
}

/* What the database has, where it lies, and what the next start makes of it. */
static void
print_journal(const struct session *s)
{
	static const char *const names[] = {"rollback", "write-ahead log"};
	const char *network = disk_network(s->settings->database);
	bool wal = store_has_wal(s->context.store), wanted = app_wants_wal(s->settings);

	(void)printf("journal: %s", names[wal]);
	if (network != NULL)
		(void)printf(", on the network file system %s", network);
	if (wal != wanted)
		(void)printf("; the next start of regcredd, or `regcred init`, makes it %s",
			     names[wanted]);
	(void)printf("\n");
}

static int
command_check(struct session *s)
{
	char why[CONFIG_WHY_MAX];

	if (!app_prepare(s->settings, PREPARE_CHECK, why))
		return fail(why);
	(void)printf("ok: %s opens with %s\n", s->settings->database, s->settings->key_file);
	int status = check_sealed(s);
	if (s->app != NULL)
		print_journal(s);
	int nginx = check_nginx(option(s->arguments, "nginx", NULL));
	return status != EXIT_OK ? status : nginx;
}

static int
fail_audit(enum store_rc rc)
{
	return fail(rc == STORE_ABORTED ? "interrupted"
		    : rc == STORE_FULL	? "the disk is full"
					: "the audit log cannot be read or written; see "
					  "`regcred audit verify`");
}

static int
command_audit_head(struct session *s)
{
	struct audit_anchor head;
	enum store_rc rc = audit_head(s->context.store, s->context.ring, &head);

	if (rc != STORE_OK)
		return fail_audit(rc);
	if (head.id == 0)
		return fail("nothing was recorded yet");
	(void)printf("%lld:%s\n", (long long)head.id, head.hash);
	return EXIT_OK;
}

static void
print_report(const struct audit_report *r)
{
	char since[21];

	if (r->since_ms == 0) {
		(void)printf("nothing was recorded yet\n");
		return;
	}
	date_format(r->since_ms, since);
	(void)printf("right: rows %lld to %lld\n", (long long)r->first_id, (long long)r->last_id);
	if (r->reason[0] != '\0')
		(void)printf("provable from %s on: what was before was given up: %s\n", since,
			     r->reason);
	else
		(void)printf("provable from %s on%s\n", since,
			     r->cut ? ": older rows were cut off by audit_keep_s" : "");
	if (r->note[0] != '\0')
		(void)printf("note: %s\n", r->note);
}

static int
command_audit_verify(struct session *s)
{
	const char *anchor = option(s->arguments, "anchor", NULL);
	struct audit_check check = {.store = s->context.store,
				    .ring = s->context.ring,
				    .stopped = is_stopped,
				    .progress = stderr};
	struct audit_report report;

	if (anchor != NULL && !audit_anchor_parse(anchor, &check.anchor)) {
		(void)fprintf(stderr, "regcred: --anchor must be a line of `regcred audit head`\n");
		return EXIT_USAGE;
	}
	stop_on_signals();
	enum store_rc rc = audit_verify(&check, &report);
	if (rc != STORE_OK)
		return fail_audit(rc);
	if (report.problem[0] != '\0') {
		(void)printf("WRONG: %s\n", report.problem);
		if (report.rows > 0)
			(void)printf("right before that: rows %lld to %lld\n",
				     (long long)report.first_id, (long long)report.last_id);
		return EXIT_FAILED;
	}
	print_report(&report);
	return EXIT_OK;
}

static int
command_audit_restart(struct session *s)
{
	enum { REASON_MAX = 255 };
	const char *reason = option(s->arguments, "reason", "");
	const struct audit_who who = {.account_id = s->identity.user_id,
				      .via = s->identity.via,
				      .request_id = s->context.request_id};

	if (*reason == '\0' || strlen(reason) > REASON_MAX ||
	    !http_utf8_valid(reason, strlen(reason)))
		return fail("why? say so with --reason, in at most 255 bytes of UTF-8");
	enum store_rc rc =
		audit_restart(s->context.store, s->context.ring, &who, reason, s->context.now_ms);
	if (rc != STORE_OK)
		return fail_audit(rc);
	(void)printf("the audit log begins anew; what was before stays, and is not provable\n");
	return EXIT_OK;
}

static void
print_audit_row(struct session *s, const struct record *row)
{
	const struct value *actor = &row->columns[COL_ACTOR_ID];
	const char *who = record_text(row, COL_PROXY_USER);

	if (who == NULL && actor->type == VALUE_INT)
		who = id_format(s->arena, &family_account, actor->number);
	if (who == NULL)
		who = record_text(row, COL_PUBLIC_VALUE);
	print_column(id_format(s->arena, row->type->family, record_id(row)), 8);
	print_date(row, COL_CREATED);
	print_column(who != NULL ? who : record_text(row, COL_AUTH_TYPE), 12);
	print_column(record_text(row, COL_CLIENT_IP), 15);
	print_column(record_text(row, COL_EVENT_TYPE), 13);
	print_column(record_text(row, COL_RESOURCE_TYPE), 18);
	print_column(record_text(row, COL_RESOURCE_ID), 8);
	if (row->columns[COL_ATTEMPTS].number > 1)
		(void)printf("%lld times  ", (long long)row->columns[COL_ATTEMPTS].number);
	print_column(record_text(row, COL_CHANGES), 0);
	(void)putchar('\n');
}

/* A resource in a line, as the API shows it. */
static bool
print_json(struct session *s, const struct record *row)
{
	const struct pairs no_query = {0};
	const struct view view = {.context = &s->context,
				  .root = "/v1",
				  .scope = "/v1",
				  .page = "",
				  .query = &no_query};
	struct json_out w;
	size_t len;

	json_out_init(&w, s->arena);
	repr_resource(&w, &view, row, NULL, NULL);
	const char *text = json_out_text(&w, &len);
	if (text != NULL)
		(void)puts(text);
	return text != NULL;
}

/* Newest first, page after page. */
static int
command_audit_list(struct session *s)
{
	static const struct {
		const char *option;
		enum column column;
	} filters[] = {{"resource", COL_RESOURCE_ID}, {"event", COL_EVENT_TYPE}};
	struct list_request request = {.list = {.limit = LIMIT_DEFAULT, .descending = true}};
	struct record_list rows = {.more = true};
	const char *count = option(s->arguments, "limit", NULL);
	size_t left = count != NULL ? read_count(count, SIZE_MAX) : SIZE_MAX;
	bool json = option(s->arguments, "json", NULL) != NULL;
	struct error e = {0};

	if (left == 0)
		return fail("--limit must be a whole number");
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		const char *value = option(s->arguments, filters[i].option, NULL);

		if (value != NULL)
			request.list.conditions[request.list.condition_count++] =
				(struct condition){.column = filters[i].column,
						   .op = OP_EQ,
						   .value = value_text(value)};
	}
	while (rows.more && left > 0) {
		arena_reset(s->arena);
		if (resource_list(&s->context, type_find("auditLog"), &request, &rows, &e) !=
		    ERR_NONE)
			return fail_error(&e);
		for (size_t i = 0; i < rows.count && left > 0; i++, left--) {
			if (!json)
				print_audit_row(s, &rows.items[i]);
			else if (!print_json(s, &rows.items[i]))
				return fail("there is no memory");
		}
		if (rows.count > 0)
			request.list.from = (struct position){
				.set = true, .id = record_id(&rows.items[rows.count - 1])};
	}
	return EXIT_OK;
}

/* clang-format off */
static const struct command {
	const char *first, *second;
	int (*run)(struct session *s);
	bool opens;              /* needs database and key */
	const char *options[7];  /* that it takes */
	const char *help;
} commands[] = {
	{ "init",    NULL,     command_init,         false, { NULL },                                   "make state directory, master key and database" },
	{ "key",     "create", command_key_create,   true,  { "account", "name", "description", "expires", "role", "networks", NULL }, "make an API key of an account and print it once" },
	{ "key",     "list",   command_key_list,     true,  { NULL },                                   "list the API keys: id, account, access key, state, created, expires, last used, from, role, name" },
	{ "key",     "revoke", command_key_revoke,   true,  { NULL },                                   "deactivate and remove a key: its id or access key" },
	{ "account", "add",    command_account_add,  true,  { "kind", "name", "description", "proxy-user", NULL }, "add an account (user, admin, project, ...) and print its id" },
	{ "account", "list",   command_account_list, true,  { NULL },                                   "list the accounts: id, kind, state, created, name" },
	{ "sweep",   NULL,     command_sweep,        true,  { NULL },                                   "purge and delete what is due: for CGI alone; regcredd does it by itself" },
	{ "status",  NULL,     command_status,       false, { "json", NULL },                           "say how pool, database and housekeeper stand; exit status 1 if something is wrong, 3 if no pool runs" },
	{ "rekey",   NULL,     command_rekey,        true,  { "batch", NULL },                          "replace the key that seals secrets while regcredd runs; goes on with a rotation that was interrupted" },
	{ "audit",   "list",   command_audit_list,   true,  { "resource", "event", "limit", "json", NULL }, "print the audit log, newest first: id, time, who, from where, what, of what, changes" },
	{ "audit",   "verify", command_audit_verify, true,  { "anchor", NULL },                         "prove that no row of the audit log was altered, removed or added; names the first that was" },
	{ "audit",   "head",   command_audit_head,   true,  { NULL },                                   "print number and hash of its last row, to be kept elsewhere for --anchor" },
	{ "audit",   "restart", command_audit_restart, true, { "reason", NULL },                        "begin the audit log anew behind one that cannot be proven or continued" },
	{ "backup",  NULL,     command_backup,       false, { "force", NULL },                          "copy the database to a file while regcredd runs, and prove the copy" },
	{ "restore", NULL,     command_restore,      false, { NULL },                                   "put a copy in place of the database, which is kept, while nothing runs" },
	{ "check",   NULL,     command_check,        false, { "nginx", NULL },                          "read the configuration, open the database with the key, count what each key has sealed; look through an nginx configuration for mistakes" },
};
/* clang-format on */

/* Options that stand alone. */
static bool
is_flag(const char *name)
{
	return strcmp(name, "json") == 0 || strcmp(name, "force") == 0;
}

static void
usage(FILE *out)
{
	(void)fprintf(out, "usage: regcred [SETTING]... COMMAND [OPTION]...\n\ncommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		(void)fprintf(out, "  %s%s%s", c->first, c->second != NULL ? " " : "",
			      c->second != NULL ? c->second : "");
		for (size_t j = 0; c->options[j] != NULL; j++)
			(void)fprintf(out, " [--%s%s]", c->options[j],
				      is_flag(c->options[j]) ? "" : " TEXT");
		(void)fprintf(out, "%s\n      %s\n",
			      c->run == command_key_revoke			      ? " ID"
			      : c->run == command_backup || c->run == command_restore ? " FILE"
										      : "",
			      c->help);
	}
	cli_client_help(out);
	(void)fprintf(out, "\nsettings:\n");
	config_help(out);
}

static const struct command *
find_command(const struct arguments *arguments)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		if (arguments->word_count == 0 || strcmp(c->first, arguments->words[0]) != 0)
			continue;
		if (c->second == NULL ||
		    (arguments->word_count > 1 && strcmp(c->second, arguments->words[1]) == 0))
			return c;
	}
	return NULL;
}

static bool
takes(const struct command *command, const char *name)
{
	for (size_t i = 0; command->options[i] != NULL; i++)
		if (strcmp(command->options[i], name) == 0)
			return true;
	return false;
}

/* One argument that is no setting; false if it fits nowhere. */
static bool
read_argument(struct arguments *out, int argc, char **argv, int *arg)
{
	char *word = argv[*arg];

	if (strncmp(word, "--", 2) != 0) {
		if (out->word_count == WORDS_MAX)
			return false;
		out->words[out->word_count++] = word;
		(*arg)++;
		return true;
	}
	char *value = strchr(word, '=');
	if (value == NULL && is_flag(word + 2)) {
		if (out->option_count == OPTIONS_MAX)
			return false;
		out->options[out->option_count].name = word + 2;
		out->options[out->option_count++].value = word;
		(*arg)++;
		return true;
	}
	if (out->option_count == OPTIONS_MAX || (value == NULL && *arg + 1 >= argc))
		return false;
	if (value != NULL)
		*value++ = '\0';
	else
		value = argv[++*arg];
	out->options[out->option_count].name = word + 2;
	out->options[out->option_count++].value = value;
	(*arg)++;
	return true;
}

static bool
is_word(const struct arguments *arguments, const char *a, const char *b)
{
	for (size_t i = 0; i < arguments->word_count; i++)
		if (strcmp(arguments->words[i], a) == 0 || strcmp(arguments->words[i], b) == 0)
			return true;
	return false;
}

static int
run(const struct command *command, struct session *s)
{
	char why[CONFIG_WHY_MAX];
	int status = EXIT_FAILED;

	s->arena = arena_new(APP_ARENA_MAX);
	if (s->arena == NULL)
		return fail("there is no memory");
	if (command->opens && (s->app = app_new(s->settings, why)) == NULL) {
		(void)fail(why);
	} else {
		if (command->opens)
			app_local(s->app, s->arena, &s->identity, &s->context);
		status = command->run(s);
	}
	app_free(s->app);
	arena_free(s->arena);
	if (fflush(stdout) != 0)
		status = fail("the output could not be written");
	return status;
}

int
main(int argc, char **argv)
{
	static struct settings settings;
	struct arguments arguments = {0};
	char why[CONFIG_WHY_MAX];
	int arg = 1;

	(void)umask(0077);
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return EXIT_OK;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		(void)printf("regcred %s\n", REGCRED_VERSION);
		return EXIT_OK;
	}
	if (cli_client_knows(argc, argv))
		return cli_client_run(argc, argv);
	/* Settings may stand before and behind the command: what is left over goes through the
	 * loader at once. */
	char *settings_argv[2 * OPTIONS_MAX + 64] = {argv[0]};
	int settings_argc = 1;
	while (arg < argc) {
		int before = arg;
		bool takes_next = false;

		if (settings_argc + 2 > (int)(sizeof(settings_argv) / sizeof(*settings_argv)))
			return fail("there are too many options");
		if (config_is_option(argv[arg], &takes_next)) {
			settings_argv[settings_argc++] = argv[arg++];
			if (takes_next && arg < argc)
				settings_argv[settings_argc++] = argv[arg++];
		} else if (!read_argument(&arguments, argc, argv, &arg)) {
			(void)fprintf(stderr, "regcred: cannot use `%s`; see regcred --help\n",
				      argv[before]);
			return EXIT_USAGE;
		}
	}
	const struct command *command = find_command(&arguments);
	if (command == NULL || is_word(&arguments, "--help", "-h")) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < arguments.option_count; i++)
		if (!takes(command, arguments.options[i].name)) {
			(void)fprintf(stderr,
				      "regcred: `%s` takes no option --%s; see regcred --help\n",
				      command->first, arguments.options[i].name);
			return EXIT_USAGE;
		}
	arg = 1;
	if (!config_load(&settings, settings_argc, settings_argv, &arg, why)) {
		(void)fail(why);
		return EXIT_USAGE;
	}
	log_set_level(settings.log_level == LOG_DEBUG ? LOG_DEBUG : LOG_WARN);
	if (!harden_dumps(settings.core_dumps))
		return EXIT_FAILED;
	struct session session = {.settings = &settings, .arguments = &arguments};
	return run(command, &session);
}
