-- Which login is used for which image, who may be handed a password, and when one was handed out.

-- registryCredential: `expires` and `last_used` mean the same as for a key: from then on it is not used; when it was last handed out.
ALTER TABLE credential ADD COLUMN path_prefix   TEXT;    -- registryCredential: repositories that it is for, acme/app; null: all of its registry
ALTER TABLE credential ADD COLUMN is_default    INTEGER NOT NULL DEFAULT 0; -- registryCredential: 1: goes before others that fit as well
ALTER TABLE credential ADD COLUMN last_used_by  INTEGER; -- registryCredential: the API key that it was last handed out to; null: nobody's key
ALTER TABLE credential ADD COLUMN reveal        INTEGER NOT NULL DEFAULT 0; -- apiKey: 1: may be handed passwords
ALTER TABLE credential ADD COLUMN registry_ids  TEXT;    -- apiKey: of these registries alone, 1sp3 1sp4; null: of all
ALTER TABLE credential ADD COLUMN path_prefixes TEXT;    -- apiKey: logins for these repositories alone, acme other/app; null: all
