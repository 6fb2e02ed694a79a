-- The states that a row passed through are in the row of the audit log that records the change; the process log said them again.

DROP TABLE process_log;
