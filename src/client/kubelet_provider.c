/* kubelet_provider: regcred-kubelet-provider, which the kubelet runs to get the login of an image:
 * a CredentialProviderRequest on standard input, a CredentialProviderResponse on standard output.
 *
 * The server writes the answer; this program asks for it.  Whatever goes wrong is one line on
 * standard error, which ends up in the kubelet's log, and exit status 1: the pull then goes on
 * without a login.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/harden.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/text.h"
#include "base/version.h"
#include "client/client.h"

enum {
	TIMEOUT_MS = 1900, /* for one of two tries: the answer is there within five seconds */
	INPUT_MAX = 64 * 1024,
	ARENA_MAX = 8 * 1024 * 1024,
};

static const char group[] = "credentialprovider.kubelet.k8s.io/";

struct provider {
	struct arena *arena;
	struct client_settings settings;
	struct client client;
	char why[CLIENT_WHY_MAX];
	char input[INPUT_MAX + 1];
	const char *image, *version;
	const char *token; /* of the pod's service account; NULL: the node's key is used */
};

static int
provider_fail(const char *why)
{
	(void)fputs("regcred-kubelet-provider: ", stderr);
	text_print_plain(stderr, why);
	(void)fputc('\n', stderr);
	return 1;
}

/* NULL, or what is wrong with the request. */
static const char *
read_request(struct provider *p)
{
	size_t len = fread(p->input, 1, sizeof(p->input), stdin);
	struct json *request = NULL;
	struct error e = {0};
	const char *kind;

	if (ferror(stdin) != 0 || len > INPUT_MAX)
		return "standard input is too long or cannot be read";
	if (json_parse(p->arena, p->input, len, &request, &e) != ERR_NONE)
		return "standard input is not a CredentialProviderRequest in JSON";
	kind = client_text(request, "kind");
	p->version = client_text(request, "apiVersion");
	p->image = client_text(request, "image");
	p->token = client_text(request, "serviceAccountToken");
	if (p->token != NULL && *p->token == '\0')
		p->token = NULL;
	if (kind == NULL || strcmp(kind, "CredentialProviderRequest") != 0 || p->version == NULL ||
	    strncmp(p->version, group, sizeof(group) - 1) != 0)
		return "standard input is not a CredentialProviderRequest: see apiVersion in the "
		       "configuration of the kubelet";
	return p->image != NULL && *p->image != '\0' ? NULL : "the request names no image";
}

static const char *
question(const struct provider *p)
{
	return json_strings(p->arena, "format", "kubelet", "apiVersion", p->version, "image",
			    p->image);
}

/* No login: the pull goes on without one, and the kubelet is to ask again next time. */
static int
answer_nothing(const struct provider *p)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, p->arena);
	json_begin_object(&w);
	json_string_member(&w, "kind", "CredentialProviderResponse");
	json_string_member(&w, "apiVersion", p->version);
	json_string_member(&w, "cacheKeyType", "Image");
	json_string_member(&w, "cacheDuration", "0s");
	json_name(&w, "auth");
	json_begin_object(&w);
	json_end_object(&w);
	json_end_object(&w);
	const char *text = json_out_text(&w, &len);
	return text != NULL && puts(text) >= 0 ? 0 : provider_fail("out of memory");
}

/* Once more if no answer came: another server may be behind the address. */
static bool
ask_twice(struct provider *p, struct client_answer *out)
{
	const char *body = question(p);

	client_each(&p->client, TIMEOUT_MS);
	if (body == NULL)
		return false;
	*out = (struct client_answer){0};
	if (client_do(&p->client, "POST", "handouts", body, out))
		return true;
	return out->status == 0 && client_do(&p->client, "POST", "handouts", body, out);
}

static int
provide(struct provider *p)
{
	const char *wrong = read_request(p), *code;
	struct client_answer answer;

	if (wrong != NULL)
		return provider_fail(wrong);
	if (!client_settings_load_token(&p->settings, p->token, p->why) ||
	    !client_open(&p->client, p->arena, &p->settings, 2 * (int64_t)TIMEOUT_MS, p->why))
		return provider_fail(p->why);
	if (ask_twice(p, &answer))
		return fwrite(answer.text, 1, answer.len, stdout) == answer.len &&
				       putchar('\n') == '\n'
			       ? 0
			       : 1;
	code = answer.body != NULL ? client_text(answer.body, "code") : NULL;
	return code != NULL && strcmp(code, "NoLogin") == 0 ? answer_nothing(p)
							    : provider_fail(p->why);
}

static int
provider_run(void)
{
	static struct provider p;

	json_in_init();
	p.arena = arena_new(ARENA_MAX);
	if (p.arena == NULL || !harden_dumps(false))
		return provider_fail("out of memory, or core files cannot be switched off");
	int status = provide(&p);
	client_close(&p.client);
	arena_free(p.arena);
	explicit_bzero(&p, sizeof(p));
	return status;
}

int
main(int argc, char **argv)
{
	int status = 0;

	if (!harden_descriptors())
		return 1;
	(void)umask(0077);
#ifdef M_PERTURB
	(void)mallopt(M_PERTURB, 0x5a);
#endif
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		(void)printf("regcred-kubelet-provider (regcred) %s\n", version_text);
	else if (argc == 2 && strcmp(argv[1], "--help") == 0)
		(void)puts("usage: regcred-kubelet-provider <CredentialProviderRequest\n\n"
			   "The kubelet runs it; `regcred kubelet-setup` prints the "
			   "configuration for that.");
	else if (argc != 1)
		return provider_fail("it takes no arguments: see regcred-kubelet-provider --help");
	else
		status = provider_run();
	return harden_output("regcred-kubelet-provider", status);
}
