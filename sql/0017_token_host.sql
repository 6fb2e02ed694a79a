-- The host to which logins of a registry are sent, remembered from the first time that one was sent.

ALTER TABLE storage_pool ADD COLUMN token_host TEXT; -- HOST or HOST:PORT; null: not known yet, or any is right
