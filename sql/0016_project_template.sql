-- What Rancher's clients look for before they make a project. There is one, and it changes nothing.

CREATE TABLE project_template (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	uuid        TEXT NOT NULL UNIQUE,
	kind        TEXT NOT NULL,
	name        TEXT,
	description TEXT,
	state       TEXT NOT NULL,
	created     INTEGER,               -- milliseconds
	removed     INTEGER,
	remove_time INTEGER
) STRICT;
INSERT INTO project_template (uuid, kind, name, state, created) VALUES ('cattle', 'projectTemplate', 'Cattle', 'active', unixepoch() * 1000);

ALTER TABLE account ADD COLUMN project_template_id INTEGER REFERENCES project_template (id); -- as the creator of the project gave it
