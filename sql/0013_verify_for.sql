-- Checks of logins have their turn by the account that asked for them.

ALTER TABLE credential ADD COLUMN verify_for INTEGER; -- account for which the check that is wanted is done; null: none is

UPDATE credential SET verify_for = account_id WHERE verify_due IS NOT NULL;

DROP INDEX credential_verify;
CREATE INDEX credential_verify ON credential (verify_for, verify_due) WHERE verify_due IS NOT NULL;
