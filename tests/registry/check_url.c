/* check_registry_url: which addresses mean one registry, and which registry an image comes from. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "registry/url.h"

#include "support/support.h"

#define HEX32 "0123456789abcdef0123456789abcdef"

ARENA_FIXTURE((void)0)

// clang-format off
static const struct {
	const char *address, *key, *path, *api;
} addresses[] = {
	/* a plain name */
	{"ghcr.io", "ghcr.io", "", "https://ghcr.io"},
	{"registry", "registry", "", "https://registry"},
	{"localhost", "localhost", "", "https://localhost"},
	{"my_registry.intern", "my_registry.intern", "", "https://my_registry.intern"},
	{"xn--bcher-kva.example", "xn--bcher-kva.example", "", "https://xn--bcher-kva.example"},
	{"123456789012.dkr.ecr.eu-central-1.amazonaws.com", "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "", "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"},
	/* scheme, case, blanks, final dot */
	{"https://ghcr.io", "ghcr.io", "", "https://ghcr.io"},
	{"HTTPS://GHCR.IO", "ghcr.io", "", "https://ghcr.io"},
	{"  ghcr.io\t\r\n", "ghcr.io", "", "https://ghcr.io"},
	{"ghcr.io.", "ghcr.io", "", "https://ghcr.io"},
	{"ghcr.io/", "ghcr.io", "", "https://ghcr.io"},
	{"https://ghcr.io///", "ghcr.io", "", "https://ghcr.io"},
	{"docker://ghcr.io/acme", "ghcr.io", "acme", "https://ghcr.io"},
	{"oci://ghcr.io/acme", "ghcr.io", "acme", "https://ghcr.io"},
	{"http://ghcr.io", "ghcr.io", "", "http://ghcr.io"},
	/* port */
	{"ghcr.io:443", "ghcr.io", "", "https://ghcr.io"},
	{"https://ghcr.io:443/", "ghcr.io", "", "https://ghcr.io"},
	{"ghcr.io:8443", "ghcr.io:8443", "", "https://ghcr.io:8443"},
	{"localhost:5000", "localhost:5000", "", "https://localhost:5000"},
	{"http://localhost:5000", "localhost:5000", "", "http://localhost:5000"},
	{"ghcr.io:80", "ghcr.io:80", "", "https://ghcr.io:80"},
	{"http://ghcr.io:80", "ghcr.io", "", "http://ghcr.io"},
	{"http://ghcr.io:443", "ghcr.io:443", "", "http://ghcr.io:443"},
	{"ghcr.io.:8443", "ghcr.io:8443", "", "https://ghcr.io:8443"},
	{"r.example:65535", "r.example:65535", "", "https://r.example:65535"},
	/* IP addresses */
	{"10.0.0.7", "10.0.0.7", "", "https://10.0.0.7"},
	{"http://10.0.0.7:5000", "10.0.0.7:5000", "", "http://10.0.0.7:5000"},
	{"[::1]", "[::1]", "", "https://[::1]"},
	{"[2001:DB8:0:0::1]:5000", "[2001:db8::1]:5000", "", "https://[2001:db8::1]:5000"},
	{"http://[2001:db8::1]:80/x", "[2001:db8::1]", "x", "http://[2001:db8::1]"},
	/* path */
	{"ghcr.io/acme", "ghcr.io", "acme", "https://ghcr.io"},
	{"https://registry.gitlab.example//group/project/", "registry.gitlab.example", "group/project", "https://registry.gitlab.example"},
	{"https://ghcr.io/v2/", "ghcr.io", "", "https://ghcr.io"},
	{"https://ghcr.io/v1/", "ghcr.io", "", "https://ghcr.io"},
	{"https://ghcr.io/v2/acme", "ghcr.io", "acme", "https://ghcr.io"},
	{"https://ghcr.io/acme/v2", "ghcr.io", "acme/v2", "https://ghcr.io"},
	{"https://ghcr.io/v2/v2", "ghcr.io", "v2", "https://ghcr.io"},
	{"ghcr.io/ab", "ghcr.io", "ab", "https://ghcr.io"},
	{"ghcr.io/v20", "ghcr.io", "v20", "https://ghcr.io"},
	{"ghcr.io/Acme", "ghcr.io", "Acme", "https://ghcr.io"},
	{"r.example:5000/a.b_c--d", "r.example:5000", "a.b_c--d", "https://r.example:5000"},
	/* Docker Hub */
	{"docker.io", "docker.io", "", "https://registry-1.docker.io"},
	{"index.docker.io", "docker.io", "", "https://registry-1.docker.io"},
	{"https://index.docker.io/v1/", "docker.io", "", "https://registry-1.docker.io"},
	{"https://index.docker.io/v2/", "docker.io", "", "https://registry-1.docker.io"},
	{"http://index.docker.io/v1/", "docker.io", "", "https://registry-1.docker.io"},
	{"registry-1.docker.io", "docker.io", "", "https://registry-1.docker.io"},
	{"registry.hub.docker.com", "docker.io", "", "https://registry-1.docker.io"},
	{"hub.docker.com", "docker.io", "", "https://registry-1.docker.io"},
	{"Docker.IO:443", "docker.io", "", "https://registry-1.docker.io"},
	{"docker.io.", "docker.io", "", "https://registry-1.docker.io"},
	{"docker.io/acme", "docker.io", "acme", "https://registry-1.docker.io"},
	{"docker.io:5000", "docker.io:5000", "", "https://docker.io:5000"},
	{"docker.io.example.test", "docker.io.example.test", "", "https://docker.io.example.test"},
	{"notdocker.io", "notdocker.io", "", "https://notdocker.io"},
};
// clang-format on

