/* check_app: one request from its first byte to its last, without a web server: routes, the order
 * of the checks, methods, forms, browsers, base URLs, headers, and memory that ends at any point.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "api/html.h"
#include "api/route.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/settings.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "secret/key_file.h"
#include "service/app.h"
#include "service/housekeeper.h"

#include "support/support.h"

#define BASE "https://r.example.test"
#define CODE(text) "\"code\":\"" text "\""

static const char json_type[] = "application/json; charset=utf-8";
static const char html_type[] = "text/html; charset=utf-8";
static const char mozilla[] = "Mozilla/5.0 (X11; Linux x86_64)";

static struct rig rig;
static struct arena *a;
static struct response response;
static int64_t registry, foreign_registry, credential;

static void
setup(void)
{
	rig_open(&rig);
	rig_app(&rig);
	a = rig.arena;
	registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	foreign_registry = rig_registry(&rig, PROJECT_OTHER, "other.test");
	credential = rig_credential(&rig, PROJECT_DEFAULT, registry, "the secret");
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* A text with %C for the credential's id; the registries are 1sp1 and 1sp2. */
static const char *
filled(const char *text)
{
	const char *mark = text != NULL ? strstr(text, "%C") : NULL;

	if (mark == NULL)
		return text;
	return arena_printf(a, "%.*s%s%s", (int)(mark - text), text,
			    id_format(a, &family_credential, credential), mark + 2);
}

/* The answer's document; the response stays in `response`. */
static struct json *
send_request(const struct request *request)
{
	struct json *doc = NULL;
	struct error e = {0};

	(void)rig_send(&rig, request, &response);
	ck_assert_uint_eq(strlen(response.body), response.body_len);
	if (json_parse(a, response.body, response.body_len, &doc, &e) != ERR_NONE)
		return NULL;
	return doc;
}

static struct json *
ask(enum person person, const char *method, const char *target, const char *body)
{
	const struct request request =
		rig_request(&rig, person, method, filled(target), filled(body));

	return send_request(&request);
}

/* The order of the checks (7.3): each request fails in two ways or more, and the earlier one is
 * told. */
#define LONG_NAME(x) x x x x x x x x x x x x x x x x
#define NAME_256 LONG_NAME("0123456789abcdef")
/* clang-format off */
static const struct { enum person person; const char *method, *target, *body, *agent; int status; const char *code; } orders[] = {
	/* Body before key. */
	{ PERSON_INACTIVE, "POST", "/v1/registries",           "{bad",  NULL,    400, "InvalidBodyContent" },
	{ PERSON_INACTIVE, "POST", "/v1/bogus",                "{bad",  NULL,    400, "InvalidBodyContent" },
	{ PROJECT_DEFAULT, "POST", "/v1/bogus",                "{bad",  NULL,    400, "InvalidBodyContent" },
	{ PROJECT_DEFAULT, "PUT",  "/v1/registries/1sp9",      "[",     NULL,    400, "InvalidBodyContent" },
	/* Key before project, before browser, before type. */
	{ PERSON_INACTIVE, "GET",  "/v1/projects/1a6/registries", NULL, NULL,    401, "Unauthorized" },
	{ PERSON_INACTIVE, "POST", "/v1/registries",           "{}",    mozilla, 401, "Unauthorized" },
	{ PERSON_INACTIVE, "GET",  "/v1/bogus",                NULL,    NULL,    401, "Unauthorized" },
	{ PERSON_INACTIVE, "PATCH", "/v1/registries",          NULL,    NULL,    401, "Unauthorized" },
	{ PERSON_INACTIVE, "GET",  "/",                        NULL,    NULL,    401, "Unauthorized" },
	/* Project before browser and type. */
	{ PERSON_OWNER,    "POST", "/v1/projects/1a6/registries", "{}", mozilla, 403, "Forbidden" },
	{ PERSON_OWNER,    "GET",  "/v1/projects/1a6/bogus",   NULL,    NULL,    403, "Forbidden" },
	{ PERSON_OWNER,    "PATCH", "/v1/projects/1a6/registries", NULL, NULL,   403, "Forbidden" },
	/* Browser before type, method and fields. */
	{ PROJECT_DEFAULT, "POST", "/v1/bogus",                "{}",    mozilla, 403, "InvalidCSRFToken" },
	{ PROJECT_DEFAULT, "POST", "/v1/registries",           "{}",    mozilla, 403, "InvalidCSRFToken" },
	{ PROJECT_DEFAULT, "PATCH", "/v1/registries",          NULL,    mozilla, 403, "InvalidCSRFToken" },
	/* Type and id before action, method and fields. */
	{ PROJECT_DEFAULT, "PUT",  "/v1/bogus/1c1",            "{}",    NULL,    404, "Not Found" },
	{ PROJECT_DEFAULT, "PATCH", "/v1/bogus",               NULL,    NULL,    404, "Not Found" },
	{ PROJECT_DEFAULT, "PUT",  "/v1/registrycredentials/abc", "{\"name\":[]}", NULL, 404, "Not Found" },
	{ PROJECT_DEFAULT, "POST", "/v1/bogus?action=explode", "{}",    NULL,    404, "Not Found" },
	/* Action known, then row there, then available. */
	{ PROJECT_DEFAULT, "POST", "/v1/registries/1sp999?action=explode", "", NULL, 422, "InvalidAction" },
	{ PROJECT_DEFAULT, "POST", "/v1/registries/1sp999?action=activate", "", NULL, 404, "Not Found" },
	{ PROJECT_DEFAULT, "POST", "/v1/registries/1sp1?action=activate", "", NULL, 422, "ActionNotAvailable" },
	/* Method before fields. */
	{ PERSON_ADMIN,    "POST", "/v1/registries",           "{}",    NULL,    405, "Method not allowed" },
	{ PERSON_ADMIN,    "PUT",  "/v1/registries/1sp1",      "{\"name\":[]}", NULL, 405, "Method not allowed" },
	{ PROJECT_DEFAULT, "PUT",  "/v1/credentials/%C",       "{\"name\":[]}", NULL, 405, "Method not allowed" },
	/* Fields before the address, and before the row. */
	{ PROJECT_DEFAULT, "POST", "/v1/registries",           "{\"serverAddress\":\"reg.test\",\"name\":[]}", NULL, 422, "InvalidFormat" },
	{ PROJECT_DEFAULT, "POST", "/v1/registries",           "{\"serverAddress\":\"reg.test\"}", NULL, 400, "ServerAddressUsed" },
	{ PROJECT_DEFAULT, "PUT",  "/v1/registries/1sp999",    "{\"name\":\"" NAME_256 "\"}", NULL, 422, "MaxLengthExceeded" },
	{ PROJECT_DEFAULT, "PUT",  "/v1/registries/1sp999",    "{\"name\":\"n\"}", NULL, 404, "Not Found" },
	/* Row before state. */
	{ PROJECT_DEFAULT, "DELETE", "/v1/registries/1sp999",  NULL,    NULL,    404, "Not Found" },
	{ PROJECT_DEFAULT, "DELETE", "/v1/registries/1sp1",    NULL,    NULL,    405, "Method not allowed" },
};
/* clang-format on */

