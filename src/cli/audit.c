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
		return session_fail("nothing has been recorded yet");
	(void)printf("%lld:%s\n", (long long)head.id, head.hash);
	return EXIT_OK;
}

static void
print_report(const struct audit_report *r)
{
	char since[21];

	if (r->since_ms == 0) {
		(void)printf("nothing has been recorded yet\n");
		return;
	}
	date_format(r->since_ms, since);
	(void)printf("intact: rows %lld to %lld\n", (long long)r->first_id, (long long)r->last_id);
	if (r->reason[0] != '\0')
		(void)printf("provable from %s on; everything before was given up: %s\n", since,
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
	const char *anchor = arguments_value(s->arguments, "anchor", NULL);
	struct audit_check check = {.store = s->context.store,
				    .ring = s->context.ring,
				    .stopped = stop_was_asked,
				    .progress = stderr};
	struct audit_report report;

	if (anchor != NULL && !audit_anchor_parse(anchor, &check.anchor)) {
		(void)fprintf(
			stderr,
			"regcred: --anchor must be a line that `regcred audit head` printed\n");
		return EXIT_USAGE;
	}
	stop_on_signals();
	enum store_rc rc = audit_verify(&check, &report);
	if (rc != STORE_OK)
		return fail_audit(rc);
	if (report.problem[0] != '\0') {
		(void)printf("WRONG: %s\n", report.problem);
		if (report.rows > 0)
			(void)printf("intact before that: rows %lld to %lld\n",
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
	const char *reason = arguments_value(s->arguments, "reason", "");

	if (*reason == '\0' || strlen(reason) > REASON_MAX ||
	    !http_utf8_valid(reason, strlen(reason)))
		return session_fail("give the reason with --reason, in at most 255 bytes of UTF-8");
	const struct audit_check check = {
		.store = s->context.store, .ring = s->context.ring, .progress = stderr};
	struct audit_report report;
	if (arguments_find(s->arguments, "force") == NULL &&
	    audit_verify(&check, &report) == STORE_OK && report.problem[0] == '\0')
		return session_fail(
			"the audit log can be proven: restarting it would give that up.  "
			"Use --force if you want that");
	enum store_rc rc = audit_restart(s->context.store, s->context.ring, &s->context.actor,
					 reason, s->context.now_ms);
	if (rc != STORE_OK)
		return fail_audit(rc);
	(void)printf(
		"the audit log has been restarted; older rows stay but can no longer be proven\n");
	return EXIT_OK;
}

static const char *
show_actor(struct session *s, const struct record *row, enum column column)
{
	const char *who = record_text(row, COL_PROXY_USER);

	if (who == NULL && row->columns[column].type == VALUE_INT)
		who = show_account(s, row, column);
	if (who == NULL)
		who = record_text(row, COL_PUBLIC_VALUE);
	return who != NULL ? who : record_text(row, COL_AUTH_TYPE);
}

static const char *
show_changes(struct session *s, const struct record *row, enum column column)
{
	const char *changes = record_text(row, column);
	long long times = row->columns[COL_ATTEMPTS].number;

	return times > 1 ? arena_printf(s->arena, "%lld times  %s", times,
					changes != NULL ? changes : "-")
			 : changes;
}

int
command_audit_list(struct session *s)
{
	static const struct {
		const char *option;
		enum column column;
	} filters[] = {{"resource", COL_RESOURCE_ID}, {"event", COL_EVENT_TYPE}};
	struct list_request request = {.list = {.limit = LIMIT_DEFAULT, .descending = true}};
	static const struct table_column columns[] = {
		{"ID", show_id, COL_ID},
		{"TIME", show_date, COL_CREATED},
		{"WHO", show_actor, COL_ACTOR_ID},
		{"FROM", show_text, COL_CLIENT_IP},
		{"EVENT", show_text, COL_EVENT_TYPE},
		{"TYPE", show_text, COL_RESOURCE_TYPE},
		{"RESOURCE", show_text, COL_RESOURCE_ID},
		{"CHANGES", show_changes, COL_CHANGES},
	};
	const char *count = arguments_value(s->arguments, "limit", NULL);
	size_t left = count != NULL ? session_read_count(count, SIZE_MAX) : SIZE_MAX;

	if (left == 0)
		return session_fail("--limit must be a whole number");
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++) {
		const char *value = arguments_value(s->arguments, filters[i].option, NULL);

		if (value != NULL)
			request.list.conditions[request.list.condition_count++] =
				(struct condition){.column = filters[i].column,
						   .op = OP_EQ,
						   .value = value_text(value)};
	}
	return session_list(s, "auditLog", &request, left, columns,
			    sizeof(columns) / sizeof(*columns));
}
