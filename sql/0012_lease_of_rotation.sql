-- Leases: only what must run alone has one, as the rotation of the master key; the housekeeper needs none.

DROP TABLE lease;
CREATE TABLE lease (
	name   TEXT PRIMARY KEY,              -- the work: rekey
	holder TEXT NOT NULL,                 -- who does it: HOST:PROCESS
	until  INTEGER NOT NULL               -- from then on anybody may take it over
) STRICT;