START_TEST(the_first_of_several_errors_is_told)
{
	struct request request = rig_request(&rig, orders[_i].person, orders[_i].method,
					     filled(orders[_i].target), orders[_i].body);
	const char *before = rig_dump(&rig);

	if (orders[_i].agent != NULL)
		request.user_agent = orders[_i].agent;
	request.accept = "application/json";
	const struct json *doc = send_request(&request);
	ck_assert_str_eq(json_at(a, doc, "code"), orders[_i].code);
	ck_assert_int_eq(response.status, orders[_i].status);
	ck_assert_str_eq(rig_dump(&rig), before);
}
END_TEST

/* What the gateway says about a request comes first of all. */
START_TEST(a_request_that_is_not_whole_is_refused_before_its_key_is_looked_at)
{
	struct request request = rig_request(&rig, PERSON_INACTIVE, "POST", "/v1/registries", "{}");

	request.body_too_large = true;
	const struct json *doc = send_request(&request);
	ck_assert_int_eq(response.status, 413);
	ck_assert_str_eq(json_at(a, doc, "code"), "Request Entity Too Long");
	request.body_too_large = false;
	request.body_cut = true;
	(void)send_request(&request);
	ck_assert_int_eq(response.status, 400);
	request.body_cut = false;
	request.header_repeated = true;
	(void)send_request(&request);
	ck_assert_int_eq(response.status, 400);
}
END_TEST

/* Bodies (8.5) */

/* clang-format off */
static const struct { const char *content_type, *query, *body; int status; const char *holds; } bodies[] = {
	/* The query lies under the body. */
	{ NULL,                                "?serverAddress=new.test", "{\"name\":\"n\"}",          201, "\"serverAddress\":\"new.test\"" },
	{ NULL,                                "?serverAddress=q.test&name=q", "{\"serverAddress\":\"new.test\"}", 201, "\"serverAddress\":\"new.test\"" },
	{ NULL,                                "?name=q", "{\"serverAddress\":\"new.test\",\"name\":null}", 201, "\"name\":null" },
	{ NULL,                                "?serverAddress=new.test", "",                          201, "\"serverAddress\":\"new.test\"" },
	{ NULL,                                "?serverAddress=new.test", "[]",                        201, "\"serverAddress\":\"new.test\"" },
	{ NULL,                                "?serverAddress=a&serverAddress=b", "{}",               422, CODE("InvalidFormat") },
	{ "application/x-www-form-urlencoded", "?serverAddress=q.test", "serverAddress=new.test",      201, "\"serverAddress\":\"new.test\"" },
};
/* clang-format on */

