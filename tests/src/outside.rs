//! A target as its owner sees it, from outside of the host: by the file, by `ldapsearch`, by the database's own client.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::host::{Directory, Start};
use crate::slapd::{BASE, Slapd};
use crate::sql::{self, Database, Engine};
use crate::{apps, build};

/// The name of a target's app.
pub const APP: &str = "people";
const PASSWORD: &str = "kill-password";

/// Display names by user name: more than one is a double.
pub type Seen = BTreeMap<String, Vec<String>>;

/// What is written to. Gone when dropped.
pub enum Target {
    /// Files that several hosts may share.
    Csv(TempDir),
    /// A directory.
    Ldap(Slapd),
    /// A PostgreSQL with `plugins/sql/examples/hr.toml`.
    Sql(Database),
}

impl Target {
    /// No files yet.
    pub fn csv() -> Result<Self> {
        let files = tempfile::Builder::new().prefix("tombolo-files-").tempdir();
        Ok(Self::Csv(files?))
    }

    /// With the suffix and its two branches.
    pub fn ldap() -> Result<Self> {
        Ok(Self::Ldap(Slapd::start(PASSWORD)?))
    }

    /// Its table has no unique constraint: what would be doubled is.
    pub fn sql() -> Result<Self> {
        let nowhere = Directory::new()?;
        let database = Database::start(Engine::Postgresql, &nowhere)?;
        database.run(&sql::read("hr.postgresql.sql")?.replace(" UNIQUE", ""))?;
        Ok(Self::Sql(database))
    }

    /// A configuration with the app [`APP`] on it.
    pub fn directory(&self) -> Result<Directory> {
        let directory = Directory::new()?;
        match self {
            Self::Csv(files) => {
                directory.connector("csv", &build::connector("csv")?)?;
                let at = files.path().display();
                let granted = format!(
                    "[directories]\ndata = {{ path = \"{at}\", access = \"read-write\" }}\n"
                );
                directory.app(APP, "csv", &granted)?;
            }
            Self::Ldap(slapd) => {
                directory.connector("ldap", &build::connector("ldap")?)?;
                apps::ldap(&directory, APP, slapd, "")?;
            }
            Self::Sql(database) => {
                directory.connector("sql", &build::connector("sql")?)?;
                database.app(&directory, APP, "hr", None, "")?;
            }
        }
        Ok(directory)
    }

    /// How a host is started on it.
    pub fn start(&self) -> Start {
        match self {
            Self::Csv(_) => Start::default(),
            Self::Ldap(_) => apps::with_password(PASSWORD),
            Self::Sql(_) => sql::with_password(),
        }
    }

    /// Who is there.
    pub fn seen(&self) -> Result<Seen> {
        match self {
            Self::Csv(files) => in_csv(&files.path().join(apps::CSV_USERS)),
            Self::Ldap(slapd) => in_ldap(slapd),
            Self::Sql(database) => in_sql(database),
        }
    }

    /// The user names of a group's members.
    pub fn members(&self, group: &str) -> Result<BTreeSet<String>> {
        match self {
            Self::Csv(files) => {
                let column = |file: &str, wanted: &str| -> Result<Vec<(String, String)>> {
                    let path = files.path().join(file);
                    rows(&path)?
                        .into_iter()
                        .map(|row| Ok((cell(&row, "id")?, cell(&row, wanted)?)))
                        .collect()
                };
                let people = column(apps::CSV_USERS, apps::CSV_USER_NAME)?;
                let groups = column("groups.csv", "displayName")?;
                let mut members = BTreeSet::new();
                for row in rows(&files.path().join("memberships.csv"))? {
                    let (of, who) = (cell(&row, "group")?, cell(&row, "member")?);
                    let is = groups.iter().any(|(id, name)| *id == of && name == group);
                    let name = people.iter().find(|(id, _)| *id == who);
                    if is {
                        members.insert(name.context("a member without a row")?.1.clone());
                    }
                }
                Ok(members)
            }
            Self::Ldap(slapd) => {
                let filter = format!("(&(objectClass=groupOfNames)(cn={group}))");
                let groups = slapd.search(&format!("ou=groups,{BASE}"), &filter)?;
                let entry = groups.first().context("no such group in the directory")?;
                let people =
                    slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")?;
                let uid = |dn: &String| {
                    let found = people
                        .iter()
                        .find(|entry| entry.dn.eq_ignore_ascii_case(dn));
                    found.and_then(|entry| entry.one("uid")).map(str::to_owned)
                };
                Ok(entry.all("member").iter().filter_map(uid).collect())
            }
            Self::Sql(database) => {
                let rows = database.rows(&format!(
                    "SELECT p.login FROM team t JOIN team_member m ON m.team_id = t.id \
                     JOIN person p ON p.id = m.person_id WHERE t.name = '{group}'"
                ))?;
                Ok(rows.into_iter().flatten().flatten().collect())
            }
        }
    }
}

/// In the csv connector's file of people.
fn in_csv(file: &Path) -> Result<Seen> {
    let mut users = Seen::new();
    for row in rows(file)? {
        users
            .entry(cell(&row, apps::CSV_USER_NAME)?)
            .or_default()
            .push(cell(&row, apps::CSV_DISPLAY_NAME)?);
    }
    Ok(users)
}

/// The rows of a CSV file, by column; none where there is no file.
fn rows(file: &Path) -> Result<Vec<BTreeMap<String, String>>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let mut reader = csv::Reader::from_path(file)?;
    Ok(reader.deserialize().collect::<Result<_, csv::Error>>()?)
}

fn cell(row: &BTreeMap<String, String>, column: &str) -> Result<String> {
    let cell = row.get(column).cloned();
    cell.with_context(|| format!("no column {column} in {row:?}"))
}

/// In a directory's `ou=people`.
fn in_ldap(slapd: &Slapd) -> Result<Seen> {
    let mut users = Seen::new();
    for entry in slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")? {
        let text = |name: &str| entry.one(name).unwrap_or_default().to_owned();
        users.entry(text("uid")).or_default().push(text("cn"));
    }
    Ok(users)
}

/// In the table of `plugins/sql/examples/hr.toml`.
fn in_sql(database: &Database) -> Result<Seen> {
    let mut users = Seen::new();
    for row in database.rows("SELECT login, display_name FROM person")? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let (name, display) = (cells.next(), cells.next());
        users
            .entry(name.context("a login")?)
            .or_default()
            .push(display.context("a display name")?);
    }
    Ok(users)
}
