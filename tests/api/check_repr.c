/* check_repr: the documents that go over the wire, byte for byte: tests/data/documents has a file
 * for each type, in which a line says who asks for what, and the next one what is answered.
 * REGCRED_WRITE=1 writes the answers into the files: look at the difference before it is committed.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/permissions.h"
#include "api/openapi.h"
#include "api/repr.h"
#include "base/arena.h"
#include "base/http.h"
#include "base/json_out.h"
#include "model/record.h"
#include "resource/resource.h"

#include "support/support.h"

enum { FILES_MAX = 32, DOCUMENT_MAX = 128 * 1024 };

static struct rig rig;
static char *files[FILES_MAX];
static int file_count;
static int64_t credential;

/* Rows with fixed uuids and times: the second registry and its login are removed. */
static void
setup(void)
{
	rig_open(&rig);
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test"),
		removed = rig_registry(&rig, PROJECT_DEFAULT, "removed.test");
	credential = rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);
	(void)rig_credential(&rig, PROJECT_DEFAULT, removed, NULL);
	for (int i = 0; i < 4; i++)
		(void)rig_credential(
			&rig, PROJECT_OTHER,
			rig_registry(&rig, PROJECT_OTHER, arena_printf(rig.arena, "r%d.test", i)),
			NULL);
	rig_exec(&rig,
		 "UPDATE account SET created = 1714979289000, uuid = 'account-' || id;"
		 "UPDATE project_member SET created = 1714979289000, uuid = 'member-' || id;"
		 "UPDATE credential SET created = 1714979289000;"
		 "UPDATE credential SET uuid = 'credential-' || id WHERE kind = "
		 "'registryCredential';"
		 "UPDATE credential SET name = 'ci puller' WHERE registry_id = 1;"
		 "UPDATE credential SET state = 'registering' WHERE registry_id = 3;"
		 "UPDATE credential SET registry_id = NULL WHERE registry_id = 6;"
		 "UPDATE credential SET state = 'inactive', transition_text = 'It \"says\" no.'"
		 " WHERE registry_id = 4;"
		 "UPDATE storage_pool SET uuid = 'pool-' || id;"
		 "UPDATE storage_pool SET state = 'updating-active' WHERE id = 4;"
		 "UPDATE storage_pool SET state = 'removed', removed = created,"
		 " remove_time = created + 600000 WHERE id = 2;"
		 "UPDATE credential SET state = 'removed', removed = created,"
		 " remove_time = created + 600000 WHERE registry_id = 2;"
		 "UPDATE credential SET expires = 1800000000000, networks = '10.0.0.0/8 ::1/128',"
		 " role = 'reveal', reveal = 1, registry_ids = '1sp1', path_prefixes = 'a b/c',"
		 " last_used = 1714979289000, last_used_address = '10.0.0.1'"
		 " WHERE public_value = 'restricted';"
		 "INSERT INTO audit_log (id, created, account_id, actor_id, auth_type, client_ip,"
		 " request_id, event_type, resource_type, resource_id, response_code, changes,"
		 " attempts, previous_hash, hash) VALUES (1000, 1714979289000, 5, 7, 'key',"
		 " '10.0.0.1', 'r1', 'update', 'registry', '1sp1', 200, '{\"name\":[\"a\",\"b\"]}',"
		 " 1, x'', x'')");
	rig_app(&rig);
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* What is never the same twice: the id of an error. */
static void
steady(char *text)
{
	char *type = strstr(text, "\",\"type\":\"error\"");

	for (char *p = text + strlen("{\"id\":\""); type != NULL && p < type; p++)
		if (*p != '-')
			*p = '0';
}

static enum person
person_named(const char *name)
{
	for (unsigned p = 1; p < PERSON__COUNT; p++)
		if (strcmp(person_name((enum person)p), name) == 0)
			return (enum person)p;
	ck_abort_msg("nobody is called %s", name);
}

/* "PERSON METHOD TARGET [BODY]" */
static char *
answer_to(char *line)
{
	const char *who = strsep(&line, " "), *method = strsep(&line, " "),
		   *target = strsep(&line, " ");
	const struct request request = rig_request(&rig, person_named(who), method, target, line);
	struct response response;

	(void)rig_send(&rig, &request, &response);
	char *text = arena_copy(rig.arena, response.body, response.body_len);
	steady(text);
	return text;
}