START_TEST(an_address_has_one_canonical_form)
{
	struct registry_url url;

	ck_assert_pstr_eq(registry_url_parse(a, addresses[_i].address, &url), NULL);
	ck_assert_str_eq(url.key, addresses[_i].key);
	ck_assert_str_eq(url.path, addresses[_i].path);
	ck_assert_str_eq(url.api, addresses[_i].api);
	ck_assert_int_eq(url.plain_http, strncmp(url.api, "http:", 5) == 0);
	ck_assert_int_eq(url.hub, strcmp(url.key, "docker.io") == 0);
	ck_assert_ptr_null(strchr(url.host, '['));
}
END_TEST

START_TEST(the_canonical_form_is_its_own)
{
	struct registry_url url, again;

	ck_assert_pstr_eq(registry_url_parse(a, addresses[_i].address, &url), NULL);
	const char *text = arena_printf(a, "%s/%s", url.api, url.path);
	ck_assert_pstr_eq(registry_url_parse(a, text, &again), NULL);
	ck_assert_str_eq(again.api, url.api);
	ck_assert_str_eq(again.host, url.host);
	ck_assert_uint_eq(again.port, url.port);
}
END_TEST

static const char *const bad_addresses[] = {
	"",
	" ",
	"/",
	"https://",
	"https:///x",
	"ftp://ghcr.io",
	"file:///etc/passwd",
	"gopher://ghcr.io",
	"://ghcr.io",
	"ghcr io",
	"ghcr.io /x",
	"ghcr.io/a b",
	"user@ghcr.io",
	"https://user:pw@ghcr.io/",
	"ghcr.io?x=1",
	"ghcr.io/x#y",
	"ghcr.io:",
	"ghcr.io:0",
	"ghcr.io:00443",
	"ghcr.io:65536",
	"ghcr.io:999999",
	"ghcr.io:-1",
	"ghcr.io:44x",
	"ghcr.io:443:443",
	":5000",
	".",
	"..",
	"ghcr..io",
	".ghcr.io",
	"-ghcr.io",
	"ghcr-.io",
	"ghcr!.io",
	("b\xc3\xbc"
	 "cher.example"),
	"127.1",
	"0x7f.1",
	"0x7f000001",
	"2130706433",
	"017700000001",
	"127.0.0.01",
	"1.2.3.4.5",
	"256.1.1.1",
	"::1",
	"[::1",
	"[::1]x",
	"[::1]:",
	"[fe80::1%eth0]",
	"[127.0.0.1]",
	"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]",
	"ghcr.io/a://b",
	"[]",
	"ghcr.io/../x",
	"ghcr.io/a/./b",
	"ghcr.io/%2e%2e",
	"ghcr.io\\x",
	"ghcr.io/\\x",
	"ghcr.io/\x01",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
};

START_TEST(what_is_no_address_is_refused_with_a_sentence)
{
	struct registry_url url;
	const char *why = registry_url_parse(a, bad_addresses[_i], &url);

	ck_assert_msg(why != NULL, "%s was taken", bad_addresses[_i]);
	ck_assert_int_eq(why[strlen(why) - 1], '.');
	ck_assert(!arena_failed(a));
}
END_TEST

START_TEST(a_host_has_a_longest_name)
{
	struct registry_url url;
	char host[REGISTRY_HOST_MAX + 2];

	for (size_t len = REGISTRY_HOST_MAX; len <= REGISTRY_HOST_MAX + 1; len++) {
		for (size_t i = 0; i < len; i++)
			host[i] = i % 60 == 59 ? '.' : 'a';
		host[len] = '\0';
		ck_assert_int_eq(registry_url_parse(a, host, &url) == NULL,
				 len <= REGISTRY_HOST_MAX);
	}
}
END_TEST

