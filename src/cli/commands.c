/* commands: the commands of `regcred`: those that ask a server, from any machine; and those that
 * work in the database of this machine, which a program that is a client only lacks. */
#include "base/arguments.h"
#include "cli/command.h"
#include "client/cli_client.h"
#include "client/cli_keys.h"
#include "client/cli_logins.h"
#include "model/source.h"
#ifdef REGCRED_CLIENT_ONLY
#define LOCAL(function) NULL
#else
#include "cli/audit.h"
#include "cli/keys.h"
#include "cli/upkeep.h"
#define LOCAL(function) function
#endif

static void
print_roles(FILE *out)
{
	(void)fputs(
#define KEY_ROLE(name, of) " " name
#include "model/key_role.def"
		, out);
}

static void
print_sources(FILE *out)
{
	for (const char *const *name = source_names; *name != NULL; name++)
		(void)fprintf(out, " %s", *name);
}

/* clang-format off */

const struct option options[] = {
	{ "account",     "ID",       "account or project that the key is for, such as 1a5", NULL },
	{ "all",         NULL,       "for every registry that is not named", NULL },
	{ "allow-http",  NULL,       "send the key and all logins unencrypted; loopback needs no permission", NULL },
	{ "anchor",      "LINE",     "a line that `regcred audit head` printed: that row must still be there", NULL },
	{ "audience",    "TEXT",     "for pods that sign in with their service accounts: the audience of their tokens", NULL },
	{ "batch",       "N",        "values to reseal per transaction, 1 to 10000; 200 by default", NULL },
	{ "ca-file",     "FILE",     "CA certificates that the server's certificate is checked against", NULL },
	{ "cache",       "TIME",     "how long docker-credential-regcred keeps a login for when the server does not answer, such as 1h", NULL },
	{ "context",     "NAME",     "the server that `regcred login --context NAME` stored; REGCRED_CONTEXT says the same", NULL },
	{ "default",     NULL,       "the login that is used where several fit", NULL },
	{ "description", "TEXT",     "a description", NULL },
	{ "dry-run",     NULL,       "show what would be done without changing anything", NULL },
	{ "event",       "EVENT",    "only rows of this event, such as create, handOut or signInRefused", NULL },
	{ "expires",     "TIME",     "when it ends: 2030-01-31T00:00:00Z, or days or hours from now: 90d, 12h", NULL },
	{ "follow",      NULL,       "go on with rows as they come", NULL },
	{ "for",         "PURPOSE",  "what the key is for: host, ci or inject; prints what to put where", NULL },
	{ "force",       NULL,       "do it although the command advises against it", NULL },
	{ "from-file",   "FILE",     "the password is the content of this file", NULL },
	{ "help",        NULL,       "print this", NULL },
	{ "json",        NULL,       "print JSON, one object per line", NULL },
	{ "key-file",    "FILE",     "file of mode 0600 with the lines access_key = ... and secret_key = ...", NULL },
	{ "kind",        "KIND",     "kind of the account; user by default", local_print_kinds },
	{ "limit",       "N",        "rows at most", NULL },
	{ "name",        "TEXT",     "a name", NULL },
	{ "networks",    "NETWORKS", "networks that the key works from: 192.0.2.0/24,2001:db8::/32", NULL },
	{ "nginx",       "FILE",     "nginx configuration to check, with everything it includes", NULL },
	{ "overlap",     "TIME",     "how long the former password can still be asked for, such as 1h", NULL },
	{ "password-stdin", NULL,    "the password comes from standard input", NULL },
	{ "path",        "PATH",     "only for repositories below this path, such as acme/app; may be repeated", NULL },
	{ "podman",      NULL,       "change auth.json of podman, skopeo and buildah", NULL },
	{ "project",     "PROJECT",  "name or id of the project", NULL },
	{ "proxy-user",  "NAME",     "name that the web server signs the person in by", NULL },
	{ "quiet",       NULL,       "print ids only; -q is the same", NULL },
	{ "reason",      "TEXT",     "why; kept in the audit log", NULL },
	{ "registry",    "REGISTRY", "only for this registry; may be repeated", NULL },
	{ "replace",     NULL,       "replace the password of an existing login by the one in the file", NULL },
	{ "resource",    "ID",       "only rows about this resource, such as 1c7", NULL },
	{ "reveal",      NULL,       "the key may get passwords too, besides what its account may", NULL },
	{ "role",        "ROLE",     "what the key is limited to; by default it may do what its account may", print_roles },
	{ "set",         "NAME=VALUE", "a member of the source's configuration; may be repeated", NULL },
	{ "source",      "SOURCE",   "where the login renews itself from", print_sources },
	{ "test",        NULL,       "check it at its registry at once", NULL },
	{ "undo",        NULL,       "remove the entries that name regcred", NULL },
	{ "user",        "NAME",     "the user name at the registry; -u is the same", NULL },
	{ "verify-repository", "PATH", "a repository that the check of this login pulls from", NULL },
	{ "within",      "TIME",     "days or hours, such as 14d or 36h; 14d by default", NULL },
	{ NULL, NULL, NULL, NULL },
};

