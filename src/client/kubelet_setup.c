/* kubelet_setup: `regcred kubelet-setup`: the configuration by which a kubelet asks
 * regcred-kubelet-provider. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/json_out.h"
#include "client/cli_keys.h"

static const char *
yaml_text(struct client_call *c, const char *text)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, c->arena);
	json_string(&w, text); /* a JSON string is also a YAML string */
	return json_out_text(&w, &len);
}

/* A pattern as the kubelet takes it: a host with globs, a port, a path; no scheme. */
static bool
is_pattern(const char *text)
{
	return *text != '\0' && strstr(text, "://") == NULL && strpbrk(text, " \t\"'@") == NULL;
}

static void
print_variable(struct client_call *c, const char *name, const char *value)
{
	if (value != NULL && *value != '\0')
		(void)printf("      - name: %s\n        value: %s\n", name, yaml_text(c, value));
}

/* By the token of a pod's service account, which the kubelet gets for this audience; else by a key
 * of the node. Logins are kept apart by service account. */
static void
print_identity(struct client_call *c, const char *audience, const char *key_file)
{
	if (audience == NULL) {
		print_variable(c, "REGCRED_API_KEY_FILE", key_file);
		return;
	}
	(void)printf("    tokenAttributes:\n      serviceAccountTokenAudience: %s\n"
		     "      cacheType: ServiceAccount\n      requireServiceAccount: true\n",
		     yaml_text(c, audience));
}

int
client_kubelet_setup(struct client_call *c)
{
	const char *audience = arguments_value(c->arguments, "audience", NULL);
	const char *key_file = arguments_value(c->arguments, "key-file", "/etc/regcred/node.key");
	const char *url = getenv("REGCRED_URL");

	if (c->arguments->word_count == 0)
		return call_fail("for which images? such as ghcr.io '*.azurecr.io' "
				 "registry.example.com:5000");
	for (size_t i = 0; i < c->arguments->word_count; i++)
		if (!is_pattern(c->arguments->words[i]))
			return call_fail("an image pattern has no scheme and no blanks: ghcr.io, "
					 "*.azurecr.io, registry.example.com:5000/team");
	if (url == NULL || *url == '\0') {
		if (!client_settings_load(&c->settings, c->why))
			return call_fail(c->why);
		url = c->settings.url;
	}
	(void)printf("# For kubelet --image-credential-provider-config; the program goes into the "
		     "directory of\n# --image-credential-provider-bin-dir.  ");
	if (audience == NULL)
		(void)printf("%s: mode 0600, owner root, the lines access_key = ... and\n"
			     "# secret_key = ... of a key of the role reveal (regcred key create "
			     "--for host).\n",
			     key_file);
	else
		(void)printf("Pods sign in with their service accounts, as\n# a section [token "
			     "NAME] of the server's regcred.conf says (docs/identities.md).\n");
	(void)printf("apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n"
		     "providers:\n  - name: regcred-kubelet-provider\n"
		     "    apiVersion: credentialprovider.kubelet.k8s.io/v1\n"
		     "    defaultCacheDuration: 1m0s\n    matchImages:\n");
	for (size_t i = 0; i < c->arguments->word_count; i++)
		(void)printf("      - %s\n", yaml_text(c, c->arguments->words[i]));
	(void)printf("    env:\n");
	print_variable(c, "REGCRED_URL", url);
	print_variable(c, "REGCRED_API_CA_FILE", c->settings.ca_file);
	print_identity(c, audience, key_file);
	return EXIT_OK;
}
