//! Who is in a target, seen from outside of the host: by the file, by `ldapsearch`, by the database's own client.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::apps;
use crate::slapd::{BASE, Slapd};
use crate::sql::Database;

/// Display names by user name: more than one is a double.
pub type Seen = BTreeMap<String, Vec<String>>;

/// In the csv connector's file of people.
pub fn in_csv(file: &Path) -> Result<Seen> {
    let mut users = Seen::new();
    let Ok(text) = std::fs::read_to_string(file) else {
        return Ok(users);
    };
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h.trim_matches('"') == name)
            .with_context(|| format!("no column {name} in {header:?}"))
    };
    let (name, display) = (
        column(apps::CSV_USER_NAME)?,
        column(apps::CSV_DISPLAY_NAME)?,
    );
    for line in lines {
        // Nothing that this test writes needs quotes.
        let cells: Vec<&str> = line.split(',').map(|c| c.trim_matches('"')).collect();
        users
            .entry(cells[name].to_owned())
            .or_default()
            .push(cells[display].to_owned());
    }
    Ok(users)
}

/// In a directory's `ou=people`.
pub fn in_ldap(slapd: &Slapd) -> Result<Seen> {
    let mut users = Seen::new();
    for entry in slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")? {
        let text = |name: &str| entry.one(name).unwrap_or_default().to_owned();
        users.entry(text("uid")).or_default().push(text("cn"));
    }
    Ok(users)
}

/// In the table of `plugins/sql/examples/hr.toml`.
pub fn in_sql(database: &Database) -> Result<Seen> {
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