START_TEST(a_body_is_json_or_a_form_over_the_query)
{
	struct request request =
		rig_request(&rig, PROJECT_DEFAULT, "POST",
			    arena_printf(a, "/v1/registries%s", bodies[_i].query), bodies[_i].body);

	request.content_type = bodies[_i].content_type;
	(void)send_request(&request);
	ck_assert_msg(response.status == bodies[_i].status, "%d %s", response.status,
		      response.body);
	ck_assert_msg(strstr(response.body, bodies[_i].holds) != NULL, "%s", response.body);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"),
			 bodies[_i].status == 201 ? "3" : "2");
}
END_TEST

/* T35: for load balancers, outside the API. */
static const struct {
	const char *target;
	bool pong;
} pings[] = {
	{"/ping", true},      {"/ping?x=1", true},     {"/healthcheck", true},	 {"/ping/", true},
	{"//ping//?x", true}, {"/healthcheck/", true}, {"/pingx", false},	 {"/ping/x", false},
	{"/Ping", false},     {"/v1/ping", false},     {"/healthchecks", false}, {"/pin", false},
};

START_TEST(a_ping_is_answered_without_key_and_headers)
{
	struct request request = rig_request(&rig, PROJECT_DEFAULT, "GET", pings[_i].target, NULL);

	request.api_key = NULL;
	(void)send_request(&request);
	if (!pings[_i].pong) {
		ck_assert_int_ge(response.status, 400);
		return;
	}
	ck_assert_int_eq(response.status, 200);
	ck_assert_str_eq(response.body, "pong");
	ck_assert_uint_eq(response.header_count, 0);
	ck_assert_int_eq(strncmp(response.content_type, "text/plain", 10), 0);
}
END_TEST

/* Browsers (8.3, 8.4) */

/* Names that try to leave the page, and what must not, and must, be in it. */
/* clang-format off */
static const struct { const char *name, *never, *somewhere; } hostile[] = {
	{"</script><script>alert(1)</script>", "<script>alert", "\\u003c/script>\\u003cscript>alert"},
	{"</SCRIPT>", "</SCRIPT", "\\u003c/SCRIPT>"},
	{"<!--<script>", "<!--<", "\\u003c!--\\u003cscript>"},
	{"<img src=x onerror=alert(1)>", "<img", "&lt;img src=x onerror=alert(1)&gt;"},
	{"\" onmouseover=\"x", "\" onmouseover", "\\&quot; onmouseover"},
	{"' onmouseover='x", "' onmouseover", "&#39; onmouseover"},
	{"&lt;b&gt;", "\"&lt;b", "&amp;lt;b&amp;gt;"},
	{"a\xe2\x80\xa8" "b", "\"a\xe2\x80\xa8" "b\"}", "a\\u2028b"},
	{"a\xe2\x80\xa9" "b", "\"a\xe2\x80\xa9" "b\"}", "a\\u2029b"},
	{"https://r.example.test/\"><b>", "\"><b>", "&quot;&gt;&lt;b&gt;"},
	{"https://r.example.testevil/x", "<a href=\"https://r.example.testevil", "https://r.example.testevil/x"},
	{"https://evil.example/x", "<a href=\"https://evil", "https://evil.example/x"},
	{"javascript:alert(1)", "<a href=\"javascript", "javascript:alert(1)"},
};
/* clang-format on */

/* The part of the page between two marks. */
static const char *
part(const char *page, const char *from, const char *to)
{
	const char *start = strstr(page, from);

	ck_assert_ptr_nonnull(start);
	start += strlen(from);
	const char *end = strstr(start, to);
	ck_assert_ptr_nonnull(end);
	return arena_copy(a, start, (size_t)(end - start));
}

START_TEST(no_name_leaves_its_place_in_the_page)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_begin_object(&w);
	json_name(&w, "name");
	json_string(&w, hostile[_i].name);
	json_name(&w, "serverAddress");
	json_string(&w, "hostile.test");
	json_end_object(&w);
	(void)ask(PROJECT_DEFAULT, "POST", "/v1/registries?_format=html", json_out_text(&w, &len));
	ck_assert_int_eq(response.status, 201);
	ck_assert_str_eq(response.content_type, html_type);
	ck_assert_msg(strstr(response.body, hostile[_i].somewhere) != NULL, "%s", response.body);
	const char *shown = part(response.body, "<pre>", "</pre>");
	ck_assert_msg(strstr(shown, hostile[_i].never) == NULL, "%s", shown);
	/* The data element ends where it should, and holds the document. */
	const char *data = part(response.body, "id=\"data\">", "</script>");
	ck_assert_ptr_null(strchr(data, '<'));
	ck_assert_ptr_null(strstr(data, "\xe2\x80\xa8"));
	ck_assert_ptr_null(strstr(data, "\xe2\x80\xa9"));
	ck_assert_str_eq(json_at(a, rig_json(a, data), "name"), hostile[_i].name);
	/* Two data elements, and nothing that runs. */
	size_t scripts = 0;
	for (const char *p = response.body; (p = strcasestr(p, "<script")) != NULL; p++)
		scripts++;
	ck_assert_uint_eq(scripts, 2);
}
END_TEST

