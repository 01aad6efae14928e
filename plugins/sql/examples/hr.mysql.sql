-- A simple HR database, for MySQL and MariaDB. Settings: hr.toml with dialect = "mysql".
CREATE TABLE person (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  login VARCHAR(190) NOT NULL UNIQUE,
  external_id VARCHAR(190),
  display_name VARCHAR(300),
  given_name VARCHAR(190),
  family_name VARCHAR(190),
  title VARCHAR(190),
  mail VARCHAR(190),
  mobile VARCHAR(60),
  department VARCHAR(190),
  employee_no VARCHAR(30),
  status CHAR(1) NOT NULL DEFAULT 'A' CHECK (status IN ('A', 'I')),
  manager_id BIGINT,
  created_by VARCHAR(30) NOT NULL,
  request_id VARCHAR(64) UNIQUE,
  row_version INTEGER NOT NULL DEFAULT 1,
  FOREIGN KEY (manager_id) REFERENCES person (id)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE TABLE team (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(190) NOT NULL UNIQUE,
  external_id VARCHAR(190),
  request_id VARCHAR(64) UNIQUE
) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
CREATE TABLE team_member (
  team_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  added_by VARCHAR(30) NOT NULL,
  PRIMARY KEY (team_id, person_id),
  FOREIGN KEY (team_id) REFERENCES team (id),
  FOREIGN KEY (person_id) REFERENCES person (id)
);
-- Every change of a row, in order.
CREATE TABLE change_log (
  seq BIGINT AUTO_INCREMENT PRIMARY KEY,
  entity VARCHAR(30) NOT NULL,
  row_id BIGINT NOT NULL
);
CREATE TRIGGER person_inserted AFTER INSERT ON person FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('person', NEW.id);
CREATE TRIGGER person_updated AFTER UPDATE ON person FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('person', NEW.id);
CREATE TRIGGER person_deleted AFTER DELETE ON person FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('person', OLD.id);
CREATE TRIGGER team_inserted AFTER INSERT ON team FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.id);
CREATE TRIGGER team_updated AFTER UPDATE ON team FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.id);
CREATE TRIGGER team_deleted AFTER DELETE ON team FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('team', OLD.id);
CREATE TRIGGER member_inserted AFTER INSERT ON team_member FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('team', NEW.team_id);
CREATE TRIGGER member_deleted AFTER DELETE ON team_member FOR EACH ROW INSERT INTO change_log (entity, row_id) VALUES ('team', OLD.team_id);
