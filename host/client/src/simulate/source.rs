//! A directory of files as the tenant: `users.csv` or `users.json`, `groups.csv` or `groups.json`.
//!
//! CSV has a header line; JSON is an array of objects. Columns and keys have Microsoft Graph's names. Everything that is
//! wrong is said with its file and line, because a directory is typed, exported and cut by people.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::mapping::Mapping;
use super::tenant::{Group, Tenant, User};

/// Between the members in a cell.
const SEPARATOR: char = ';';

/// Why a directory is no tenant.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system said no.
    #[error("cannot read `{}`: {why}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// There is no file of users.
    #[error("`{}` has neither `users.csv` nor `users.json`", .0.display())]
    NoUsers(PathBuf),
    /// There are two files of the same thing.
    #[error("`{}` has both `{what}.csv` and `{what}.json`: keep one", .0.display(), what = .1)]
    Two(PathBuf, &'static str),
    /// A file is no CSV or no JSON.
    #[error("`{}`: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the reader says, with the line.
        why: String,
    },
    /// A row says something that cannot be.
    #[error("`{}`, {place}: {why}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// `line 7` or `entry 7`.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// Reads `users.*` and `groups.*` of `directory`. Which columns users may have depends on `mapping`: a column that
/// flows nowhere is a typing error.
pub fn read(directory: &Path, mapping: &Mapping) -> Result<Tenant, SourceError> {
    let users =
        find(directory, "users")?.ok_or_else(|| SourceError::NoUsers(directory.to_owned()))?;
    let mut tenant = Tenant::default();
    let mut names = BTreeMap::new();
    for row in rows(&users)? {
        let user = row.user(mapping)?;
        let name = user.user_principal_name.to_lowercase();
        if let Some(other) = names.insert(name, user.id.clone()) {
            return Err(row.wrong(format!(
                "`{}` is the userPrincipalName of `{other}` too",
                user.user_principal_name
            )));
        }
        if let Some(twice) = tenant.users.insert(user.id.clone(), user) {
            return Err(row.wrong(format!("the id `{}` is there twice", twice.id)));
        }
    }
    // References name people as an administrator does: by id or by userPrincipalName.
    let resolve = |name: &str| {
        if tenant.users.contains_key(name) {
            name.to_owned()
        } else {
            names
                .get(&name.to_lowercase())
                .cloned()
                .unwrap_or_else(|| name.to_owned())
        }
    };
    let managers: Vec<(String, String)> = tenant
        .users
        .values()
        .filter_map(|user| Some((user.id.clone(), resolve(user.manager.as_deref()?))))
        .collect();
    let mut groups = BTreeMap::new();
    if let Some(file) = find(directory, "groups")? {
        for row in rows(&file)? {
            let mut group = row.group()?;
            group.members = group.members.iter().map(|member| resolve(member)).collect();
            if let Some(twice) = groups.insert(group.id.clone(), group) {
                return Err(row.wrong(format!("the id `{}` is there twice", twice.id)));
            }
        }
    }
    for (id, manager) in managers {
        if let Some(user) = tenant.users.get_mut(&id) {
            user.manager = Some(manager);
        }
    }
    tenant.groups = groups;
    Ok(tenant)
}

fn find(directory: &Path, what: &'static str) -> Result<Option<PathBuf>, SourceError> {
    let unreadable = |why| SourceError::Read {
        path: directory.to_owned(),
        why,
    };
    fs::read_dir(directory).map_err(unreadable)?;
    let [csv, json] = ["csv", "json"].map(|end| directory.join(format!("{what}.{end}")));
    match (csv.is_file(), json.is_file()) {
        (true, true) => Err(SourceError::Two(directory.to_owned(), what)),
        (true, false) => Ok(Some(csv)),
        (false, true) => Ok(Some(json)),
        (false, false) => Ok(None),
    }
}

/// One row or entry: what is written there, without what is empty.
struct Row {
    file: PathBuf,
    place: String,
    values: BTreeMap<String, Value>,
}

fn rows(file: &Path) -> Result<Vec<Row>, SourceError> {
    let bytes = fs::read(file).map_err(|why| SourceError::Read {
        path: file.to_owned(),
        why,
    })?;
    // Excel writes one.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    if file.extension().is_some_and(|end| end == "json") {
        return json_rows(file, bytes);
    }
    csv_rows(file, bytes)
}