START_TEST(a_page_links_to_our_own_urls_and_names_the_schemas)
{
	(void)ask(PROJECT_DEFAULT, "GET", "/v1/projects/1a5/registries/1sp1?_format=html", NULL);
	ck_assert_ptr_nonnull(strstr(response.body, "&quot;<a href=\"" BASE
						    "/v1/projects/1a5/registries/1sp1\">" BASE
						    "/v1/projects/1a5/registries/1sp1</a>&quot;"));
	ck_assert_str_eq(part(response.body, "id=\"schemas\">", "</script>"),
			 "\"" BASE "/v1/projects/1a5/schemas\"");
	ck_assert_ptr_nonnull(
		strstr(response.body, "<a href=\"" BASE "/v1/projects/1a5/schemas\">"));
	ck_assert_ptr_nonnull(strstr(html_policy, "default-src 'none'"));
	ck_assert_ptr_null(strstr(html_policy, "unsafe"));
	ck_assert_str_eq(header_of(&response, "X-Frame-Options"), "DENY");
	(void)ask(PROJECT_DEFAULT, "GET", "/v1/nothing?_format=html", NULL);
	ck_assert_int_eq(response.status, 404);
	ck_assert_str_eq(part(response.body, "<title>", "</title>"), "Not Found");
}
END_TEST

/* A page of any document: escaped, closed, and not read beyond its end. */
static const char *const documents[] = {
	"{}",	       "[]",
	"null",	       "\"\"",
	"\"<\"",       "{\"a\":[]}",
	"{\"a\":{}}",  "[1,2,{\"b\":\"c\"}]",
	"\"\\\"\"",    "\"\\\\\"",
	"\"\\u003c\"", "\"open",
	"\"open\\",    "{",
	"]",	       "\xe2\x80",
	"\xe2",	       "\"\xe2\x80\xa8\"",
};

START_TEST(any_document_becomes_a_page)
{
	size_t json_len = strlen(documents[_i]), len = 0;
	char *exact = malloc(json_len);
	struct page page = {.title = "<t>",
			    .schemas = "u\"",
			    .base = "https://b",
			    .json = exact,
			    .json_len = json_len};

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, documents[_i], json_len);
	const char *text = html_page(a, &page, &len);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(strlen(text), len);
	ck_assert_ptr_nonnull(strstr(text, "<title>&lt;t&gt;</title>"));
	ck_assert_ptr_nonnull(strstr(text, "href=\"u&quot;\""));
	ck_assert_str_eq(text + len - 8, "</html>\n");
	free(exact);
}
END_TEST

