BEGIN TRANSACTION;
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
, verification TEXT) STRICT;
INSERT INTO "account" VALUES(1,'admin','admin','admin',NULL,'active',1795827550000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(2,'system','system','System',NULL,'active',1795827550000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(3,'superadmin','superadmin','superadmin',NULL,'active',1795827550000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(4,'token','token','token',NULL,'active',1795827550000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(5,'adminProject','project','Default',NULL,'active',1795827550000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
CREATE TABLE audit_log (
	id            INTEGER PRIMARY KEY,     -- 1al<id>: given in order, without a gap
	created       INTEGER NOT NULL,        -- when, in milliseconds since the epoch
	account_id    INTEGER,                 -- the account whose row or secret it was about; null: nobody's.  It may be gone by now
	actor_id      INTEGER,                 -- the account that asked; null: the housekeeper, or nobody that is known
	key_id        INTEGER,                 -- the API key that it asked with
	proxy_user    TEXT,                    -- or whom the web server had signed in
	auth_type     TEXT NOT NULL,           -- how: key, proxy, open, command, housekeeper, none
	client_ip     TEXT,                    -- from which address, as the web server saw it
	request_id    TEXT,                    -- as in the log
	event_type    TEXT NOT NULL,           -- create, update, delete, the name of an action, readSecret, signInRefused, ...
	resource_type TEXT,                    -- of what it happened to: registryCredential, ...
	resource_id   TEXT,                    -- its external id: 1c7
	response_code INTEGER,                 -- the HTTP status of the answer; null: there was none
	changes       TEXT,                    -- JSON: the fields that changed, with old and new value; never a secret
	attempts      INTEGER NOT NULL,        -- how often it happened: 1, but for refused sign-ins
	public_value  TEXT,                    -- the access key of a refused sign-in, if it has the form of one
	previous_hash BLOB NOT NULL,           -- hash of the row before
	hash          BLOB NOT NULL            -- keyed hash over previous_hash and all other columns
) STRICT;
INSERT INTO "audit_log" VALUES(1,1795827550492,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'A15E0B8BDD014D6F785C62CC92424279115DC6EAE1AD5E558C7C3726C1EA99EF');
INSERT INTO "audit_log" VALUES(2,1795827550492,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'A15E0B8BDD014D6F785C62CC92424279115DC6EAE1AD5E558C7C3726C1EA99EF',X'9C0AB2FCE2921D26457D1269AA9A7478DAA755ECA1E10CC66DB204638A4F3C54');
INSERT INTO "audit_log" VALUES(3,1795827550585,5,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c1',NULL,'{"accountId":{"new":"1a5"},"name":{"new":"scripts"},"publicValue":{"new":"AEE85919C28FD2BCEFE9"},"secretValue":{"secret":true}}',1,NULL,X'9C0AB2FCE2921D26457D1269AA9A7478DAA755ECA1E10CC66DB204638A4F3C54',X'4B2BD8211BFC9E421CCD2FD3B5290B769F5445D3D7C9DEC510F0A21977A6A30C');
INSERT INTO "audit_log" VALUES(4,1795827561950,5,5,1,NULL,'key','127.0.0.1','caf4bd2cc0e5f6be','create','registry','1sp1',201,'{"accountId":{"new":"1a5"},"serverAddress":{"new":"http://127.0.0.1:18473"}}',1,NULL,X'4B2BD8211BFC9E421CCD2FD3B5290B769F5445D3D7C9DEC510F0A21977A6A30C',X'2A82145839547385F951CA2EAF71CA8F348BACFDA2D72656F78FBD00E3E7FDC7');
INSERT INTO "audit_log" VALUES(5,1795827574960,5,5,1,NULL,'key','127.0.0.1','821da968c990e254','create','registryCredential','1c2',201,'{"accountId":{"new":"1a5"},"publicValue":{"new":"bot"},"registryId":{"new":"1sp1"},"secretValue":{"secret":true},"email":{"new":"bot@example.com"}}',1,NULL,X'2A82145839547385F951CA2EAF71CA8F348BACFDA2D72656F78FBD00E3E7FDC7',X'9CDF6120FEF2C0A5C0ACC3A373159AB447BD3C4AD987FDDC870D112E34F0AE64');
CREATE TABLE audit_segment (          -- stretches of the log, signed: the newest one is its head, and what was cut off can be proven
	id       INTEGER PRIMARY KEY,         -- 1, 2, 3 ...
	first_id INTEGER NOT NULL,            -- its first row
	last_id  INTEGER NOT NULL,            -- its last row; first_id - 1 while there is none
	began    INTEGER NOT NULL,            -- no row of it is older
	closed   INTEGER,                     -- when the next one began; null: it is the head
	cut      INTEGER,                     -- when it was cut off, with all before it; null: it stands
	reason   TEXT,                        -- why it does not follow on the one before; null: it does
	previous BLOB NOT NULL,               -- hash of the row before its first one
	last     BLOB NOT NULL,               -- hash of its last row
	mac      BLOB NOT NULL                -- keyed hash over all other columns; empty: nothing was ever recorded
) STRICT;
INSERT INTO "audit_segment" VALUES(1,1,5,1795827550492,NULL,NULL,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'9CDF6120FEF2C0A5C0ACC3A373159AB447BD3C4AD987FDDC870D112E34F0AE64',X'BB3936CC3FF329AE579544BA22BADB20B351BBEECCDFAEF4BAAC904B3555A342');
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
, expires           INTEGER, last_used         INTEGER, last_used_address TEXT, role              TEXT, networks          TEXT, path_prefix   TEXT, is_default    INTEGER NOT NULL DEFAULT 0, last_used_by  INTEGER, reveal        INTEGER NOT NULL DEFAULT 0, registry_ids  TEXT, path_prefixes TEXT, verify_result   TEXT, verify_message  TEXT, verify_status   INTEGER, verify_ms       INTEGER, verified        INTEGER, verify_due      INTEGER, verify_attempt  INTEGER, verify_rule     TEXT, transition_text TEXT) STRICT;
INSERT INTO "credential" VALUES(1,'01a21fa9-c979-460a-bbd4-c856ab935aa2','apiKey',5,'scripts',NULL,'active',1795827550000,NULL,NULL,'AEE85919C28FD2BCEFE9',X'3D0D0B675EA6DEB4A6EDF1D12ECD037B998ED7BFB27FCD1385CB4C39549FF1A4',NULL,NULL,NULL,1795827561000,'127.0.0.1',NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(2,'01a21faa-28b0-4b1e-8310-a916ea66b892','registryCredential',5,NULL,NULL,'active',1795827574000,NULL,NULL,'bot',X'010000000153B3BC41CC63BC67BC61452BB952D9A7F9049F6C5EB6A744852A6311C174B699324521E52AE372A28617553ECC92A01528BC9075C6D4A1CFF200EC1E31A5B265EA2566CDA05CF449',1,'bot@example.com',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE key_check (              -- proves that the key file is the one that this database was made with
	key_id INTEGER NOT NULL,                -- key of the ring
	use    TEXT NOT NULL,                   -- seal or hash
	value  BLOB NOT NULL,                   -- a known text, sealed or hashed with that key
	PRIMARY KEY (key_id, use)
) STRICT;
INSERT INTO "key_check" VALUES(1,'seal',X'0100000001B9131C6930F254BBF76523FFAF778FA2972FC9B67981E31E14FBE0222D500D038E9654BA470AD1C175331A7F777CCACC55198699377A7EDF0CA87D04499976805F3E74F36CA94F9B');
INSERT INTO "key_check" VALUES(1,'hash',X'42F424E4C6101B0868FE61B74CE132CAB62E76C070D490FF5132A48B79F17DE1');
CREATE TABLE lease (
	name   TEXT PRIMARY KEY,              -- the work: housekeeping
	holder TEXT NOT NULL,                 -- who does it, or did it last: HOST:PROCESS
	until  INTEGER NOT NULL,              -- from then on anybody may take it over; not later than ended if the work came to its end
	began  INTEGER NOT NULL,              -- when the holder began the pass
	ended  INTEGER,                       -- when it ended; null: it runs, or its process died
	rows   INTEGER NOT NULL DEFAULT 0     -- rows that it moved or deleted
) STRICT;
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
INSERT INTO "process_log" VALUES(1,'credential',1,'create','requested','registering','registering',1,'command',1795827550585);
INSERT INTO "process_log" VALUES(2,'credential',1,'activate','registering','activating','active',1,'command',1795827550585);
INSERT INTO "process_log" VALUES(3,'storage_pool',1,'create','requested','registering','registering',5,'caf4bd2cc0e5f6be',1795827561950);
INSERT INTO "process_log" VALUES(4,'storage_pool',1,'activate','registering','activating','active',5,'caf4bd2cc0e5f6be',1795827561950);
INSERT INTO "process_log" VALUES(5,'credential',2,'create','requested','registering','registering',5,'821da968c990e254',1795827574960);
INSERT INTO "process_log" VALUES(6,'credential',2,'activate','registering','activating','active',5,'821da968c990e254',1795827574960);
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
INSERT INTO "project_member" VALUES(1,'adminProjectOwner','projectMember',5,NULL,NULL,'active',1795827550000,NULL,NULL,'1a1','rancher_id','owner');
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
INSERT INTO "storage_pool" VALUES(1,'01a21fa9-f5de-423f-bb95-67ee9d2ba292','registry',5,NULL,NULL,'active',1795827561000,NULL,NULL,'http://127.0.0.1:18473');
CREATE INDEX account_kind ON account (kind);
CREATE INDEX account_due ON account (remove_time) WHERE state = 'removed';
CREATE INDEX account_old ON account (removed) WHERE state = 'purged';
CREATE UNIQUE INDEX project_member_once ON project_member (project_id, external_id_type, external_id) WHERE removed IS NULL;
CREATE INDEX project_member_who ON project_member (external_id_type, external_id) WHERE removed IS NULL;
CREATE INDEX project_member_due ON project_member (remove_time) WHERE state = 'removed';
CREATE INDEX project_member_old ON project_member (removed) WHERE state = 'purged';
CREATE UNIQUE INDEX storage_pool_address ON storage_pool (account_id, server_address COLLATE NOCASE) WHERE removed IS NULL;
CREATE INDEX storage_pool_account ON storage_pool (account_id, kind) WHERE removed IS NULL;
CREATE INDEX storage_pool_due ON storage_pool (remove_time) WHERE state = 'removed';
CREATE INDEX storage_pool_old ON storage_pool (removed) WHERE state = 'purged';
CREATE UNIQUE INDEX credential_key ON credential (kind, public_value) WHERE kind IN ('apiKey', 'password');
CREATE INDEX credential_account ON credential (account_id, kind) WHERE removed IS NULL;
CREATE INDEX credential_account_name ON credential (account_id, name) WHERE removed IS NULL;
CREATE INDEX credential_registry ON credential (registry_id) WHERE registry_id IS NOT NULL;
CREATE INDEX credential_due ON credential (remove_time) WHERE state = 'removed';
CREATE INDEX credential_old ON credential (removed) WHERE state = 'purged';
CREATE INDEX process_log_at ON process_log (at);
CREATE UNIQUE INDEX account_proxy ON account (external_id) WHERE external_id_type = 'proxy';
CREATE INDEX audit_log_resource ON audit_log (resource_id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_log_account ON audit_log (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX credential_verify ON credential (verify_due) WHERE verify_due IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('account',5);
INSERT INTO "sqlite_sequence" VALUES('project_member',1);
INSERT INTO "sqlite_sequence" VALUES('credential',2);
INSERT INTO "sqlite_sequence" VALUES('storage_pool',1);
COMMIT;
PRAGMA user_version = 8;
PRAGMA application_id = 1919119972;
