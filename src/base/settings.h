/* settings: the settings as plain data; server/config.c fills them in. */
#ifndef REGCRED_BASE_SETTINGS_H
#define REGCRED_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

enum {
	CONFIG_PATH_MAX = 1024,
	CONFIG_TEXT_MAX = 1024,
	CONFIG_WHY_MAX = 4096,
	CONFIG_UIDS_MAX = 16,
	CONFIG_GROUPS_MAX = 256,
	CONFIG_GROUP_SIZE = 256 /* of a group's name, with its NUL */
};

/* A line of the section [groups]: what a group of the sign-on in front gives its members.  Either a
 * kind of account, or a role in a project. */
struct group_grant {
	char name[CONFIG_GROUP_SIZE];
	const char *kind; /* NULL: a role in a project */
	const char *role;
	int64_t project_id;
};

enum journal { JOURNAL_AUTO, JOURNAL_WAL, JOURNAL_ROLLBACK };

struct settings {
	char state_dir[CONFIG_PATH_MAX]; /* where database, key and lock lie unless they are named
					    themselves */
	char database[CONFIG_PATH_MAX];	 /* default: STATE_DIR/regcred.db */
	char key_file[CONFIG_PATH_MAX];	 /* default: $CREDENTIALS_DIRECTORY/master.key if that
					    exists, else STATE_DIR/master.key */
	char socket[CONFIG_PATH_MAX];	 /* default: STATE_DIR/regcredd.sock; regcredd makes it */
	char pid_file[CONFIG_PATH_MAX];	 /* "" for none */
	char user[CONFIG_TEXT_MAX];	 /* to become when started as root; "" to stay */
	char group[CONFIG_TEXT_MAX];
	char base_url[CONFIG_TEXT_MAX]; /* "https://creds.example.test[/prefix]"; "" takes scheme
					   and host from the web server */
	int64_t socket_mode;		/* octal in the file: 0660 */
	int64_t workers;		/* 1..64 processes */
	int64_t threads;		/* 1..256 in each */
	int64_t backlog; /* 1024: facts: 5 or 32 lost 99 % of the requests at 64 connections */
	int64_t readers; /* read-only database connections in each process, 1..64 */
	int64_t read_timeout_s;	   /* SO_RCVTIMEO on a connection from the web server */
	int64_t request_timeout_s; /* a process whose request takes longer, or that shows no sign of
				      life, is killed; 0: never */
	int64_t drain_timeout_s;   /* after SIGTERM: what still runs then is cut off */
	int64_t removed_keep_s;	   /* a removed row stays `removed` so long before it is purged; at
				      least 600 */
	int64_t purged_keep_s;	   /* a purged row answers by id so long after its removal */
	int64_t audit_keep_s;	   /* 0: for ever; whole segments go */
	int64_t auth_failures;	   /* sign-ins of one address that may fail in a window; 0: any
				      number */
	int64_t auth_failures_window_s;
	int64_t min_free_bytes; /* with less on the disk nothing is created or updated; 0: any */
	enum journal journal;	/* of the database: store.h */
	int64_t sweep_every_s;	/* pause between two passes of the housekeeper */
	uid_t allowed_uids[CONFIG_UIDS_MAX]; /* peers of the socket: names or numbers in the file;
						root and our own uid always may */
	size_t allowed_uid_count;
	enum log_level log_level;
	unsigned log_format;	   /* 1: JSON */
	bool core_dumps;	   /* off: no core file, no debugger; see harden.h */
	unsigned sandbox;	   /* 1 or 0: what a worker may still do: sandbox.h */
	bool open; /* no authentication: test rigs on loopback only, says so loudly at each start */
	bool proxy_auth; /* people whom the web server signed in need no key: proxy.h */
	char proxy_token_file[CONFIG_PATH_MAX];
	bool proxy_create_users; /* make an account for a name that is seen first */
	bool proxy_trust_cgi;	 /* believe a CGI's environment too */
	struct group_grant groups[CONFIG_GROUPS_MAX];
	size_t group_count;
	char verify_networks[CONFIG_TEXT_MAX]; /* as network.h keeps a list: loopback that logins
						  may be checked at */
	char insecure_registries[CONFIG_TEXT_MAX];
	char verify_ca_file[CONFIG_PATH_MAX];
	char verify_proxy[CONFIG_TEXT_MAX];
	int64_t verify_timeout_s;
	int64_t verify_threads;
	int64_t verify_per_minute; /* checks that an account may ask for; 0: any number */
	/* What one account may take of what all share; 0: any number. */
	int64_t writes_per_minute, repositories_per_hour, rows_per_project, projects_per_user;
	bool trust_forwarded;	   /* base URL from X-Forwarded-Proto, -Host, -Port */
};

#endif
