-- An application that lets nobody write its tables, for PostgreSQL. Settings: procedures.toml.
CREATE SCHEMA app;
CREATE TABLE app.accounts (
  account_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  login text NOT NULL,
  external_id text, full_name text, first_name text, last_name text, title text, mail text, mobile text,
  department text, employee_no text,
  boss uuid REFERENCES app.accounts,
  enabled boolean NOT NULL DEFAULT true,
  request text UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX ON app.accounts (lower(login));
CREATE TABLE app.roles (
  role_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  role_name text NOT NULL UNIQUE,
  external_id text
);
CREATE TABLE app.role_accounts (
  role_id integer REFERENCES app.roles ON DELETE CASCADE,
  account_id uuid REFERENCES app.accounts ON DELETE CASCADE,
  PRIMARY KEY (role_id, account_id)
);
CREATE VIEW app.account_view AS
  SELECT a.account_id, a.login, a.external_id, a.full_name, a.first_name, a.last_name, a.title, a.mail, a.mobile,
    a.department, a.employee_no, b.login AS boss_login, a.enabled, a.created_at, a.changed_at, a.xmin::text AS version
  FROM app.accounts a LEFT JOIN app.accounts b ON b.account_id = a.boss;
CREATE VIEW app.role_view AS SELECT * FROM app.roles;
CREATE VIEW app.role_member_view AS
  SELECT m.role_id, a.login AS account_login FROM app.role_accounts m JOIN app.accounts a USING (account_id);
CREATE FUNCTION app.create_account(login text, external_id text, full_name text, first_name text, last_name text,
  title text, mail text, mobile text, department text, employee_no text, boss_login text, request text)
RETURNS uuid LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO app.accounts (login, external_id, full_name, first_name, last_name, title, mail, mobile, department,
    employee_no, boss, request)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT account_id FROM app.accounts b WHERE b.login = $11), $12)
  RETURNING account_id
$$;
CREATE FUNCTION app.change_account(id uuid, login text, external_id text, full_name text, first_name text,
  last_name text, title text, mail text, mobile text, department text, employee_no text, boss_login text)
RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE app.accounts SET login = $2, external_id = $3, full_name = $4, first_name = $5, last_name = $6, title = $7,
    mail = $8, mobile = $9, department = $10, employee_no = $11,
    boss = (SELECT account_id FROM app.accounts b WHERE b.login = $12), changed_at = clock_timestamp()
  WHERE account_id = $1
$$;
CREATE FUNCTION app.switch_account(id uuid, wanted boolean) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE app.accounts SET enabled = wanted, changed_at = clock_timestamp() WHERE account_id = id
$$;
CREATE FUNCTION app.drop_account(id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE app.accounts SET boss = NULL, changed_at = clock_timestamp() WHERE boss = id;
  DELETE FROM app.accounts WHERE account_id = id;
$$;
CREATE FUNCTION app.create_role(name text, external text) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO app.roles (role_name, external_id) VALUES (name, external) RETURNING role_id
$$;
CREATE FUNCTION app.rename_role(id integer, name text, external text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  UPDATE app.roles SET role_name = name, external_id = external WHERE role_id = id
$$;
CREATE FUNCTION app.drop_role(id integer) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  DELETE FROM app.roles WHERE role_id = id
$$;
CREATE FUNCTION app.grant_role(role integer, account uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO app.role_accounts VALUES (role, account) ON CONFLICT DO NOTHING
$$;
CREATE FUNCTION app.revoke_role(role integer, account uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  DELETE FROM app.role_accounts WHERE role_id = role AND account_id = account
$$;
