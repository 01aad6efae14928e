//! A connector's project: `connector.toml`, which says what the connector is and wants, and how it is built.
//!
//! Everything outside `[build]` is the manifest; the contract's version is added from the project's own `wit/`, so that
//! it stands in one place.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::language::Language;

/// The file's name.
pub const FILE: &str = "connector.toml";

/// What a connector can do beyond reading: an interface that it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the contract explains them")]
pub enum Ability {
    Write,
    Members,
    Password,
    Delta,
}

impl Ability {
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Members => "members",
            Self::Password => "password",
            Self::Delta => "delta",
        }
    }
}

/// What a connector uses of the host beyond what every connector has: an interface that it imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the contract explains them")]
pub enum Capability {
    Http,
    Ldap,
    LdapSearch,
    LdapSync,
    LdapPassword,
    LdapDirectory,
    Sql,
    Net,
    Reveal,
}

impl Capability {
    pub(crate) fn interface(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Ldap => "ldap",
            Self::LdapSearch => "ldap-search",
            Self::LdapSync => "ldap-sync",
            Self::LdapPassword => "ldap-password",
            Self::LdapDirectory => "ldap-directory",
            Self::Sql => "sql",
            Self::Net => "net",
            Self::Reveal => "reveal",
        }
    }
}

/// A project that was read.
#[derive(Debug)]
pub struct Project {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) build: Build,
    pub(crate) manifest: serde_json::Map<String, Value>,
}

/// The table `[build]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    pub(crate) lang: Language,
    #[serde(default)]
    pub(crate) exports: Vec<Ability>,
    #[serde(default)]
    pub(crate) imports: Vec<Capability>,
}

/// Why a directory is no project.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their texts say it")]
pub enum ProjectError {
    #[error(
        "there is no `{FILE}` in `{}`\n  hint: `tombolo connector new NAME --lang LANGUAGE` makes a project", .dir.display()
    )]
    Absent { dir: PathBuf },
    #[error("cannot read `{}`: {why}", .file.display())]
    Unreadable { file: PathBuf, why: std::io::Error },
    #[error("`{}`: {why}", .file.display())]
    Malformed { file: PathBuf, why: String },
}

impl Project {
    /// Reads the project in a directory.
    pub fn read(dir: &Path) -> Result<Self, ProjectError> {
        let file = dir.join(FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                return Err(ProjectError::Absent {
                    dir: dir.to_owned(),
                });
            }
            Err(why) => return Err(ProjectError::Unreadable { file, why }),
        };
        // The tools run in this directory, and some of them are found in it.
        let dir = std::path::absolute(dir).map_err(|why| ProjectError::Unreadable {
            file: file.clone(),
            why,
        })?;
        Self::parse(&dir, &text).map_err(|why| ProjectError::Malformed { file, why })
    }

    fn parse(dir: &Path, text: &str) -> Result<Self, String> {
        let mut manifest: toml::Table = toml::from_str(text).map_err(|why| why.to_string())?;
        let build = manifest
            .remove("build")
            .ok_or("it has no table `[build]`; it needs at least `lang`")?;
        let build: Build = build
            .try_into()
            .map_err(|why| format!("in `[build]`: {}", why.to_string().trim_end()))?;
        let name = manifest
            .get("name")
            .and_then(toml::Value::as_str)
            .ok_or("it has no `name`")?
            .to_owned();
        check_name(&name)?;
        if !manifest.get("version").is_some_and(toml::Value::is_str) {
            return Err("it has no `version`".to_owned());
        }
        if manifest.contains_key("wit") {
            return Err(
                "`wit` is not said here: the version of the contract is that of the project's `wit/`"
                    .to_owned(),
            );
        }
        let manifest = manifest
            .into_iter()
            .map(|(name, value)| json(value).map(|value| (name, value)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            dir: dir.to_owned(),
            name,
            build,
            manifest,
        })
    }

    /// The connector's name: that of its file, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The language it is written in.
    pub fn language(&self) -> Language {
        self.build.lang
    }

    /// The component that a build makes.
    pub fn component(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    /// Where a build keeps what it makes on the way.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.join("build")
    }
}

/// The contract's rule for names.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(allowed)
        && name.len() <= 64;
    if good {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a connector: lower-case letters, digits and hyphens, a letter first, 64 at most"
    ))
}

fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(when) => {
            return Err(format!("{when}: the manifest has no dates; quote it"));
        }
        toml::Value::Array(items) => items.into_iter().map(json).collect::<Result<_, _>>()?,
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(name, value)| json(value).map(|value| (name, value)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Project, String> {
        Project::parse(Path::new("/p"), text)
    }

    const GOOD: &str = "name = \"a\"\nversion = \"1\"\n[build]\nlang = \"c\"\nexports = [\"write\"]\n[settings]\ntype = \"object\"\n";

    #[test]
    fn everything_outside_build_is_the_manifest() {
        let project = parse(GOOD).expect("it is good");
        assert_eq!(project.language(), Language::C);
        assert_eq!(project.build.exports, [Ability::Write]);
        assert_eq!(
            Value::Object(project.manifest),
            serde_json::json!({ "name": "a", "version": "1", "settings": { "type": "object" } })
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (text, said) in [
            ("name = \"a\"\nversion = \"1\"\n", "[build]"),
            ("version = \"1\"\n[build]\nlang = \"c\"", "`name`"),
            ("name = \"a\"\n[build]\nlang = \"c\"", "`version`"),
            (
                "name = \"A b\"\nversion = \"1\"\n[build]\nlang = \"c\"",
                "A b",
            ),
            (
                "name = \"a\"\nversion = \"1\"\nwit = \"0.1.0\"\n[build]\nlang = \"c\"",
                "`wit`",
            ),
            (
                "name = \"a\"\nversion = \"1\"\n[build]\nlang = \"cobol\"",
                "cobol",
            ),
            (
                "name = \"a\"\nversion = \"1\"\n[build]\nlang = \"c\"\nexport = []",
                "export",
            ),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
