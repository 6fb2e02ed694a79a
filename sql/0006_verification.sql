-- Logins that are checked against their registry: what a project asks for, what came out, and a check that is under way.

ALTER TABLE account ADD COLUMN verification TEXT;       -- project: off, warn or require before a login becomes active; null: off

ALTER TABLE credential ADD COLUMN verify_result   TEXT;    -- how the last check ended: a word of verification.def; null: never checked as it is now
ALTER TABLE credential ADD COLUMN verify_message  TEXT;    -- the sentence for it
ALTER TABLE credential ADD COLUMN verify_status   INTEGER; -- HTTP status that decided; null: no answer came
ALTER TABLE credential ADD COLUMN verify_ms       INTEGER; -- how long the check took
ALTER TABLE credential ADD COLUMN verified        INTEGER; -- when it ended
ALTER TABLE credential ADD COLUMN verify_due      INTEGER; -- a check is wanted from then on: at once, or when the lease of who does it ends; null: none
ALTER TABLE credential ADD COLUMN verify_attempt  INTEGER; -- how often one was begun
ALTER TABLE credential ADD COLUMN verify_rule     TEXT;    -- what the project asked for when it was wanted
ALTER TABLE credential ADD COLUMN transition_text TEXT;    -- transitioningMessage in the present state; null: the usual one

CREATE INDEX credential_verify ON credential (verify_due) WHERE verify_due IS NOT NULL;
