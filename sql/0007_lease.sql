-- Who does the housekeeping, of all the processes that share the database.

CREATE TABLE lease (
	name   TEXT PRIMARY KEY,              -- the work: housekeeping
	holder TEXT NOT NULL,                 -- who does it, or did it last: HOST:PROCESS
	until  INTEGER NOT NULL,              -- from then on anybody may take it over; not later than ended if the work came to its end
	began  INTEGER NOT NULL,              -- when the holder began the pass
	ended  INTEGER,                       -- when it ended; null: it runs, or its process died
	rows   INTEGER NOT NULL DEFAULT 0     -- rows that it moved or deleted
) STRICT;
