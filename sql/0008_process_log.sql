-- The process log is looked through by people alone, and seldom; each row of it cost an entry in an index for that.

DROP INDEX process_log_resource;
