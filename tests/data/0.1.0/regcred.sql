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
INSERT INTO "account" VALUES(1,'admin','admin','admin',NULL,'active',1795837202000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(2,'system','system','System',NULL,'active',1795837202000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(3,'superadmin','superadmin','superadmin',NULL,'active',1795837202000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(4,'token','token','token',NULL,'active',1795837202000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(5,'adminProject','project','Default',NULL,'active',1795837202000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
INSERT INTO "account" VALUES(6,'01a2203d-212d-4259-afb5-db3d6d199d88','user','old',NULL,'active',1795837206000,NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL);
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
INSERT INTO "audit_log" VALUES(1,1795837202668,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'309B29A5BFB4ECCFC9B4BF2A238E270B6E1042A5073B41B2CDA15F3C64F55C5C');
INSERT INTO "audit_log" VALUES(2,1795837202668,NULL,NULL,NULL,NULL,'command',NULL,NULL,'keyAdded',NULL,NULL,NULL,'{"key":1}',1,NULL,X'309B29A5BFB4ECCFC9B4BF2A238E270B6E1042A5073B41B2CDA15F3C64F55C5C',X'D38DC37C61EBC4D214A184A8AAFD02A187AF502B8932FD02DCF33411D10B1DEF');
INSERT INTO "audit_log" VALUES(3,1795837202743,1,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c1',NULL,'{"accountId":{"new":"1a1"},"name":{"new":"admin"},"publicValue":{"new":"B3BA62AA310EBD039A9D"},"secretValue":{"secret":true}}',1,NULL,X'D38DC37C61EBC4D214A184A8AAFD02A187AF502B8932FD02DCF33411D10B1DEF',X'527C5BB765EEC4FCDB26E68A86502FA2D088ED384E5613B246D76904492F2569');
INSERT INTO "audit_log" VALUES(4,1795837202805,5,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c2',NULL,'{"accountId":{"new":"1a5"},"name":{"new":"scripts"},"publicValue":{"new":"E8EB1C7ABD6ADB7C5560"},"secretValue":{"secret":true}}',1,NULL,X'527C5BB765EEC4FCDB26E68A86502FA2D088ED384E5613B246D76904492F2569',X'9A4CC3AC8F7F45E0CAD1FE8F7E6663FB9F9685CBFB0D8FD3E454B75A688ACAF3');
INSERT INTO "audit_log" VALUES(5,1795837205741,5,5,2,NULL,'key','127.0.0.1','4200e40939031561af5c2ee47f5d3339','create','registry','1sp1',201,'{"accountId":{"new":"1a5"},"serverAddress":{"new":"http://127.0.0.1:18473"}}',1,NULL,X'9A4CC3AC8F7F45E0CAD1FE8F7E6663FB9F9685CBFB0D8FD3E454B75A688ACAF3',X'E8DC6CA80EA15E928B7EE24D7B88694AE02076BB21524B75428383B716005AE4');
INSERT INTO "audit_log" VALUES(6,1795837205774,5,5,2,NULL,'key','127.0.0.1','3e6ba08e7b86ec67eb8b2a5a132c033d','create','registryCredential','1c3',201,'{"accountId":{"new":"1a5"},"publicValue":{"new":"bot"},"registryId":{"new":"1sp1"},"secretValue":{"secret":true},"email":{"new":"bot@example.com"}}',1,NULL,X'E8DC6CA80EA15E928B7EE24D7B88694AE02076BB21524B75428383B716005AE4',X'5D447B6711B619FF92CCD7BAF7217046F34316F7CC4067603D807247ABAB863A');
INSERT INTO "audit_log" VALUES(7,1795837206829,6,1,NULL,NULL,'command',NULL,'command','create','account','1a6',NULL,'{"kind":{"new":"user"},"name":{"new":"old"}}',1,NULL,X'5D447B6711B619FF92CCD7BAF7217046F34316F7CC4067603D807247ABAB863A',X'BCFEFF6E595E3E1A862CD0F6440018C55E489752CF67546EAD7BC4E19C36EE81');
INSERT INTO "audit_log" VALUES(8,1795837206877,6,1,NULL,NULL,'command',NULL,'command','create','apiKey','1c4',NULL,'{"accountId":{"new":"1a6"},"name":{"new":"user"},"publicValue":{"new":"2B9A47142CE299F87E58"},"secretValue":{"secret":true}}',1,NULL,X'BCFEFF6E595E3E1A862CD0F6440018C55E489752CF67546EAD7BC4E19C36EE81',X'0818268E23FC4255D131555A4FFFADB60130CBCD1B0D481DE80C2051A768B8CA');
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
INSERT INTO "audit_segment" VALUES(1,1,8,1795837202668,NULL,NULL,NULL,X'0000000000000000000000000000000000000000000000000000000000000000',X'0818268E23FC4255D131555A4FFFADB60130CBCD1B0D481DE80C2051A768B8CA',X'4BFEB54748208E09FBEB2AC2798415904773CA0E85520F240680049EADF90F6F');
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
INSERT INTO "credential" VALUES(1,'01a2203d-1137-4e41-9758-822574bbb50a','apiKey',1,'admin',NULL,'active',1795837202000,NULL,NULL,'B3BA62AA310EBD039A9D',X'B59D315172C96EF3847587A083BA53A435B4595F56AA30B45D48131C8E774F54',NULL,NULL,NULL,1795837205000,'127.0.0.1',NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(2,'01a2203d-1175-422a-a899-84c419fb6a8a','apiKey',5,'scripts',NULL,'active',1795837202000,NULL,NULL,'E8EB1C7ABD6ADB7C5560',X'AD869B3DBEDDCAFCE983E568D228FFD10F5EE24C6A43D5B6F5B018D25553AC72',NULL,NULL,NULL,1795837205000,'127.0.0.1',NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(3,'01a2203d-1d0e-4383-8a50-9297f48a944b','registryCredential',5,NULL,NULL,'active',1795837205000,NULL,NULL,'bot',X'0100000001C4E227ECC0C2E56B93AD07FD2CC2697E795041E520692660A91116C349FFDBC373A16F536FAA739AC8C8711FBC6B656CA41CF893800806896A5D8FEB76F96491899E3AA2C6814502',1,'bot@example.com',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "credential" VALUES(4,'01a2203d-215d-4c3b-bce0-89c3b744ac45','apiKey',6,'user',NULL,'active',1795837206000,NULL,NULL,'2B9A47142CE299F87E58',X'CFB60DC78FA1F6C6DBB53E342CD85060A842AF6DB1D3D967F50C4CC4BDC034BC',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE key_check (              -- proves that the key file is the one that this database was made with
	key_id INTEGER NOT NULL,                -- key of the ring
	use    TEXT NOT NULL,                   -- seal or hash
	value  BLOB NOT NULL,                   -- a known text, sealed or hashed with that key
	PRIMARY KEY (key_id, use)
) STRICT;
INSERT INTO "key_check" VALUES(1,'seal',X'01000000019DA33061A8C97F6955D8EF92CA5C563E4B8A41FFB9DE3119F2CAC4A50839B8DBF41312AA0ED90AE0E84B93B4C922037331CCC8D94FABE5764803A13D1D0791443B20E8BC31FD2D8E');
INSERT INTO "key_check" VALUES(1,'hash',X'EBD5293DD99DDDAA3F3FF9A50C705934088FB06B9AE18CB94F4C6AF112C7FAAE');
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
INSERT INTO "process_log" VALUES(1,'credential',1,'create','requested','registering','registering',1,'command',1795837202743);
INSERT INTO "process_log" VALUES(2,'credential',1,'activate','registering','activating','active',1,'command',1795837202743);
INSERT INTO "process_log" VALUES(3,'credential',2,'create','requested','registering','registering',1,'command',1795837202805);
INSERT INTO "process_log" VALUES(4,'credential',2,'activate','registering','activating','active',1,'command',1795837202805);
INSERT INTO "process_log" VALUES(5,'storage_pool',1,'create','requested','registering','registering',5,'4200e40939031561af5c2ee47f5d3339',1795837205741);
INSERT INTO "process_log" VALUES(6,'storage_pool',1,'activate','registering','activating','active',5,'4200e40939031561af5c2ee47f5d3339',1795837205741);
INSERT INTO "process_log" VALUES(7,'credential',3,'create','requested','registering','registering',5,'3e6ba08e7b86ec67eb8b2a5a132c033d',1795837205774);
INSERT INTO "process_log" VALUES(8,'credential',3,'activate','registering','activating','active',5,'3e6ba08e7b86ec67eb8b2a5a132c033d',1795837205774);
INSERT INTO "process_log" VALUES(9,'account',6,'create','requested','registering','registering',1,'command',1795837206829);
INSERT INTO "process_log" VALUES(10,'account',6,'activate','registering','activating','active',1,'command',1795837206829);
INSERT INTO "process_log" VALUES(11,'credential',4,'create','requested','registering','registering',1,'command',1795837206877);
INSERT INTO "process_log" VALUES(12,'credential',4,'activate','registering','activating','active',1,'command',1795837206877);
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
INSERT INTO "project_member" VALUES(1,'adminProjectOwner','projectMember',5,NULL,NULL,'active',1795837202000,NULL,NULL,'1a1','rancher_id','owner');
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
INSERT INTO "storage_pool" VALUES(1,'01a2203d-1ced-4a91-a0c4-eb4168fa2f03','registry',5,NULL,NULL,'active',1795837205000,NULL,NULL,'http://127.0.0.1:18473');
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
INSERT INTO "sqlite_sequence" VALUES('account',6);
INSERT INTO "sqlite_sequence" VALUES('project_member',1);
INSERT INTO "sqlite_sequence" VALUES('credential',4);
INSERT INTO "sqlite_sequence" VALUES('storage_pool',1);
COMMIT;
PRAGMA user_version = 8;
PRAGMA application_id = 1919119972;
