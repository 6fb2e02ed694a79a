-- Logins whose secret comes from a source and is renewed there, former secrets, and warnings before one expires.

ALTER TABLE account ADD COLUMN expiry_warnings TEXT;       -- project: seconds before the end of a login or key at which to warn, 1209600 604800 86400; null: those

-- registryCredential: null where it is of no use.
ALTER TABLE credential ADD COLUMN source            TEXT;    -- where the secret comes from: a word of source.def; null: it was typed in
ALTER TABLE credential ADD COLUMN source_config     TEXT;    -- what the source needs to know, as one JSON object; no secret
ALTER TABLE credential ADD COLUMN source_secret     BLOB;    -- what opens the source, sealed; never shown
ALTER TABLE credential ADD COLUMN source_handle     TEXT;    -- what the source calls the present secret
ALTER TABLE credential ADD COLUMN refresh_due       INTEGER; -- a new secret is wanted from then on, or the lease of who asks for it ends; null: none is
ALTER TABLE credential ADD COLUMN refresh_attempt   INTEGER; -- tries since the last success
ALTER TABLE credential ADD COLUMN refreshed         INTEGER; -- when the present secret came from the source; its life is from here to `expires`
ALTER TABLE credential ADD COLUMN refresh_result    TEXT;    -- how the last try ended: a word of renew/result.def
ALTER TABLE credential ADD COLUMN refresh_message   TEXT;    -- the sentence for it
ALTER TABLE credential ADD COLUMN refresh_status    INTEGER; -- HTTP status that decided
ALTER TABLE credential ADD COLUMN secret_version    INTEGER; -- grows with each new secret; null: the first
ALTER TABLE credential ADD COLUMN previous_until    INTEGER; -- until then the former secret is kept; null: it is not
ALTER TABLE credential ADD COLUMN overlap           INTEGER; -- seconds for which a former secret is kept; null: the default
ALTER TABLE credential ADD COLUMN verify_repository TEXT;    -- a repository that the check has to be able to read
ALTER TABLE credential ADD COLUMN verify_every      INTEGER; -- seconds between two checks, 0: never; null: the default
ALTER TABLE credential ADD COLUMN last_good         INTEGER; -- when the registry last took the login
ALTER TABLE credential ADD COLUMN first_bad         INTEGER; -- when it first did not, since then; null: it does
ALTER TABLE credential ADD COLUMN warned            INTEGER; -- also apiKey: seconds before the end at which was warned last, of this secret and end; null: never

CREATE INDEX credential_refresh ON credential (refresh_due) WHERE refresh_due IS NOT NULL;
CREATE INDEX credential_warn ON credential (kind, warned, expires) WHERE expires IS NOT NULL AND removed IS NULL;
CREATE INDEX credential_recheck ON credential (verify_every) WHERE verify_every > 0 AND verify_due IS NULL;

CREATE TABLE secret_version (         -- former secrets of logins, and those that are on their way
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- 1sv<id>
	uuid          TEXT NOT NULL UNIQUE,
	account_id    INTEGER NOT NULL REFERENCES account (id),
	credential_id INTEGER NOT NULL REFERENCES credential (id) ON DELETE CASCADE,
	version       INTEGER NOT NULL,        -- as credential.secret_version
	state         TEXT NOT NULL,           -- previous, expired, discarding, or pending: about to be set at the source
	created       INTEGER,                 -- when it became that
	public_value  TEXT,                    -- the user name that it was for
	secret_value  BLOB,                    -- sealed; null once it is wiped
	handle        TEXT,                    -- what the source calls it
	until         INTEGER                  -- when it is wiped; null: pending
) STRICT;
CREATE INDEX secret_version_credential ON secret_version (credential_id);
CREATE INDEX secret_version_account ON secret_version (account_id);
CREATE INDEX secret_version_until ON secret_version (until) WHERE secret_value IS NOT NULL;
CREATE INDEX secret_version_handle ON secret_version (state, until) WHERE handle IS NOT NULL; -- what is deleted at its source

UPDATE credential SET warned = 0 WHERE expires <= unixepoch() * 1000; -- of these nobody need be warned any more
UPDATE credential SET secret_version = 1 WHERE kind = 'registryCredential' AND secret_value IS NOT NULL;
