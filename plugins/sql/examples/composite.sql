-- An older schema: keys of two columns, and tables of their own for mail and phones. Settings: composite.toml.
CREATE TABLE employee (
  org VARCHAR(10) NOT NULL,
  no INTEGER NOT NULL,
  login VARCHAR(190) NOT NULL,
  external_id VARCHAR(190),
  display VARCHAR(300),
  given VARCHAR(190) DEFAULT '' NOT NULL,
  family VARCHAR(190) DEFAULT '' NOT NULL,
  title VARCHAR(190),
  department VARCHAR(190),
  locked INTEGER DEFAULT 0 NOT NULL,
  gone INTEGER DEFAULT 0 NOT NULL,
  boss_org VARCHAR(10),
  boss_no INTEGER,
  row_version INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (org, no),
  UNIQUE (org, login),
  FOREIGN KEY (boss_org, boss_no) REFERENCES employee (org, no)
);
CREATE TABLE employee_mail (
  org VARCHAR(10) NOT NULL,
  no INTEGER NOT NULL,
  kind VARCHAR(10) NOT NULL,
  address VARCHAR(190) NOT NULL,
  is_main INTEGER,
  PRIMARY KEY (org, no, kind, address),
  FOREIGN KEY (org, no) REFERENCES employee (org, no)
);
CREATE TABLE employee_phone (
  org VARCHAR(10) NOT NULL,
  no INTEGER NOT NULL,
  kind VARCHAR(10) NOT NULL,
  phone VARCHAR(60) NOT NULL,
  PRIMARY KEY (org, no, kind, phone),
  FOREIGN KEY (org, no) REFERENCES employee (org, no)
);
CREATE TABLE unit (
  org VARCHAR(10) NOT NULL,
  code VARCHAR(40) NOT NULL,
  name VARCHAR(190) NOT NULL,
  external_id VARCHAR(190),
  PRIMARY KEY (org, code),
  UNIQUE (org, name)
);
CREATE TABLE unit_employee (
  unit_org VARCHAR(10) NOT NULL,
  unit_code VARCHAR(40) NOT NULL,
  emp_org VARCHAR(10) NOT NULL,
  emp_no INTEGER NOT NULL,
  role VARCHAR(20) NOT NULL,
  PRIMARY KEY (unit_org, unit_code, emp_org, emp_no),
  FOREIGN KEY (unit_org, unit_code) REFERENCES unit (org, code),
  FOREIGN KEY (emp_org, emp_no) REFERENCES employee (org, no)
);
CREATE TABLE unit_unit (
  parent_org VARCHAR(10) NOT NULL,
  parent_code VARCHAR(40) NOT NULL,
  child_org VARCHAR(10) NOT NULL,
  child_code VARCHAR(40) NOT NULL,
  PRIMARY KEY (parent_org, parent_code, child_org, child_code),
  FOREIGN KEY (parent_org, parent_code) REFERENCES unit (org, code),
  FOREIGN KEY (child_org, child_code) REFERENCES unit (org, code)
);
