/* regcredd: the worker pool behind a FastCGI web server, or one request as a CGI. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "base/err.h"
#include "base/exit.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/version.h"
#include "server/config.h"
#include "server/gateway.h"
#include "server/pool.h"
#include "server/sandbox.h"
#include "service/app.h"
#include "service/owner.h"
#include "store/store.h"

/* Options that are not settings. */
struct wishes {
	bool help;
	bool man;
	bool version;
	bool check;
};

static int
usage_error(const char *why)
{
	fprintf(stderr, "regcredd: %s\n", why);
	return EXIT_USAGE;
}

static int
print_help(void)
{
	printf("Usage: regcredd [OPTION]...\n"
	       "Keeps, checks and hands out container-registry logins behind a FastCGI web "
	       "server.\n"
	       "Started by a web server as a CGI it answers one request.\n"
	       "\n"
	       "  --help                     Print this; --help=man prints the settings for a man "
	       "page.\n"
	       "  --version                  Print the version and, where it is known, the "
	       "commit.\n"
	       "  --check                    Check settings, key and database, change nothing.\n"
	       "\n"
	       "Settings, also as NAME = VALUE in the file and as REGCRED_NAME in the "
	       "environment;\nan option wins over the environment, and that over the file:\n"
	       "\n");
	config_help(stdout);
	return 0;
}

/* Takes these options out of argv, wherever they are; returns the new argc. */
static int
take_wishes(int argc, char **argv, struct wishes *wishes)
{
	int kept = 1;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			wishes->help = true;
		else if (strcmp(argv[i], "--help=man") == 0)
			wishes->man = true;
		else if (strcmp(argv[i], "--version") == 0)
			wishes->version = true;
		else if (strcmp(argv[i], "--check") == 0)
			wishes->check = true;
		else
			argv[kept++] = argv[i];
	}
	return kept;
}

static int
check(const struct settings *s)
{
	char why[CONFIG_WHY_MAX];

	if (!owner_become(s, true, why) || !app_prepare(s, PREPARE_CHECK, why)) {
		fprintf(stderr, "regcredd: %s\n", why);
		return EXIT_FAILED;
	}
	printf("settings, key and database are fine\n");
	return 0;
}

/* The CGI client gets a short answer; the reason goes to the web server's log. */
static int
cgi_answer(enum err code, const char *why)
{
	const char *method = getenv("REQUEST_METHOD");

	log_error("%s", why);
	printf("Status: %d %s\r\nContent-Type: application/json; charset=utf-8\r\n",
	       err_status(code), err_code(code));
	if (code == ERR_UNAVAILABLE)
		printf("Retry-After: %d\r\n", STORE_RETRY_AFTER_S);
	printf("\r\n");
	if (method == NULL || strcmp(method, "HEAD") != 0)
		printf("{\"type\":\"error\",\"status\":%d,\"code\":\"%s\",\"message\":\"%s\","
		       "\"detail\":\"%s\",\"links\":{},\"actions\":{},\"baseType\":\"error\"}",
		       err_status(code), err_code(code), err_code(code), err_detail(code));
	return EXIT_FAILED;
}

static int
cgi_failed(const char *why)
{
	return cgi_answer(ERR_INTERNAL, why);
}

/* Whether path is at or below directory; both with symbolic links resolved. */
static bool
is_below(const char *path, const char *directory)
{
	char real[PATH_MAX], root[PATH_MAX];
	size_t len;

	if (directory == NULL || realpath(path, real) == NULL || realpath(directory, root) == NULL)
		return false;
	len = strlen(root);
	return len > 1 && strncmp(real, root, len) == 0 && (real[len] == '/' || real[len] == '\0');
}

/* A web server may serve the files next to its programs. */
static bool
is_served(const struct settings *s)
{
	const char *roots[] = {getenv("DOCUMENT_ROOT"), NULL};
	const char *secrets[] = {s->state_dir, s->database, s->key_file};
	const char *program = getenv("SCRIPT_FILENAME");
	char beside[PATH_MAX] = "";

	if (program != NULL && strlen(program) < sizeof(beside))
		roots[1] = dirname(strcpy(beside, program));
	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
		for (size_t r = 0; r < sizeof(roots) / sizeof(*roots); r++)
			if (is_below(secrets[i], roots[r]))
				return true;
	return false;
}

static struct app *
cgi_open(const struct settings *s)
{
	char why[CONFIG_WHY_MAX];
	struct app *app = app_new(s, why);

	if (app == NULL && errno == EBUSY)
		(void)cgi_answer(ERR_UNAVAILABLE, why);
	else if (app == NULL)
		(void)cgi_answer(store_is_file(s->database) &&
						 disk_free_bytes(s->database) < DISK_FULL_BYTES
					 ? ERR_DISK_FULL
					 : ERR_INTERNAL,
				 why);
	return app;
}

/* Serves one request. Ignores the arguments, where a web server may put words of the query. */
static int
run_cgi(void)
{
	char program[] = "regcredd", why[CONFIG_WHY_MAX];
	char *argv[] = {program, NULL};
	struct settings s;
	struct sandbox sandbox;
	int arg = 1;

	umask(0077);
	if (!config_load(&s, 1, argv, &arg, why))
		return cgi_failed(why);
	config_use_log(&s);
	if (!harden_dumps(s.core_dumps))
		return cgi_failed("cannot forbid core files: the line before says why");
	if (s.open)
		return cgi_failed("open cannot be used for a CGI: anyone who controls the "
				  "program's environment "
				  "could set it");
	if (is_served(&s))
		return cgi_failed("the state directory is in the web root, where everyone may read "
				  "it: move it elsewhere");
	if (!sandbox_enter(&s, SANDBOX_SERVER, &sandbox))
		return cgi_failed(sandbox.missing);
	if (!gateway_init())
		return cgi_failed(
			"cannot start libfcgi or libsodium: free memory, or raise its limit");
	return gateway_serve_cgi(&s, cgi_open);
}

int
main(int argc, char **argv)
{
	struct wishes wishes = {0};
	char why[CONFIG_WHY_MAX];
	struct settings s;
	int arg = 1;

	if (!harden_descriptors())
		return EXIT_FAILED;
	if (gateway_is_cgi())
		return run_cgi();
	argc = take_wishes(argc, argv, &wishes);
	if (wishes.help)
		return harden_output("regcredd", print_help());
	if (wishes.man) {
		config_man(stdout);
		return harden_output("regcredd", 0);
	}
	if (wishes.version) {
		printf("regcredd %s\n", version_text);
		return harden_output("regcredd", 0);
	}
	if (!config_load(&s, argc, argv, &arg, why))
		return usage_error(why);
	if (arg < argc) {
		snprintf(why, sizeof(why), "unknown argument \"%.64s\"; see regcredd --help",
			 argv[arg]);
		return usage_error(why);
	}
	config_use_log(&s);
	if (wishes.check)
		return harden_output("regcredd", check(&s));
	config_warn(&s);
	return pool_run(&s, argc, argv);
}
