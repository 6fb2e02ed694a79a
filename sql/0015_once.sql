-- What was made with an Idempotency-Key, for a day: who repeats the request gets the same row.

CREATE TABLE once (
	account_id INTEGER NOT NULL,          -- the account that asked
	key        TEXT NOT NULL,             -- keyed hash of the Idempotency-Key
	request    TEXT NOT NULL,             -- keyed hash of URL and body
	row_id     INTEGER NOT NULL,          -- the number of the row; the URL says of which family
	created    INTEGER NOT NULL,          -- milliseconds
	PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_created ON once (created);
