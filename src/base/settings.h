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

/* A line of the section [groups]: what a group of reverse-proxy authentication gives its members,
 * either a kind of account or a role in a project. */
struct group_grant {
	char name[CONFIG_GROUP_SIZE];
	const char *kind; /* NULL: a role in a project */
	const char *role;
	int64_t project_id;
};

enum journal { JOURNAL_AUTO, JOURNAL_WAL, JOURNAL_ROLLBACK };

struct settings {
	char state_dir[CONFIG_PATH_MAX]; /* where database, key and lock are unless set separately
					  */
	char database[CONFIG_PATH_MAX];	 /* default: STATE_DIR/regcred.db */
	char key_file[CONFIG_PATH_MAX];	 /* default: $CREDENTIALS_DIRECTORY/master.key if that
					    exists, else STATE_DIR/master.key */
	char socket[CONFIG_PATH_MAX];	 /* default: STATE_DIR/regcredd.sock; created by regcredd */
	char pid_file[CONFIG_PATH_MAX];	 /* "" for none */
	char user[CONFIG_TEXT_MAX];	 /* user to switch to when started as root; "": stay root */
	char group[CONFIG_TEXT_MAX];
	char base_url[CONFIG_TEXT_MAX]; /* "https://creds.example.test[/prefix]"; "" takes scheme
					   and host from the web server */
	int64_t socket_mode;		/* octal in the file: 0660 */
	int64_t workers;		/* 1..64 processes */
	int64_t threads;		/* 1..256 in each */
	int64_t backlog; /* listen(2); with 5 or 32, 64 connections lost 99 % of the requests */
	int64_t readers; /* read-only database connections in each process, 1..64 */
	int64_t read_timeout_s;	   /* SO_RCVTIMEO on a connection from the web server */
	int64_t request_timeout_s; /* a process that hangs, or whose request takes longer, is
				      killed; 0: never */
	int64_t drain_timeout_s;   /* after SIGTERM: requests that still run then are cut off */
	int64_t removed_keep_s;	   /* time from removal to purge; at least 600 */
	int64_t purged_keep_s; /* time from removal until a purged row no longer answers by id */
	int64_t audit_keep_s;  /* 0: for ever; deleted in whole segments */
	int64_t auth_failures; /* failed sign-ins allowed to one address in a window; 0: any number
				*/
	int64_t auth_failures_window_s;
	int64_t min_free_bytes; /* with less free disk space nothing is created or updated; 0: no
				   limit */
	enum journal journal;	/* journal of the database: store/store.h */
	int64_t sweep_every_s;	/* pause between housekeeper passes */
	uid_t allowed_uids[CONFIG_UIDS_MAX]; /* allowed peers of the socket, by name or number in
						the file; root and our own uid are always allowed */
	size_t allowed_uid_count;
	enum log_level log_level;
	unsigned log_format; /* 1: JSON */
	bool core_dumps;     /* off: no core file, no debugger; see harden.h */
	unsigned sandbox;    /* 1 or 0: restrict workers, see server/sandbox.h */
	bool open; /* no authentication: only for tests on loopback; logs a warning at each start */
	bool proxy_auth; /* users authenticated by the web server need no key: access/proxy.h */
	char proxy_token_file[CONFIG_PATH_MAX];
	bool proxy_create_users; /* create an account for a new user name */
	bool proxy_trust_cgi;	 /* trust a CGI environment as well */
	struct group_grant groups[CONFIG_GROUPS_MAX];
	size_t group_count;
	char verify_networks[CONFIG_TEXT_MAX]; /* a list as in network.h: loopback addresses where
						  logins may be checked */
	char insecure_registries[CONFIG_TEXT_MAX];
	char verify_ca_file[CONFIG_PATH_MAX];
	char verify_proxy[CONFIG_TEXT_MAX];
	int64_t verify_timeout_s;
	int64_t verify_threads;
	int64_t verify_per_minute; /* checks that an account may request; 0: any number */
	char refresh_programs[CONFIG_TEXT_MAX]; /* what the source exec may run: renew/program.h */
	char refresh_environment[CONFIG_TEXT_MAX];
	unsigned refresh_metadata; /* 1: the keys of this machine at Amazon may be used */
	char refresh_tokens_dir[CONFIG_PATH_MAX]; /* "": no token of a file */
	int64_t refresh_timeout_s, refresh_threads;
	/* Limits for one account on shared resources; 0: any number. */
	int64_t writes_per_minute, repositories_per_hour, rows_per_project, projects_per_user;
	int64_t room_per_account;
	bool trust_forwarded; /* take the base URL from X-Forwarded-Proto, -Host, -Port */
};

#endif