// clang-format off
static const struct {
	const char *reference, *key, *repository, *tag, *digest;
} images[] = {
	{"ubuntu", "docker.io", "library/ubuntu", NULL, NULL},
	{"ubuntu:24.04", "docker.io", "library/ubuntu", "24.04", NULL},
	{"acme/app", "docker.io", "acme/app", NULL, NULL},
	{"acme/team/app:1", "docker.io", "acme/team/app", "1", NULL},
	{"docker.io/ubuntu", "docker.io", "library/ubuntu", NULL, NULL},
	{"docker.io/library/ubuntu", "docker.io", "library/ubuntu", NULL, NULL},
	{"index.docker.io/acme/app", "docker.io", "acme/app", NULL, NULL},
	{"ghcr.io/acme/app:1", "ghcr.io", "acme/app", "1", NULL},
	{"ghcr.io/app", "ghcr.io", "app", NULL, NULL},
	{"GHCR.io/acme/app", "ghcr.io", "acme/app", NULL, NULL},
	{"ghcr.io:443/acme/app", "ghcr.io", "acme/app", NULL, NULL},
	{"docker://ghcr.io/acme/app:1", "ghcr.io", "acme/app", "1", NULL},
	{"localhost/app", "localhost", "app", NULL, NULL},
	{"localhost:5000/app", "localhost:5000", "app", NULL, NULL},
	{"localhost:5000/app:5000", "localhost:5000", "app", "5000", NULL},
	{"localhost:5000", "docker.io", "library/localhost", "5000", NULL},
	{"localhost", "docker.io", "library/localhost", NULL, NULL},
	{"registry:5000/app", "registry:5000", "app", NULL, NULL},
	{"registry/app", "docker.io", "registry/app", NULL, NULL},
	{"Registry/app", "registry", "app", NULL, NULL},
	{"10.0.0.7:5000/app", "10.0.0.7:5000", "app", NULL, NULL},
	{"[2001:DB8::1]:5000/app", "[2001:db8::1]:5000", "app", NULL, NULL},
	{"localhost:5000/x@sha256:" HEX32 HEX32, "localhost:5000", "x", NULL, "sha256:" HEX32 HEX32},
	{"ghcr.io/a/b:t@sha256:" HEX32 HEX32, "ghcr.io", "a/b", "t", "sha256:" HEX32 HEX32},
	{"ghcr.io/a@md5x:" HEX32, "ghcr.io", "a", NULL, "md5x:" HEX32},
	{"ghcr.io/a.b/c_d/e__f/g---h", "ghcr.io", "a.b/c_d/e__f/g---h", NULL, NULL},
	{HEX32 HEX32 "/x", "docker.io", HEX32 HEX32 "/x", NULL, NULL},
	{"ghcr.io/a:V_1.2-x", "ghcr.io", "a", "V_1.2-x", NULL},
	/* As long as the id of an image. */
	{HEX32 "0123456789abcdef0123456789abcdeg", "docker.io",
	 "library/" HEX32 "0123456789abcdef0123456789abcdeg", NULL, NULL},
};
// clang-format on

START_TEST(an_image_comes_from_one_registry)
{
	struct registry_image image;

	ck_assert_pstr_eq(registry_image_parse(a, images[_i].reference, &image), NULL);
	ck_assert_str_eq(image.key, images[_i].key);
	ck_assert_str_eq(image.repository, images[_i].repository);
	ck_assert_pstr_eq(image.tag, images[_i].tag);
	ck_assert_pstr_eq(image.digest, images[_i].digest);
}
END_TEST

static const char *const bad_images[] = {
	"https://ghcr.io/acme/app:1",
	"http://localhost:5000/x",
	"oci://ghcr.io/acme/app",
	"",
	"/",
	"/app",
	"ghcr.io/",
	"ghcr.io//app",
	"ghcr.io/app/",
	"ghcr.io/App",
	"ubuntu:",
	"ubuntu:-x",
	"ubuntu:.x",
	"ubuntu:a:b",
	"ubuntu@",
	"ubuntu@sha256",
	"ubuntu@sha256:",
	"ubuntu@sha256:" HEX32,
	"ubuntu@x:abc",
	"ubuntu@1sha:" HEX32,
	"ubuntu@sh*a:" HEX32,
	HEX32 HEX32,
	"ubuntu@sha256:" HEX32 HEX32 "0",
	"ubuntu@sha256:" HEX32 "0123456789ABCDEF0123456789ABCDEF",
	"ghcr.io/a..b",
	"ghcr.io/a___b",
	"ghcr.io/-a",
	"ghcr.io/a-",
	"ghcr.io/a._b",
	"ghcr.io/a b",
	" ubuntu",
	"https://ghcr.io/app",
	"user@ghcr.io/app",
	"ghcr.io:x/app",
	"ghcr.io:0/app",
	"ghcr..io/app",
	"ghcr.io/app?x=1",
};