/* The table of 8.4 and 0.1: a write by a browser.  The cookie's value is ABCDEF0123. */
static const struct {
	const char *agent, *method, *cookie, *header, *query, *origin, *site;
	bool taken;
} csrfs[] = {
	/* No browser is never asked. */
	{"curl/7.88", "POST", NULL, NULL, "", NULL, NULL, true},
	{"curl/7.88", "POST", "CSRF=ABCDEF0123", "wrong", "", "https://evil.example", NULL, true},
	{NULL, "POST", NULL, NULL, "", NULL, NULL, true},
	/* The header, or the parameter, equal to the cookie. */
	{mozilla, "POST", "CSRF=ABCDEF0123", "ABCDEF0123", "", NULL, NULL, true},
	{mozilla, "POST", "CSRF=ABCDEF0123", NULL, "&CSRF=ABCDEF0123", NULL, NULL, true},
	{mozilla, "POST", "a=b; CSRF=ABCDEF0123; c=d", "ABCDEF0123", "", NULL, NULL, true},
	{mozilla, "POST", "CSRF=0123456789abcdef0123456789abcdef",
	 "0123456789abcdef0123456789abcdef", "", NULL, NULL, true},
	{mozilla, "POST", "CSRF=ABCDEF0123", NULL, "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "abcdef0123", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "ABCDEF01234", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "ABCDEF012", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "wrong", "&CSRF=ABCDEF0123", NULL, NULL, false},
	{mozilla, "POST", "csrf=ABCDEF0123", "ABCDEF0123", "", NULL, NULL, false},
	{mozilla, "POST", "XCSRF=ABCDEF0123", "ABCDEF0123", "", NULL, NULL, false},
	/* Without a cookie, or one that is no token of ours. */
	{mozilla, "POST", NULL, NULL, "", NULL, NULL, false},
	{mozilla, "POST", NULL, "ABCDEF0123", "", NULL, NULL, false},
	{mozilla, "POST", NULL, "", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=", "", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=x", "x", "", NULL, NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF01", "ABCDEF01", "", NULL, NULL, false},
	/* An origin of our own. */
	{mozilla, "POST", NULL, NULL, "", BASE, NULL, true},
	{mozilla, "POST", NULL, NULL, "", "HTTPS://R.EXAMPLE.TEST", NULL, true},
	{mozilla, "POST", NULL, NULL, "", NULL, "same-origin", true},
	{mozilla, "POST", "CSRF=ABCDEF0123", NULL, "", BASE, "same-origin", true},
	{mozilla, "POST", NULL, NULL, "", "", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "null", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "https", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "https://r.example", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "https://r.example.test.evil.example", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "https://r.example.test:8443", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "http://r.example.test", NULL, false},
	{mozilla, "POST", NULL, NULL, "", "https://evil.example", NULL, false},
	{mozilla, "POST", NULL, NULL, "", NULL, "same-site", false},
	{mozilla, "POST", NULL, NULL, "", NULL, "cross-site", false},
	{mozilla, "POST", NULL, NULL, "", NULL, "none", false},
	{mozilla, "POST", NULL, NULL, "", NULL, "", false},
	{mozilla, "POST", NULL, NULL, "", BASE, "cross-site", false},
	{mozilla, "POST", "CSRF=ABCDEF0123", "wrong", "", BASE, NULL, false},
	/* A sibling site can plant the cookie, but not hide where it is. */
	{mozilla, "POST", "CSRF=ABCDEF0123", "ABCDEF0123", "", "https://evil.example", NULL, false},
	{mozilla, "POST", "CSRF=ABCDEF0123", NULL, "&CSRF=ABCDEF0123", NULL, "cross-site", false},
	/* Reading is free; the effective method counts. */
	{mozilla, "GET", NULL, NULL, "", "https://evil.example", NULL, true},
	{mozilla, "HEAD", NULL, NULL, "", NULL, NULL, true},
	{mozilla, "POST", NULL, NULL, "&_method=GET", NULL, NULL, true},
	{mozilla, "PUT", NULL, NULL, "", NULL, NULL, false},
	{mozilla, "DELETE", NULL, NULL, "", NULL, NULL, false},
	{mozilla, "DELETE", NULL, NULL, "", BASE, NULL, true},
};

START_TEST(a_browsers_write_shows_that_it_comes_from_a_page_of_ours)
{
	struct request request = rig_request(
		&rig, PROJECT_DEFAULT, csrfs[_i].method,
		arena_printf(a, "/v1/registries/1sp1?x=y%s%s",
			     strcmp(csrfs[_i].method, "POST") == 0 ? "&action=deactivate" : "",
			     csrfs[_i].query),
		"{\"name\":\"n\"}");

	request.user_agent = csrfs[_i].agent;
	request.accept = "application/json";
	request.cookie = csrfs[_i].cookie;
	request.csrf = csrfs[_i].header;
	request.origin = csrfs[_i].origin;
	request.fetch_site = csrfs[_i].site;
	const char *before = rig_dump(&rig);
	const struct json *doc = send_request(&request);
	bool refused = response.status == 403;
	ck_assert_msg(refused != csrfs[_i].taken, "%d %s", response.status, response.body);
	if (refused) {
		ck_assert_str_eq(json_at(a, doc, "code"), "InvalidCSRFToken");
		ck_assert_str_eq(json_at(a, doc, "message"), "CSRF header and cookie do not match");
		ck_assert_str_eq(rig_dump(&rig), before);
	}
	/* The cookie is set, or sent again, for browsers alone. */
	const char *cookie = header_of(&response, "Set-Cookie");
	ck_assert((cookie != NULL) == (csrfs[_i].agent == mozilla));
	if (cookie == NULL)
		return;
	ck_assert_int_eq(strncmp(cookie, "CSRF=", 5), 0);
	ck_assert_ptr_nonnull(strstr(cookie, "; Path=/"));
	ck_assert_ptr_nonnull(strstr(cookie, "; Secure"));
	if (csrfs[_i].cookie != NULL && strstr(csrfs[_i].cookie, "CSRF=ABCDEF0123") != NULL &&
	    csrfs[_i].cookie[0] != 'X')
		ck_assert_int_eq(strncmp(cookie, "CSRF=ABCDEF0123;", 16), 0);
	else if (csrfs[_i].cookie == NULL)
		ck_assert_uint_eq(strspn(cookie + 5, "0123456789ABCDEF"), 10);
}
END_TEST

/* Base URL (1.7) */
/* clang-format off */
static const struct { const char *base_url; bool trust; const char *scheme, *host, *prefix, *proto, *fhost, *port; const char *base; } bases[] = {
	{ "", false, "https", "r.example.test",       "",         NULL,    NULL,    NULL,   "https://r.example.test" },
	{ "", false, "http",  "r.example.test:8080",  "",         NULL,    NULL,    NULL,   "http://r.example.test:8080" },
	{ "", false, "https", "R.Example.TEST",       "",         NULL,    NULL,    NULL,   "https://r.example.test" },
	{ "", false, "https", "[::1]:8443",           "",         NULL,    NULL,    NULL,   "https://[::1]:8443" },
	{ "", false, "https", "r.example.test",       "/regcred", NULL,    NULL,    NULL,   "https://r.example.test/regcred" },
	{ "", false, NULL,    "r.example.test",       "",         NULL,    NULL,    NULL,   "http://r.example.test" },
	/* What a client says is ignored. */
	{ "", false, "https", "r.example.test",       "",         "http",  "evil.example", "99", "https://r.example.test" },
	/* Unless the settings trust it. */
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test", NULL, "https://r.example.test" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test", "8443", "https://r.example.test:8443" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test:99", "8443", "https://r.example.test:99" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test:99", "443", "https://r.example.test:99" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test", "443", "https://r.example.test" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test", "80", "https://r.example.test" },
	{ "", true,  "http",  "inner:8080",           "",         "http",  "r.example.test", "443", "http://r.example.test:443" },
	{ "", true,  "http",  "inner:8080",           "",         "https", NULL,    "443",  "https://inner" },
	{ "", true,  "http",  "inner:8080",           "",         "https", NULL,    "8443", "https://inner:8443" },
	{ "", true,  "http",  "inner:8080",           "",         "http",  "r.example.test", "80", "http://r.example.test" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "r.example.test:99", NULL, "https://r.example.test:99" },
	{ "", true,  "http",  "inner:8080",           "",         "https", NULL,    NULL,   "https://inner:8080" },
	{ "", true,  "http",  "inner:8080",           "",         "https, http", "r.example.test, proxy", "8443, 80", "https://r.example.test:8443" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "[::1]:99", "8443", "https://[::1]:99" },
	{ "", true,  "http",  "inner:8080",           "",         "https", "[::1]",  "8443", "https://[::1]:8443" },
	{ "", true,  "http",  "inner:8080",           "",         NULL,    "evil.example", "99", "http://inner:8080" },
	/* The configured one counts alone. */
	{ "https://creds.example.test", false, "http", "inner:8080", "", NULL, NULL, NULL,  "https://creds.example.test" },
	{ "https://creds.example.test/a", true, "http", "inner", "/b", "http", "evil.example", "99", "https://creds.example.test/a" },
	{ "https://creds.example.test", false, "http", "no host/\"", "", NULL, NULL, NULL,  "https://creds.example.test" },
	/* What is no host is refused: it would be in every link. */
	{ "", false, "https", "",                     "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "a/b",                  "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "a@b",                  "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "a\"><b>",              "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "a b",                  "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "a:99999",              "",         NULL,    NULL,    NULL,   NULL },
	{ "", false, "javascript", "r.example.test",  "",         NULL,    NULL,    NULL,   NULL },
	/* And what is no path: of some web servers it is the client's, decoded. */
	{ "", false, "https", "r.example.test",       "regcred",  NULL,    NULL,    NULL,   NULL },
	{ "", false, "https", "r.example.test",       "/\xb4\x1d", NULL,   NULL,    NULL,   NULL },
	{ "", false, "https", "r.example.test",       "/a\"b",    NULL,    NULL,    NULL,   NULL },
	{ "", true,  "http",  "inner",                "",         "ftp",   "r.example.test", NULL, NULL },
	{ "", true,  "http",  "inner",                "",         "https", "a/b",   NULL,   NULL },
	{ "", true,  "http",  "inner",                "",         "https", "a",     "x",    NULL },
	{ "", true,  "http",  "inner",                "",         "https", "",      NULL,   NULL },
};
/* clang-format on */

START_TEST(links_begin_with_the_base_url)
{
	struct request request =
		rig_request(&rig, PROJECT_DEFAULT, "GET", "/v1/registries/1sp1", NULL);

	strcpy(rig.settings.base_url, bases[_i].base_url);
	rig.settings.trust_forwarded = bases[_i].trust;
	request.scheme = bases[_i].scheme;
	request.host = bases[_i].host;
	request.prefix = bases[_i].prefix;
	request.forwarded_proto = bases[_i].proto;
	request.forwarded_host = bases[_i].fhost;
	request.forwarded_port = bases[_i].port;
	const struct json *doc = send_request(&request);
	if (bases[_i].base == NULL) {
		ck_assert_int_eq(response.status, 400);
		ck_assert_str_eq(json_at(a, doc, "code"), "Bad Request");
		ck_assert_str_eq(header_of(&response, "X-API-Schemas"),
				 "http://localhost/v1/schemas");
		return;
	}
	ck_assert_int_eq(response.status, 200);
	ck_assert_str_eq(header_of(&response, "X-API-Schemas"),
			 arena_printf(a, "%s/v1/schemas", bases[_i].base));
	ck_assert_str_eq(json_at(a, doc, "links.self"),
			 arena_printf(a, "%s/v1/registries/1sp1", bases[_i].base));
}
END_TEST

/* Memory that ends at the n-th allocation, for every n: a whole answer each time, and nothing
 * changed by one that says that it failed. */
/* clang-format off */
static const struct { const char *method, *target, *body, *content_type, *agent; int status; } hungry[] = {
	{ "POST",   "/v1/registrycredentials", "{\"registryId\":\"1sp1\",\"email\":\"e\",\"secretValue\":\"pw\",\"name\":\"n\"}", NULL, NULL, 201 },
	{ "POST",   "/v1/registries",          "serverAddress=new.test&name=n", "application/x-www-form-urlencoded", NULL, 201 },
	{ "POST",   "/v1/apikeys",             "{}",            NULL, NULL,    201 },
	{ "POST",   "/v1/apikeys?_format=html", "{}",           NULL, NULL,    201 },
	{ "GET",    "/v1/registrycredentials?include=registry&sort=name&name_ne=x", NULL, NULL, NULL, 200 },
	{ "GET",    "/v1/projects/1a5/credentials?limit=1", NULL, NULL, NULL,  200 },
	{ "GET",    "/v1/registries/1sp1/credentials", NULL,     NULL, NULL,   200 },
	{ "GET",    "/v1/schemas",             NULL,            NULL, NULL,    200 },
	{ "GET",    "/v1/registries/1sp1",     NULL,            NULL, mozilla, 200 },
	{ "PUT",    "/v1/registrycredentials/%C", "{\"name\":\"new\",\"secretValue\":\"other\"}", NULL, NULL, 200 },
	{ "POST",   "/v1/registrycredentials/%C?action=deactivate", NULL, NULL, NULL, 202 },
	{ "DELETE", "/v1/apikeys/1c999",       NULL,            NULL, NULL,    404 },
	{ "DELETE", "/v1/registries/1sp3",     NULL,            NULL, NULL,    200 },
	{ "POST",   "/v1/registries/1sp4?action=purge", NULL,   NULL, NULL,    202 },
};
/* clang-format on */

/* An answer is whole: a status of ours, a JSON document (or page) that says the same. */
static void
check_whole(void)
{
	struct json *doc = NULL;
	struct error e = {0};

	ck_assert_ptr_nonnull(response.body);
	ck_assert_uint_eq(strlen(response.body), response.body_len);
	if (response.status < 400)
		return;
	if (strcmp(response.content_type, html_type) == 0)
		return;
	ck_assert_str_eq(response.content_type, json_type);
	ck_assert_int_eq(json_parse(a, response.body, response.body_len, &doc, &e), ERR_NONE);
	ck_assert_str_eq(json_at(a, doc, "type"), "error");
	ck_assert_int_eq(atoi(json_at(a, doc, "status")), response.status);
}

/* Each allocation fails in turn, until one is not needed. */
static void
starve(const struct request *request, int status)
{
	struct arena *own = arena_new(RIG_ARENA);
	const char *before = rig_dump(&rig);
	unsigned n = 1;

	for (;; n++) {
		ck_assert_uint_lt(n, 2000);
		arena_reset(own);
		arena_fail_at(own, n);
		memset(&response, 0xa5, sizeof(response));
		app_handle(rig.app, request, own, &response);
		check_whole();
		if (!arena_failed(own))
			break;
		if (response.status >= 400) {
			ck_assert_int_eq(response.status, 500);
			ck_assert_msg(strcmp(rig_dump(&rig), before) == 0,
				      "the %u. allocation fails: 500, but something changed", n);
		}
	}
	ck_assert_int_eq(response.status, status);
	ck_assert_uint_gt(n, 10);
	arena_free(own);
}

/* The texts that take the most room in an answer. */
START_TEST(the_longest_answer_fits_into_the_room_that_was_kept)
{
	char *t = arena_alloc(a, 6 * 255 + 1), *end = t;

	for (int i = 0; i < 255; i++)
		end = stpcpy(end, "\\u0001");
	const char *d = arena_printf(a, "%s%s%s%s", t, t, t, t);
	const struct request request = rig_request(
		&rig, PROJECT_DEFAULT, "POST", "/v1/registrycredentials",
		arena_printf(a,
			     "{\"registryId\":\"1sp1\",\"secretValue\":\"pw\",\"email\":\"%s\","
			     "\"name\":\"%s\",\"description\":\"%s\",\"publicValue\":\"%s%s%s%s\"}",
			     t, t, d, d, d, d, d));
	starve(&request, 201);
}
END_TEST

START_TEST(a_request_without_memory_fails_whole_and_changes_nothing)
{
	struct request request = rig_request(&rig, PROJECT_DEFAULT, hungry[_i].method,
					     filled(hungry[_i].target), hungry[_i].body);

	(void)rig_registry(&rig, PROJECT_DEFAULT, "third.test");
	(void)rig_registry(&rig, PROJECT_DEFAULT, "fourth.test");
	rig_exec(&rig, "UPDATE storage_pool SET state = 'inactive' WHERE id = 3;"
		       "UPDATE storage_pool SET state = 'removed', removed = 5 WHERE id = 4");
	request.content_type = hungry[_i].content_type;
	if (hungry[_i].agent != NULL)
		request.user_agent = hungry[_i].agent;
	starve(&request, hungry[_i].status);
}
END_TEST

/* Starting (and what is said when that is not possible) */

START_TEST(another_key_file_is_refused_with_a_clear_sentence)
{
	char why[CONFIG_WHY_MAX] = "";
	struct settings settings = rig.settings;

	(void)unlink(rig_path("another.key"));
	ck_assert(keyring_create(rig_path("another.key"), why));
	strcpy(settings.key_file, rig_path("another.key"));
	const char *before = rig_dump(&rig);
	for (int how = PREPARE_CHECK; how <= PREPARE_CREATE; how++) {
		why[0] = '\0';
		ck_assert(!app_prepare(&settings, (enum prepare)how, why));
		ck_assert_ptr_nonnull(strstr(why, "another.key"));
		ck_assert_ptr_nonnull(strstr(why, rig.database));
	}
	ck_assert_ptr_null(app_new(&settings, why));
	ck_assert_str_eq(rig_dump(&rig), before);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM key_check"), "2");
	ck_assert_msg(app_prepare(&rig.settings, PREPARE_CHECK, why), "%s", why);
}
END_TEST

START_TEST(what_is_missing_is_named_and_not_made)
{
	char why[CONFIG_WHY_MAX] = "";
	struct settings settings = rig.settings;

	strcpy(settings.key_file, rig_path("no.key"));
	ck_assert(!app_prepare(&settings, PREPARE_CREATE, why));
	ck_assert_ptr_nonnull(strstr(why, "no.key"));
	settings = rig.settings;
	strcpy(settings.database, rig_path("no.db"));
	ck_assert(!app_prepare(&settings, PREPARE_MIGRATE, why));
	ck_assert_ptr_nonnull(strstr(why, "no.db"));
	ck_assert(!app_prepare(&settings, PREPARE_CHECK, why));
	ck_assert_ptr_null(app_new(&settings, why));
	ck_assert_int_ne(access(rig_path("no.db"), F_OK), 0);
	ck_assert_msg(app_prepare(&settings, PREPARE_CREATE, why), "%s", why);
	ck_assert_msg(app_prepare(&settings, PREPARE_CREATE, why), "%s", why);
	ck_assert_msg(app_prepare(&settings, PREPARE_MIGRATE, why), "%s", why);
	struct app *app = app_new(&settings, why);
	ck_assert_msg(app != NULL, "%s", why);
	app_free(app);
	(void)unlink(rig_path("no.db"));
}
END_TEST

START_TEST(the_command_line_acts_as_superadmin)
{
	struct identity id;
	struct context c;
	struct record row;
	struct error e = {0};

	app_local(rig.app, a, &id, &c);
	ck_assert_int_eq(id.role, ROLE_SUPERADMIN);
	ck_assert_int_eq(resource_read(&c, &types_table[T_REGISTRY], "1sp2", &row, &e), ERR_NONE);
	ck_assert_int_eq(row.columns[COL_ACCOUNT_ID].number, PROJECT_OTHER);
}
END_TEST

START_TEST(the_housekeeper_purges_what_is_due)
{
	rig_exec(&rig, "UPDATE storage_pool SET state = 'removed', removed = unixepoch() * 1000 - "
		       "700000, remove_time = unixepoch() * 1000 - 100000 WHERE id = 1;"
		       "UPDATE storage_pool SET state = 'removed', removed = unixepoch() * 1000, "
		       "remove_time = unixepoch() * 1000 + 100000 WHERE id = 2");
	ck_assert(app_sweep(rig.app, NULL, NULL));
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(state) FROM storage_pool"),
			 "purged,removed");
	ck_assert_str_eq(rig_sql(&rig, "SELECT state FROM credential WHERE registry_id = 1"),
			 "removed");
}
END_TEST

static void
add_browsers(Suite *suite)
{
	TCase *tc = tcase_create("browsers");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, no_name_leaves_its_place_in_the_page, 0, COUNT_OF(hostile));
	tcase_add_test(tc, a_page_links_to_our_own_urls_and_names_the_schemas);
	tcase_add_loop_test(tc, any_document_becomes_a_page, 0, COUNT_OF(documents));
	tcase_add_loop_test(tc, a_browsers_write_shows_that_it_comes_from_a_page_of_ours, 0,
			    COUNT_OF(csrfs));
	suite_add_tcase(suite, tc);
}