fn json_rows(file: &Path, bytes: &[u8]) -> Result<Vec<Row>, SourceError> {
    let entries: Vec<Map<String, Value>> =
        serde_json::from_slice(bytes).map_err(|why| SourceError::Syntax {
            path: file.to_owned(),
            why: why.to_string(),
        })?;
    Ok(entries
        .into_iter()
        .enumerate()
        .map(|(n, entry)| Row {
            file: file.to_owned(),
            place: format!("entry {}", n + 1),
            values: entry
                .into_iter()
                .filter(|(_, value)| !value.is_null() && value != "")
                .collect(),
        })
        .collect())
}

fn csv_rows(file: &Path, bytes: &[u8]) -> Result<Vec<Row>, SourceError> {
    let syntax = |why: csv::Error| SourceError::Syntax {
        path: file.to_owned(),
        why: why.to_string(),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(syntax)?.clone();
    let mut seen = BTreeSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(*name)) {
        return Err(SourceError::Row {
            path: file.to_owned(),
            place: "line 1".to_owned(),
            why: format!("the column `{twice}` is there twice"),
        });
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(syntax)?;
        let line = record.position().map_or(0, csv::Position::line);
        let values = header
            .iter()
            .zip(&record)
            .filter(|(_, value)| !value.is_empty());
        rows.push(Row {
            file: file.to_owned(),
            place: format!("line {line}"),
            values: values
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect(),
        });
    }
    Ok(rows)
}

impl Row {
    fn wrong(&self, why: String) -> SourceError {
        SourceError::Row {
            path: self.file.clone(),
            place: self.place.clone(),
            why,
        }
    }

    fn user(&self, mapping: &Mapping) -> Result<User, SourceError> {
        let name = self
            .text("userPrincipalName")?
            .ok_or_else(|| self.wrong("a user needs a `userPrincipalName`".to_owned()))?;
        let id = self.text("id")?.unwrap_or_else(|| name.clone());
        let mut user = User::new(id, name);
        user.account_enabled = self.truth("accountEnabled", true)?;
        user.assigned = self.truth("assigned", true)?;
        user.soft_deleted = self.truth("softDeleted", false)?;
        user.manager = self.text("manager")?;
        let properties = mapping.properties();
        for column in self.values.keys() {
            if [
                "id",
                "userPrincipalName",
                "accountEnabled",
                "assigned",
                "softDeleted",
                "manager",
            ]
            .contains(&&**column)
            {
                continue;
            }
            if !properties.contains(column.as_str()) {
                return Err(self.wrong(format!(
                    "the column `{column}` flows nowhere; known are {}",
                    list(&properties)
                )));
            }
            if let Some(text) = self.text(column)? {
                user.properties.insert(column.clone(), text);
            }
        }
        Ok(user)
    }

    fn group(&self) -> Result<Group, SourceError> {
        if let Some(column) = self
            .values
            .keys()
            .find(|column| !["id", "displayName", "assigned", "members"].contains(&&***column))
        {
            return Err(self.wrong(format!(
                "a group has no `{column}`; known are id, displayName, assigned, members"
            )));
        }
        let display_name = self
            .text("displayName")?
            .ok_or_else(|| self.wrong("a group needs a `displayName`".to_owned()))?;
        Ok(Group {
            id: self.text("id")?.unwrap_or_else(|| display_name.clone()),
            display_name,
            assigned: self.truth("assigned", true)?,
            members: self.members()?,
        })
    }

