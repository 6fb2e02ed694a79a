-- Sessions of the page: rows of credential of the kind session, whose secret_value is the hash of a cookie.

ALTER TABLE credential ADD COLUMN by_key INTEGER; -- session: the API key that it was begun with, and ends with
