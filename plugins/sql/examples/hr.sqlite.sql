-- A simple HR database, for SQLite. Settings: hr.toml with dialect = "sqlite".
CREATE TABLE person (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  login TEXT NOT NULL UNIQUE,
  external_id TEXT,
  display_name TEXT,
  given_name TEXT,
  family_name TEXT,
  title TEXT,
  mail TEXT,
  mobile TEXT,
  department TEXT,
  employee_no TEXT,
  status TEXT NOT NULL DEFAULT 'A' CHECK (status IN ('A', 'I')),
  manager_id INTEGER REFERENCES person (id),
  created_by TEXT NOT NULL,
  request_id TEXT UNIQUE,
  row_version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX person_folded ON person (LOWER(login));
CREATE TABLE team (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  external_id TEXT,
  request_id TEXT UNIQUE
);
CREATE TABLE team_member (
  team_id INTEGER NOT NULL REFERENCES team (id),
  person_id INTEGER NOT NULL REFERENCES person (id),
  added_by TEXT NOT NULL,
  PRIMARY KEY (team_id, person_id)
);
CREATE INDEX team_member_person ON team_member (person_id);
-- Every change of a row, in order.
CREATE TABLE change_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  entity TEXT NOT NULL,
  row_id INTEGER NOT NULL
);
CREATE TRIGGER person_inserted AFTER INSERT ON person BEGIN INSERT INTO change_log (entity, row_id) VALUES ('person', NEW.id); END;
CREATE TRIGGER person_updated AFTER UPDATE ON person BEGIN INSERT INTO change_log (entity, row_id) VALUES ('person', NEW.id); END;
CREATE TRIGGER person_deleted AFTER DELETE ON person BEGIN INSERT INTO change_log (entity, row_id) VALUES ('person', OLD.id); END;
CREATE TRIGGER team_inserted AFTER INSERT ON team BEGIN INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.id); END;
CREATE TRIGGER team_updated AFTER UPDATE ON team BEGIN INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.id); END;
CREATE TRIGGER team_deleted AFTER DELETE ON team BEGIN INSERT INTO change_log (entity, row_id) VALUES ('team', OLD.id); END;
CREATE TRIGGER member_inserted AFTER INSERT ON team_member BEGIN INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.team_id); END;
CREATE TRIGGER member_deleted AFTER DELETE ON team_member BEGIN INSERT INTO change_log (entity, row_id) VALUES ('team', OLD.team_id); END;