static Suite *
app_suite(void)
{
	Suite *suite = suite_create("app");
	TCase *tc = tcase_create("app");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_first_of_several_errors_is_told, 0, COUNT_OF(orders));
	tcase_add_test(tc, a_request_that_is_not_whole_is_refused_before_its_key_is_looked_at);
	tcase_add_loop_test(tc, a_body_is_json_or_a_form_over_the_query, 0, COUNT_OF(bodies));
	tcase_add_loop_test(tc, a_ping_is_answered_without_key_and_headers, 0, COUNT_OF(pings));
	tcase_add_loop_test(tc, links_begin_with_the_base_url, 0, COUNT_OF(bases));
	tcase_add_loop_test(tc, a_request_without_memory_fails_whole_and_changes_nothing, 0,
			    COUNT_OF(hungry));
	tcase_add_test(tc, the_longest_answer_fits_into_the_room_that_was_kept);
	tcase_add_test(tc, another_key_file_is_refused_with_a_clear_sentence);
	tcase_add_test(tc, what_is_missing_is_named_and_not_made);
	tcase_add_test(tc, the_command_line_acts_as_superadmin);
	tcase_add_test(tc, the_housekeeper_purges_what_is_due);
	suite_add_tcase(suite, tc);
	add_browsers(suite);
	return suite;
}

int
main(void)
{
	return run_suite(app_suite());
}