START_TEST(what_is_no_image_is_refused_with_a_sentence)
{
	struct registry_image image;
	const char *why = registry_image_parse(a, bad_images[_i], &image);

	ck_assert_msg(why != NULL, "%s was taken", bad_images[_i]);
	ck_assert_int_eq(why[strlen(why) - 1], '.');
	ck_assert(!arena_failed(a));
}
END_TEST

START_TEST(a_name_has_a_longest_length)
{
	struct registry_image image;
	char name[REPOSITORY_MAX + 2];

	for (size_t len = REPOSITORY_MAX; len <= REPOSITORY_MAX + 1; len++) {
		memset(name, 'a', len);
		memcpy(name, "ghcr.io/", 8);
		name[len] = '\0';
		ck_assert_int_eq(registry_image_parse(a, name, &image) == NULL,
				 len <= REPOSITORY_MAX);
	}
}
END_TEST

START_TEST(a_tag_has_a_longest_length)
{
	struct registry_image image;
	char name[IMAGE_TAG_MAX + 4] = "a:";

	for (size_t len = IMAGE_TAG_MAX; len <= IMAGE_TAG_MAX + 1; len++) {
		memset(name + 2, 'x', len);
		name[2 + len] = '\0';
		ck_assert_int_eq(registry_image_parse(a, name, &image) == NULL,
				 len <= IMAGE_TAG_MAX);
	}
}
END_TEST

static const struct {
	const char *path, *repository;
	bool holds;
} paths[] = {
	{"", "acme/app", true},		{"acme", "acme/app", true},
	{"acme/app", "acme/app", true}, {"acme", "acmes/app", false},
	{"acme/ap", "acme/app", false}, {"acme/app/x", "acme/app", false},
};

START_TEST(a_path_is_names_of_repositories)
{
	char path[REPOSITORY_MAX + 2];

	ck_assert_pstr_eq(registry_path_check("acme/app"), NULL);
	ck_assert_pstr_ne(registry_path_check("acme/"), NULL);
	ck_assert_pstr_ne(registry_path_check("Acme"), NULL);
	for (size_t len = REPOSITORY_MAX; len <= REPOSITORY_MAX + 1; len++) {
		memset(path, 'a', len);
		path[len] = '\0';
		ck_assert_int_eq(registry_path_check(path) == NULL, len <= REPOSITORY_MAX);
	}
}
END_TEST

START_TEST(a_path_holds_whole_segments)
{
	ck_assert_int_eq(registry_path_holds(paths[_i].path, paths[_i].repository),
			 paths[_i].holds);
}
END_TEST

START_TEST(without_memory_there_is_a_sentence_and_no_crash)
{
	struct registry_url url;
	struct registry_image image;
	bool failed = true;

	for (unsigned n = 1; failed; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		failed = registry_url_parse(a, "http://[::1]:5000/x", &url) != NULL;
		ck_assert_int_eq(failed, arena_failed(a));
		ck_assert_uint_lt(n, 20);
	}
	failed = true;
	for (unsigned n = 1; failed; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		failed = registry_image_parse(a, "docker.io/x:1", &image) != NULL;
		ck_assert_int_eq(failed, arena_failed(a));
		ck_assert_uint_lt(n, 20);
	}
}
END_TEST

static Suite *
registry_url_suite(void)
{
	Suite *suite = suite_create("registry_url");
	TCase *tc = tcase_create("registry_url");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, an_address_has_one_canonical_form, 0, COUNT_OF(addresses));
	tcase_add_loop_test(tc, the_canonical_form_is_its_own, 0, COUNT_OF(addresses));
	tcase_add_loop_test(tc, what_is_no_address_is_refused_with_a_sentence, 0,
			    COUNT_OF(bad_addresses));
	tcase_add_test(tc, a_host_has_a_longest_name);
	tcase_add_loop_test(tc, an_image_comes_from_one_registry, 0, COUNT_OF(images));
	tcase_add_loop_test(tc, what_is_no_image_is_refused_with_a_sentence, 0,
			    COUNT_OF(bad_images));
	tcase_add_test(tc, a_name_has_a_longest_length);
	tcase_add_test(tc, a_tag_has_a_longest_length);
	tcase_add_test(tc, a_path_is_names_of_repositories);
	tcase_add_loop_test(tc, a_path_holds_whole_segments, 0, COUNT_OF(paths));
	tcase_add_test(tc, without_memory_there_is_a_sentence_and_no_crash);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(registry_url_suite());
}
