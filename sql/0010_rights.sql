-- What a key can do is bound to who made it; and which projects' logins it may be given without naming one.

ALTER TABLE credential ADD COLUMN made_by     INTEGER; -- apiKey: the account that made it; null: made on the server itself, or before this was noted
ALTER TABLE credential ADD COLUMN project_ids TEXT;    -- apiKey of a user: outside a project logins of these are used too, 1a5 1a6; null: of none