START_TEST(the_documents_are_what_they_were)
{
	char *path = source_path(arena_printf(rig.arena, "tests/data/documents/%s", files[_i]));
	bool writing = getenv("REGCRED_WRITE") != NULL;
	char *line = arena_alloc(rig.arena, DOCUMENT_MAX), *out = NULL;
	FILE *in = fopen(path, "r"), *copy;
	size_t size = 0;

	ck_assert_msg(in != NULL, "%s", path);
	copy = open_memstream(&out, &size);
	while (fgets(line, DOCUMENT_MAX, in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		(void)fprintf(copy, "%s\n", line);
		const char *asked = arena_strdup(rig.arena, line), *got = answer_to(line);
		(void)fprintf(copy, "%s\n", got);
		if (fgets(line, DOCUMENT_MAX, in) == NULL)
			*line = '\0';
		line[strcspn(line, "\n")] = '\0';
		size_t same = 0;
		while (got[same] != '\0' && got[same] == line[same])
			same++;
		ck_assert_msg(writing || got[same] == line[same], "%s: %s: ... %.60s, not %.60s",
			      files[_i], asked, got + same, line + same);
	}
	ck_assert_int_eq(fclose(in), 0);
	ck_assert_int_eq(fclose(copy), 0);
	if (writing) {
		copy = fopen(path, "w");
		ck_assert(copy != NULL && fputs(out, copy) >= 0 && fclose(copy) == 0);
	}
	free(out);
	free(path);
}
END_TEST

/* Without memory nothing is printed, and nothing breaks. */
START_TEST(a_document_without_memory_is_no_document)
{
	struct arena *own = arena_new(RIG_ARENA);
	struct identity who = rig_identity(&rig, PROJECT_DEFAULT);
	struct context context = rig_context(&rig, &who);
	struct pairs query = {0};
	const struct view view = {.context = &context,
				  .root = "https://r.example.test/v1",
				  .scope = "https://r.example.test/v1",
				  .page = "https://r.example.test/v1/page",
				  .query = &query};
	struct record row;
	struct error e = {0};
	unsigned n = 1;

	ck_assert_int_eq(resource_read(&context, &types_table[T_REGISTRY_CREDENTIAL],
				       id_format(rig.arena, &family_credential, credential), &row,
				       &e),
			 ERR_NONE);
	context.arena = own;
	for (;; n++) {
		struct json_out w;
		size_t len;

		arena_reset(own);
		arena_fail_at(own, n);
		json_out_init(&w, own);
		repr_resource(&w, &view, &row, "secret", "registry");
		if (!arena_failed(own)) {
			ck_assert_ptr_nonnull(json_out_text(&w, &len));
			break;
		}
		ck_assert_uint_lt(n, 200);
	}
	ck_assert_uint_gt(n, 3);
	arena_free(own);
}
END_TEST

/* After a while the same places come again for the next type. */
START_TEST(a_description_without_memory_is_no_description)
{
	enum { EACH = 60, STEP = 13 };
	struct arena *own = arena_new(RIG_ARENA);
	unsigned n = 1;

	for (;; n += n < EACH ? 1 : STEP) {
		struct json_out w;
		size_t len;

		arena_reset(own);
		arena_fail_at(own, n);
		json_out_init(&w, own);
		openapi_write(&w, "https://r.example.test/v1", ROLE_SUPERADMIN, API_V2_BETA);
		if (!arena_failed(own)) {
			ck_assert_ptr_nonnull(json_out_text(&w, &len));
			break;
		}
		ck_assert_uint_lt(n, 2000);
	}
	ck_assert_uint_gt(n, 100);
	arena_free(own);
}
END_TEST

static int
is_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
find_files(void)
{
	char *path = source_path("tests/data/documents");
	static struct dirent **found; /* holds the names */
	int count = scandir(path, &found, is_name, alphasort);

	for (int i = 0; i < count && i < FILES_MAX; i++)
		files[file_count++] = found[i]->d_name;
	free(path);
}

int
main(void)
{
	Suite *suite = suite_create("repr");
	TCase *tc = tcase_create("repr");

	find_files();
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_documents_are_what_they_were, 0, file_count);
	tcase_add_test(tc, a_document_without_memory_is_no_document);
	tcase_add_test(tc, a_description_without_memory_is_no_description);
	suite_add_tcase(suite, tc);
	return file_count > 0 ? run_suite(suite) : EXIT_FAILURE;
}