const struct command commands[] = {
	{ "ls", " [REGISTRY]", 1, "project context json quiet", NULL, false, client_ls, "list the logins: id, registry, user, path, state, whether it works, when it expires, last used" },
	{ "show", " LOGIN", 1, "project context json quiet", NULL, false, client_show, "show a login: give its id, its name, its registry or USER@REGISTRY" },
	{ "add", " REGISTRY[/PATH]", 1, "user password-stdin from-file source set name description expires verify-repository default test project context json quiet", NULL, false, client_add, "store a login; its password is typed, piped or in a file" },
	{ "rotate", " LOGIN", 1, "password-stdin from-file overlap expires test project context json quiet", NULL, false, client_rotate, "give a login a new password" },
	{ "refresh", " LOGIN", 1, "project context json", NULL, false, client_refresh, "renew a login at its source now" },
	{ "test", " REGISTRY", 1, "user password-stdin from-file project context json", NULL, false, client_test, "try a user name and password at a registry without storing them" },
	{ "verify", " LOGIN", 1, "project context json", NULL, false, client_verify, "check a stored login at its registry" },
	{ "enable", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_enable, "activate logins" },
	{ "disable", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_disable, "deactivate logins: nobody gets them from then on" },
	{ "rm", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_rm, "deactivate and remove logins" },
	{ "which", " IMAGE", 1, "project context json", NULL, false, client_which, "show which login an image uses and why, and why not the others; exit status 1 if none" },
	{ "expiring", "", 0, "within project context json quiet", NULL, false, client_expiring, "list the logins that expire soon or have expired" },
	{ "used", "", 0, "project context json quiet", NULL, false, client_used, "list the logins by when they were last used, and by which key" },
	{ "registries", "", 0, "project context json quiet", NULL, false, client_registries, "list the registries" },
	{ "key ls", "", 0, "project context json quiet", NULL, false, client_key_ls, "list the API keys of the server with their bounds" },
	{ "projects", "", 0, "context json quiet", NULL, false, client_projects, "list the projects that this key sees" },
	{ "members", "", 0, "project context json quiet", NULL, false, client_members, "list the members of projects" },
	{ "audit", "", 0, "resource event limit follow project context json", NULL, false, client_audit, "print the newest rows of the audit log" },
	{ "whoami", "", 0, "context", NULL, false, client_whoami, "show the server, the key, its bounds and what it may do" },
	{ "doctor", " [IMAGE]", 1, "project context", NULL, false, client_doctor, "walk the path of a pull of this image from this machine, and say of each step what is wrong and what to do" },
	{ "kubelet-setup", " IMAGES...", ARGUMENT_WORDS_MAX, "audience key-file context", NULL, false, client_kubelet_setup, "print the configuration by which a kubelet asks regcred-kubelet-provider for the logins of these images" },
	{ "completion", " SHELL", 1, "", NULL, false, NULL, "print what makes bash, zsh or fish complete these commands" },
	{ "key create", "", 0, "for registry path account name description expires reveal role networks project context json", LOCAL(command_key_create), true, client_key_create, "create an API key and print it once: with --for on the server that was logged in to, else in the database of this machine" },
	{ "key revoke", " KEY", 1, "project context", LOCAL(command_key_revoke), true, client_key_revoke, "deactivate and remove a key: its id or access key; in the database of this machine if there is one, else on the server that was logged in to" },
#ifndef REGCRED_CLIENT_ONLY
	{ "init", "", 0, "", command_init, false, NULL, "create the state directory, the master key and the database" },
	{ "key list", "", 0, "json", command_key_list, true, NULL, "list the API keys: id, account, access key, state, created, expires, last used, from, role, name" },
	{ "account add", "", 0, "kind name description proxy-user", command_account_add, true, NULL, "add an account (user, admin, project, ...) and print its id" },
	{ "account list", "", 0, "json", command_account_list, true, NULL, "list the accounts: id, kind, state, created, name" },
	{ "account lock", " ID", 1, "", command_account_lock, true, NULL, "deactivate an account, whatever it owns: it and the keys that it made no longer sign anyone in" },
	{ "account unlock", " ID", 1, "", command_account_unlock, true, NULL, "activate an account again" },
	{ "sweep", "", 0, "", command_sweep, true, NULL, "purge, delete and renew what is due; needed for CGI only, since regcredd does it by itself" },
	{ "status", "", 0, "json", command_status, false, NULL, "show the state of the pool, the database and the housekeeper; exit status 1 if something is wrong, 3 if no pool runs" },
	{ "rekey", "", 0, "batch", command_rekey, true, NULL, "replace the key that seals secrets while regcredd runs; continues an interrupted rotation" },
	{ "audit list", "", 0, "resource event limit json", command_audit_list, true, NULL, "print the audit log, newest first: id, time, who, from where, what, of what, changes" },
	{ "audit verify", "", 0, "anchor", command_audit_verify, true, NULL, "prove that no row of the audit log was altered, removed or added; names the first one that was" },
	{ "audit head", "", 0, "", command_audit_head, true, NULL, "print the number and hash of the last row of the audit log; keep them elsewhere for --anchor" },
	{ "audit restart", "", 0, "reason force", command_audit_restart, true, NULL, "restart an audit log that cannot be proven or continued" },
	{ "backup", " FILE", 1, "force", command_backup, false, NULL, "copy the database to a file while regcredd runs, and check the copy" },
	{ "restore", " FILE", 1, "", command_restore, false, NULL, "replace the database with a copy while nothing runs; the old one is kept" },
	{ "check", "", 0, "nginx", command_check, false, NULL, "check the configuration, the database and its key, and count what each key has sealed; or look for known mistakes in an nginx configuration" },
#endif
	{ "login", " URL", ARGUMENT_WORDS_MAX, "key-file ca-file allow-http cache context", NULL, false, client_login, "store the address and API key of a server in ~/.config/regcred/client.ini, once the server has accepted the key" },
	{ "logout", "", ARGUMENT_WORDS_MAX, "context", NULL, false, client_logout, "remove the address and API key that login stored" },
	{ "import", " FILE...", ARGUMENT_WORDS_MAX, "dry-run replace project context", NULL, false, client_import, "store the logins of config.json and auth.json on the server that was logged in to" },
	{ "docker-setup", " REGISTRY...", ARGUMENT_WORDS_MAX, "all undo podman dry-run", NULL, false, client_docker_setup, "make docker ask docker-credential-regcred for the logins of these registries" },
	{ NULL, NULL, 0, NULL, NULL, false, NULL, NULL },
};

/* clang-format on */
