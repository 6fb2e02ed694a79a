-- What the address of a registry means, as src/registry/url.c reads it: logins are found by it.  NULL: the address cannot be read.
-- address_key() is a function that the program gives to each migration; where that form changes, the column is computed again so.
ALTER TABLE storage_pool ADD COLUMN address_key TEXT;
UPDATE storage_pool SET address_key = address_key(server_address) WHERE server_address IS NOT NULL;
CREATE INDEX storage_pool_key ON storage_pool (account_id, address_key) WHERE removed IS NULL;