    fn members(&self) -> Result<BTreeSet<String>, SourceError> {
        let wrong = || {
            self.wrong("`members` must be ids or userPrincipalNames: in CSV separated by `;`, in JSON an array".to_owned())
        };
        match self.values.get("members") {
            None => Ok(BTreeSet::new()),
            Some(Value::String(text)) => Ok(text
                .split(SEPARATOR)
                .map(str::trim)
                .filter(|member| !member.is_empty())
                .map(str::to_owned)
                .collect()),
            Some(Value::Array(members)) => members
                .iter()
                .map(|member| member.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn text(&self, column: &str) -> Result<Option<String>, SourceError> {
        match self.values.get(column) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.wrong(format!("`{column}` must be a text, not {other}"))),
        }
    }

    fn truth(&self, column: &str, default: bool) -> Result<bool, SourceError> {
        match self.values.get(column) {
            None => Ok(default),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(other) => {
                Err(self.wrong(format!("`{column}` must be true or false, not {other}")))
            }
        }
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn error(files: &[(&str, &str)]) -> String {
        let directory = directory(files);
        let error = read(directory.path(), &Mapping::default()).unwrap_err();
        error
            .to_string()
            .replace(&format!("{}/", directory.path().display()), "")
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = directory(&[
            (
                "users.csv",
                "\u{FEFF}id,userPrincipalName,displayName,accountEnabled,manager,surname\n1,ana@x,\"Ruiz, Ana\",,,Ruiz\n2,bo@x,Bo,False,ANA@x,\n",
            ),
            (
                "groups.csv",
                "id,displayName,members\ng,Finance,1; bo@x\nh,Empty,\n",
            ),
        ]);
        let json = directory(&[
            (
                "users.json",
                r#"[{"id":"1","userPrincipalName":"ana@x","displayName":"Ruiz, Ana","surname":"Ruiz"},
                    {"id":2,"userPrincipalName":"bo@x","displayName":"Bo","accountEnabled":false,"manager":"1","surname":null}]"#,
            ),
            (
                "groups.json",
                r#"[{"id":"g","displayName":"Finance","members":["1","bo@x"]},{"id":"h","displayName":"Empty"}]"#,
            ),
        ]);
        let mapping = Mapping::default();
        let tenant = read(csv.path(), &mapping).unwrap();
        assert_eq!(tenant, read(json.path(), &mapping).unwrap());
        assert_eq!(tenant.users["1"].property("displayName"), Some("Ruiz, Ana"));
        assert!(tenant.users["1"].account_enabled && !tenant.users["2"].account_enabled);
        assert_eq!(tenant.users["2"].manager.as_deref(), Some("1"));
        assert_eq!(
            tenant.groups["g"].members,
            BTreeSet::from(["1".to_owned(), "2".to_owned()])
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_line() {
        assert!(error(&[]).ends_with("has neither `users.csv` nor `users.json`"));
        assert!(error(&[("users.csv", "id\n"), ("users.json", "[]")]).contains("keep one"));
        assert_eq!(
            error(&[("users.csv", "id,userPrincipalName\n1,a@x\n2,\n")]),
            "`users.csv`, line 3: a user needs a `userPrincipalName`"
        );
        assert!(
            error(&[("users.csv", "userPrincipalName,jobTitel\na@x,Lead\n")]).starts_with(
                "`users.csv`, line 2: the column `jobTitel` flows nowhere; known are "
            )
        );
        assert!(
            error(&[("users.csv", "id,userPrincipalName\n1,a@x\n2,A@X\n")])
                .contains("line 3: `A@X` is the userPrincipalName of `1` too")
        );
        assert!(
            error(&[("users.csv", "id,userPrincipalName\n1,a@x\n1,b@x\n")])
                .contains("line 3: the id `1` is there twice")
        );
        assert!(
            error(&[("users.csv", "userPrincipalName,accountEnabled\na@x,yes\n")])
                .contains("must be true or false")
        );
        assert!(error(&[("users.csv", "userPrincipalName\na@x,b\n")]).contains("line"));
        assert!(error(&[("users.json", "{}")]).contains("`users.json`: "));
        assert!(
            error(&[
                ("users.csv", "id,userPrincipalName\n"),
                ("groups.json", r#"[{"displayName":"A","members":[7]}]"#)
            ])
            .contains("entry 1: `members` must be")
        );
    }

    #[test]
    fn a_reference_to_somebody_who_is_not_there_is_out_of_scope_and_no_error() {
        let files = directory(&[("users.csv", "id,userPrincipalName,manager\n1,a@x,boss@x\n")]);
        let tenant = read(files.path(), &Mapping::default()).unwrap();
        assert_eq!(tenant.users["1"].manager.as_deref(), Some("boss@x"));
    }
}
