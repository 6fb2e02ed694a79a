/* audit: the commands for the audit log. */
#include "cli/audit.h"

#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/exit.h"
#include "base/text.h"
#include "cli/session.h"
#include "model/date.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

static int
fail_audit(enum store_rc rc)
{
	return session_fail(rc == STORE_ABORTED ? "interrupted"
			    : rc == STORE_FULL	? "the disk is full"
						: "the audit log cannot be read or written; see "
						  "`regcred audit verify`");
}

int
command_audit_head(struct session *s)
{
	struct audit_anchor head;
	enum store_rc rc = audit_head(s->context.store, s->context.ring, &head);

	if (rc != STORE_OK)
		return fail_audit(rc);
	if (head.id == 0)
		return session_fail("nothing was recorded yet");
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

int
command_audit_verify(struct session *s)
{
	const char *anchor = session_option(s->arguments, "anchor", NULL);
	struct audit_check check = {.store = s->context.store,
				    .ring = s->context.ring,
				    .stopped = stop_was_asked,
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

int
command_audit_restart(struct session *s)
{
	enum { REASON_MAX = 255 };
	const char *reason = session_option(s->arguments, "reason", "");

	if (*reason == '\0' || strlen(reason) > REASON_MAX ||
	    !http_utf8_valid(reason, strlen(reason)))
		return session_fail("why? say so with --reason, in at most 255 bytes of UTF-8");
	enum store_rc rc = audit_restart(s->context.store, s->context.ring, &s->context.actor,
					 reason, s->context.now_ms);
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

int
command_audit_list(struct session *s)
{
	static const struct {
		const char *option;
		enum column column;
	} filters[] = {{"resource", COL_RESOURCE_ID}, {"event", COL_EVENT_TYPE}};
	struct list_request request = {.list = {.limit = LIMIT_DEFAULT, .descending = true}};
	struct record_list rows = {.more = true};
	const char *count = session_option(s->arguments, "limit", NULL);
	size_t left = count != NULL ? session_read_count(count, SIZE_MAX) : SIZE_MAX;
	bool json = session_option(s->arguments, "json", NULL) != NULL;
	struct error e = {0};

	if (left == 0)
		return session_fail("--limit must be a whole number");
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		const char *value = session_option(s->arguments, filters[i].option, NULL);

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
			return session_fail_error(&e);
		for (size_t i = 0; i < rows.count && left > 0; i++, left--) {
			if (!json)
				print_audit_row(s, &rows.items[i]);
			else if (!print_json(s, &rows.items[i]))
				return session_fail("there is no memory");
		}
		if (rows.count > 0)
			request.list.from = (struct position){
				.set = true, .id = record_id(&rows.items[rows.count - 1])};
	}
	return EXIT_OK;
}
