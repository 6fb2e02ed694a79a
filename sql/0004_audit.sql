-- The audit log: who did what, from where, and which secrets were read.  Rows are written in the transaction of what they record, are
-- never changed, and are chained by a keyed hash; audit.h says how.

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
CREATE INDEX audit_log_resource ON audit_log (resource_id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_log_account ON audit_log (account_id) WHERE account_id IS NOT NULL;

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
INSERT INTO audit_segment (id, first_id, last_id, began, previous, last, mac) VALUES (1, 1, 0, 0, zeroblob(32), zeroblob(32), x'');
