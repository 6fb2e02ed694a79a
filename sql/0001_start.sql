-- The first schema.  Rows of one family share a table and its ids; times are milliseconds since the epoch, whole seconds.
-- Ids are never used again: AUTOINCREMENT.

CREATE TABLE account (                -- who acts: people, machines, and projects that own the rest
	id                INTEGER PRIMARY KEY AUTOINCREMENT, -- 1a<id>
	uuid              TEXT NOT NULL UNIQUE,  -- random, or given by an administrator
	kind              TEXT NOT NULL,         -- project, user, admin, service, ...: decides type and role
	name              TEXT,
	description       TEXT,
	state             TEXT NOT NULL,         -- a state of process.c
	created           INTEGER,
	removed           INTEGER,               -- when it was removed; null while it lives
	remove_time       INTEGER,               -- when it is due to be purged
	external_id       TEXT,                  -- id at an identity provider
	external_id_type  TEXT,                  -- which kind of id that is
	swarm             INTEGER NOT NULL DEFAULT 0, -- flags of a project that the API keeps: 0 or 1
	kubernetes        INTEGER NOT NULL DEFAULT 0,
	mesos             INTEGER NOT NULL DEFAULT 0,
	virtual_machine   INTEGER NOT NULL DEFAULT 0,
	public_dns        INTEGER NOT NULL DEFAULT 0,
	allow_system_role INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX account_kind ON account (kind);
CREATE INDEX account_due ON account (remove_time) WHERE state = 'removed';
CREATE INDEX account_old ON account (removed) WHERE state = 'purged';

CREATE TABLE project_member (         -- who belongs to a project, and as what
	id               INTEGER PRIMARY KEY AUTOINCREMENT, -- 1pm<id>
	uuid             TEXT NOT NULL UNIQUE,
	kind             TEXT NOT NULL,
	project_id       INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	name             TEXT,
	description      TEXT,
	state            TEXT NOT NULL,
	created          INTEGER,
	removed          INTEGER,
	remove_time      INTEGER,
	external_id      TEXT NOT NULL,         -- an account's external id where the type is rancher_id
	external_id_type TEXT NOT NULL,
	role             TEXT NOT NULL          -- owner, member, restricted or readonly
) STRICT;
CREATE UNIQUE INDEX project_member_once ON project_member (project_id, external_id_type, external_id) WHERE removed IS NULL;
CREATE INDEX project_member_who ON project_member (external_id_type, external_id) WHERE removed IS NULL;
CREATE INDEX project_member_due ON project_member (remove_time) WHERE state = 'removed';
CREATE INDEX project_member_old ON project_member (removed) WHERE state = 'purged';

CREATE TABLE storage_pool (           -- registries: where images come from
	id             INTEGER PRIMARY KEY AUTOINCREMENT, -- 1sp<id>
	uuid           TEXT NOT NULL UNIQUE,
	kind           TEXT NOT NULL,           -- registry
	account_id     INTEGER NOT NULL REFERENCES account (id),
	name           TEXT,
	description    TEXT,
	state          TEXT NOT NULL,
	created        INTEGER,
	removed        INTEGER,
	remove_time    INTEGER,
	server_address TEXT                     -- as it was given, never changed
) STRICT;
-- One live registry for an address in an account, whatever the case; free again once it is removed (contract 5.6).
CREATE UNIQUE INDEX storage_pool_address ON storage_pool (account_id, server_address COLLATE NOCASE) WHERE removed IS NULL;
CREATE INDEX storage_pool_account ON storage_pool (account_id, kind) WHERE removed IS NULL;
CREATE INDEX storage_pool_due ON storage_pool (remove_time) WHERE state = 'removed';
CREATE INDEX storage_pool_old ON storage_pool (removed) WHERE state = 'purged';

CREATE TABLE credential (             -- logins for registries, API keys and passwords
	id           INTEGER PRIMARY KEY AUTOINCREMENT, -- 1c<id>
	uuid         TEXT NOT NULL UNIQUE,
	kind         TEXT NOT NULL,             -- registryCredential, apiKey, password
	account_id   INTEGER NOT NULL REFERENCES account (id),
	name         TEXT,
	description  TEXT,
	state        TEXT NOT NULL,
	created      INTEGER,
	removed      INTEGER,
	remove_time  INTEGER,
	public_value TEXT,                      -- user name or access key
	secret_value BLOB,                      -- sealed (registryCredential) or hashed (apiKey, password), never plain; null once purged
	registry_id  INTEGER REFERENCES storage_pool (id),
	email        TEXT
) STRICT;
-- An access key names one key for ever, also when that is inactive or removed (contract 5.6).
CREATE UNIQUE INDEX credential_key ON credential (kind, public_value) WHERE kind IN ('apiKey', 'password');
CREATE INDEX credential_account ON credential (account_id, kind) WHERE removed IS NULL;
CREATE INDEX credential_account_name ON credential (account_id, name) WHERE removed IS NULL;
CREATE INDEX credential_registry ON credential (registry_id) WHERE registry_id IS NOT NULL;
CREATE INDEX credential_due ON credential (remove_time) WHERE state = 'removed';
CREATE INDEX credential_old ON credential (removed) WHERE state = 'purged';

CREATE TABLE process_log (            -- each process that ran on a row, written with the change itself
	id           INTEGER PRIMARY KEY,
	family       TEXT NOT NULL,             -- table of the row
	resource_id  INTEGER NOT NULL,          -- its id
	process      TEXT NOT NULL,             -- create, activate, ...
	state_before TEXT NOT NULL,
	state_during TEXT NOT NULL,
	state_after  TEXT NOT NULL,
	account_id   INTEGER,                   -- whose key asked for it; null for the housekeeper
	request_id   TEXT,                      -- as in the log
	at           INTEGER NOT NULL
) STRICT;
CREATE INDEX process_log_resource ON process_log (family, resource_id);
CREATE INDEX process_log_at ON process_log (at);

CREATE TABLE key_check (              -- proves that the key file is the one that this database was made with
	key_id INTEGER NOT NULL,                -- key of the ring
	use    TEXT NOT NULL,                   -- seal or hash
	value  BLOB NOT NULL,                   -- a known text, sealed or hashed with that key
	PRIMARY KEY (key_id, use)
) STRICT;

-- The rows that scripts know by id (contract 2).  The administrator owns the default project.
INSERT INTO account (id, uuid, kind, name, state, created) VALUES
	(1, 'admin', 'admin', 'admin', 'active', unixepoch() * 1000),
	(2, 'system', 'system', 'System', 'active', unixepoch() * 1000),
	(3, 'superadmin', 'superadmin', 'superadmin', 'active', unixepoch() * 1000),
	(4, 'token', 'token', 'token', 'active', unixepoch() * 1000),
	(5, 'adminProject', 'project', 'Default', 'active', unixepoch() * 1000);
INSERT INTO project_member (uuid, kind, project_id, state, created, external_id, external_id_type, role) VALUES
	('adminProjectOwner', 'projectMember', 5, 'active', unixepoch() * 1000, '1a1', 'rancher_id', 'owner');
