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
INSERT INTO "account" VALUES(1,'admin','admin','admin',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(2,'system','system','System',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(3,'superadmin','superadmin','superadmin',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(4,'token','token','token',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(5,'adminProject','project','Default',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(6,'01a21ecd-4b53-43dc-be3e-747edfc4305b','project','p',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(7,'01a21ecd-4b6f-49ec-aca0-cad5792413fc','user','old',NULL,'active',1795813100000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
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
INSERT INTO "audit_log" VALUES(1,1795813100294,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'E0BB230EA6E00CC9CCAF8B498BAA98D7BF23A892BB56F48791039B2584B9E61D');
INSERT INTO "audit_log" VALUES(2,1795813100294,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'E0BB230EA6E00CC9CCAF8B498BAA98D7BF23A892BB56F48791039B2584B9E61D',X'47A8E72AB6B266D77F6E6A230486803321CB6783CA7109B7686E26D104B0F1DA');
INSERT INTO "audit_log" VALUES(3,1795813100368,1,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c1',NULL,'{"accountId":{"new":"1a1"},"name":{"new":"test"},"publicValue":{"new":"F47B25881BB66A8781C9"},"secretValue":{"secret":true},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'47A8E72AB6B266D77F6E6A230486803321CB6783CA7109B7686E26D104B0F1DA',X'3A2A6F40DE77DC04992B2B90FBD75644FDF2AF33232D883E3713F58D8C62D910');
INSERT INTO "audit_log" VALUES(4,1795813100371,1,1,1,NULL,'key','127.0.0.1','418f6bb8e2334d70566de25a9f582a4c','create','project','1a6',201,'{"name":{"new":"p"},"state":{"new":"active","passed":["requested","registering","activating"]},"members":{"old":[],"new":[{"externalId":"1a1","externalIdType":"rancher_id","role":"owner"}]}}',1,NULL,X'3A2A6F40DE77DC04992B2B90FBD75644FDF2AF33232D883E3713F58D8C62D910',X'DF15F88D33161CD7B35E1621E5E69B45ECF718D44C125CB88376D8203BD179A8');
INSERT INTO "audit_log" VALUES(5,1795813100378,6,1,1,NULL,'key','127.0.0.1','2a2448613b0e5ddeb7d57e75dc23bbee','create','apiKey','1c2',201,'{"accountId":{"new":"1a6"},"name":{"new":"key"},"publicValue":{"new":"EDACD4C87C31B5E88AD3"},"secretValue":{"secret":true},"madeBy":{"new":"1a1"},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'DF15F88D33161CD7B35E1621E5E69B45ECF718D44C125CB88376D8203BD179A8',X'8EEFD44F9F6067F9FC3A47DCF09D65CD1E49C9604A91A7736EA48D316A3C12A5');
INSERT INTO "audit_log" VALUES(6,1795813100382,6,6,2,NULL,'key','127.0.0.1','ed8681e2d36b5390129c90ac85a6459b','create','registry','1sp1',201,'{"accountId":{"new":"1a6"},"name":{"new":"r1"},"serverAddress":{"new":"old.example.test"},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'8EEFD44F9F6067F9FC3A47DCF09D65CD1E49C9604A91A7736EA48D316A3C12A5',X'6C4A891F5F3527FD1C892651EEFCD4C6F8FEF2E7502F031AC218CD82B963DAB7');
INSERT INTO "audit_log" VALUES(7,1795813100387,6,6,2,NULL,'key','127.0.0.1','edaf18e9a69b9268fcc998b71d2048b8','create','registryCredential','1c3',201,'{"accountId":{"new":"1a6"},"name":{"new":"c2"},"publicValue":{"new":"ci-bot"},"registryId":{"new":"1sp1"},"secretValue":{"secret":true},"email":{"new":"c2@example.test"},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'6C4A891F5F3527FD1C892651EEFCD4C6F8FEF2E7502F031AC218CD82B963DAB7',X'F6D6936B39D07891BDBCE01ACA21D69A6F532BFD78CA0760E5C0D872FF5AB58B');
INSERT INTO "audit_log" VALUES(8,1795813100399,7,1,NULL,NULL,'command',NULL,'command','create','account','1a7',NULL,'{"kind":{"new":"user"},"name":{"new":"old"},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'F6D6936B39D07891BDBCE01ACA21D69A6F532BFD78CA0760E5C0D872FF5AB58B',X'5805A69BCA58130B4480BA4A84E28E218560C33A4AF4E51DC3E9C1D65BD8A8A0');
INSERT INTO "audit_log" VALUES(9,1795813100411,7,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c4',NULL,'{"accountId":{"new":"1a7"},"name":{"new":"test"},"publicValue":{"new":"879A49AD5D91B125ACDA"},"secretValue":{"secret":true},"state":{"new":"active","passed":["requested","registering","activating"]}}',1,NULL,X'5805A69BCA58130B4480BA4A84E28E218560C33A4AF4E51DC3E9C1D65BD8A8A0',X'5527C2F95ACCFB6AB461CAE9DFD1076A40D43C274FB0766639AD88B3593DE613');
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
INSERT INTO "audit_segment" VALUES(1,1,9,1795813100294,NULL,NULL,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'5527C2F95ACCFB6AB461CAE9DFD1076A40D43C274FB0766639AD88B3593DE613',X'253299DCCA59B6B758A90B395DA17CCDF80E2BB3B1087FA9747FDD08180B06E9');
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
, expires           INTEGER, last_used         INTEGER, last_used_address TEXT, role              TEXT, networks          TEXT, path_prefix   TEXT, is_default    INTEGER NOT NULL DEFAULT 0, last_used_by  INTEGER, reveal        INTEGER NOT NULL DEFAULT 0, registry_ids  TEXT, path_prefixes TEXT, verify_result   TEXT, verify_message  TEXT, verify_status   INTEGER, verify_ms       INTEGER, verified        INTEGER, verify_due      INTEGER, verify_attempt  INTEGER, verify_rule     TEXT, transition_text TEXT, made_by     INTEGER, project_ids TEXT, verify_for INTEGER, by_key INTEGER) STRICT;
INSERT INTO "credential" VALUES(1,'01a21ecd-4b50-4ab2-b240-ae76acda76bf','apiKey',1,'test',NULL,'active',1795813100000,NULL,NULL,'F47B25881BB66A8781C9',X'02BD40E2A2BCEF11CB6AD86A0693FD45E1E962007DC4B714D0CC1F69A3ED133A',NULL,NULL,NULL,1795813100000,'127.0.0.1',NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(2,'01a21ecd-4b5a-47a2-a75e-a74fbf790d70','apiKey',6,'key',NULL,'active',1795813100000,NULL,NULL,'EDACD4C87C31B5E88AD3',X'11326263833F6B4843BECBD0D45D1535F990BF5904786B24EAA6FF5C0EF4A567',NULL,NULL,NULL,1795813100000,'127.0.0.1',NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(3,'01a21ecd-4b63-4a29-8cea-e2406934c93d','registryCredential',6,'c2',NULL,'active',1795813100000,NULL,NULL,'ci-bot',X'01000000014C55FBA51E9043FA24578851BD6F287176FB555B50DC4F250D3DE74488434FF55A2DBC678C360F79C832EFDA4322A5ECC39394EDF673076D6BF2EBB27EC273F095C95CCB94EF030B',1,'c2@example.test',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(4,'01a21ecd-4b7b-40ae-b865-449978615d20','apiKey',7,'test',NULL,'active',1795813100000,NULL,NULL,'879A49AD5D91B125ACDA',X'41E290D6D1FE00D1F7E9CD88589FB3BD713FBFA5E9B9830CA1B0F57FB1AC2D0E',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE key_check (              -- proves that the key file is the one that this database was made with
	key_id INTEGER NOT NULL,                -- key of the ring
	use    TEXT NOT NULL,                   -- seal or hash
	value  BLOB NOT NULL,                   -- a known text, sealed or hashed with that key
	PRIMARY KEY (key_id, use)
) STRICT;
INSERT INTO "key_check" VALUES(1,'seal',X'01000000019C34F3DDEBEC69AD720506B87D3E8D96D92E58F146B2E28CC0C58736E0423D0239A23F58F4A29D5D12B81C7E81205D1CCD712E44539E5205B5091E38F6D47D1D6B42F5774EC78C83');
INSERT INTO "key_check" VALUES(1,'hash',X'E0F714CA3529CAE9A5DAE26764391460A0A890C2728FFCD53DB2AA84C0E5105A');
CREATE TABLE lease (
	name   TEXT PRIMARY KEY,              -- the work: rekey
	holder TEXT NOT NULL,                 -- who does it: HOST:PROCESS
	until  INTEGER NOT NULL               -- from then on anybody may take it over
) STRICT;
CREATE TABLE once (
	account_id INTEGER NOT NULL,          -- the account that asked
	key        TEXT NOT NULL,             -- keyed hash of the Idempotency-Key
	request    TEXT NOT NULL,             -- keyed hash of URL and body
	row_id     INTEGER NOT NULL,          -- the number of the row; the URL says of which family
	created    INTEGER NOT NULL,          -- milliseconds
	PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;
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
INSERT INTO "project_member" VALUES(1,'adminProjectOwner','projectMember',5,NULL,NULL,'active',1795813100000,NULL,NULL,'1a1','rancher_id','owner');
INSERT INTO "project_member" VALUES(2,'01a21ecd-4b53-424d-8775-d61e469004e6','projectMember',6,NULL,NULL,'active',1795813100000,NULL,NULL,'1a1','rancher_id','owner');
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
, address_key TEXT) STRICT;
INSERT INTO "storage_pool" VALUES(1,'01a21ecd-4b5e-4c19-96ab-d2f6534e5f04','registry',6,'r1',NULL,'active',1795813100000,NULL,NULL,'old.example.test','old.example.test');
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
CREATE UNIQUE INDEX account_proxy ON account (external_id) WHERE external_id_type = 'proxy';
CREATE INDEX audit_log_resource ON audit_log (resource_id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_log_account ON audit_log (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX storage_pool_key ON storage_pool (account_id, address_key) WHERE removed IS NULL;
CREATE INDEX credential_verify ON credential (verify_for, verify_due) WHERE verify_due IS NOT NULL;
CREATE INDEX once_created ON once (created);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('account',7);
INSERT INTO "sqlite_sequence" VALUES('project_member',2);
INSERT INTO "sqlite_sequence" VALUES('credential',4);
INSERT INTO "sqlite_sequence" VALUES('storage_pool',1);
COMMIT;
PRAGMA user_version = 15;
PRAGMA application_id = 1919119972;
