//! Wanted against granted. What counts is the intersection: a connector gets what it asks for in its manifest
//! *and* the operator lists. A file without a manifest asks for nothing and so the operator's list alone decides.

use std::fmt::Write as _;

use tracing::warn;

use super::LoadError;
use crate::app::AppSpec;
use crate::component::Component;
use crate::component::manifest::{Access, Manifest, WantedSecret, WantedTarget};

/// Fails with the exact lines to add.
pub(super) fn check(component: &Component, spec: &AppSpec) -> Result<(), LoadError> {
    let manifest = component.manifest();
    let mut lines = String::new();
    for wanted in &manifest.targets {
        match spec.targets.get(&wanted.name) {
            Some(granted) if granted.kind() != wanted.kind => {
                return Err(LoadError::Target(format!(
                    "target `{}` of app `{}` is of kind `{}`; the connector `{}` wants `kind = \"{}\"`",
                    wanted.name,
                    spec.app,
                    granted.kind(),
                    manifest.name,
                    wanted.kind
                )));
            }
            None if wanted.required => target_lines(wanted, &mut lines),
            _ => {}
        }
    }
    let mut tables = Tables::default();
    for wanted in &manifest.directories {
        let granted = spec
            .directories
            .iter()
            .find(|granted| granted.name == wanted.name);
        let enough = match granted {
            Some(granted) => granted.writable || wanted.access == Access::ReadOnly,
            None => !wanted.required,
        };
        if !enough {
            let access = wanted.access.word();
            let path = granted.map_or_else(
                || format!("data/{}", wanted.name),
                |granted| granted.host.display().to_string(),
            );
            tables.directories.push((
                format!(
                    "{} = {{ path = {path:?}, access = \"{access}\" }}",
                    wanted.name
                ),
                wanted.description.clone(),
            ));
        }
    }
    for wanted in &manifest.secrets {
        let granted = spec.secrets.get(&wanted.name);
        let enough = granted.is_some_and(|granted| granted.reveal || !wanted.reveal);
        if !enough && (wanted.required || granted.is_some()) {
            tables
                .secrets
                .push((secret_line(wanted), wanted.description.clone()));
        }
    }
    tables.write(&mut lines);
    if lines.is_empty() {
        return Ok(());
    }
    Err(LoadError::Grants {
        app: spec.app.clone(),
        connector: manifest.name.clone(),
        lines,
    })
}

/// The spec without what the connector did not ask for, and the names of that.
pub(super) fn effective(component: &Component, mut spec: AppSpec) -> (AppSpec, Vec<String>) {
    let manifest = component.manifest();
    let mut unasked = Vec::new();
    if component.has_manifest() {
        let mut keep = |what: &str, name: &str, wanted: bool| {
            if !wanted {
                unasked.push(format!("{what} `{name}`"));
            }
            wanted
        };
        spec.targets.retain(|name, _| {
            keep(
                "target",
                name,
                manifest.targets.iter().any(|wanted| wanted.name == *name),
            )
        });
        spec.secrets.retain(|name, granted| {
            let wanted = manifest.secrets.iter().find(|wanted| wanted.name == *name);
            granted.reveal &= wanted.is_some_and(|wanted| wanted.reveal);
            keep("secret", name, wanted.is_some())
        });
        spec.directories.retain_mut(|granted| {
            let wanted = manifest
                .directories
                .iter()
                .find(|wanted| wanted.name == granted.name);
            granted.writable &= wanted.is_some_and(|wanted| wanted.access == Access::ReadWrite);
            keep("directory", &granted.name, wanted.is_some())
        });
        if !unasked.is_empty() {
            let unasked = unasked.join(", ");
            warn!(app = %spec.app, connector = %manifest.name, %unasked, "granted, but the connector does not ask for it: withheld");
        }
    }
    (spec, unasked)
}

/// Every line that an app's file needs to grant all that the manifest asks for, the optional too.
pub(crate) fn all_lines(manifest: &Manifest) -> String {
    let mut lines = String::new();
    for wanted in &manifest.targets {
        target_lines(wanted, &mut lines);
    }
    let directories = manifest.directories.iter().map(|wanted| {
        let access = match wanted.access {
            Access::ReadWrite => "read-write",
            Access::ReadOnly => "read-only",
        };
        let name = &wanted.name;
        let line = format!("{name} = {{ path = \"data/{name}\", access = \"{access}\" }}");
        (line, wanted.description.clone())
    });
    let secrets = manifest
        .secrets
        .iter()
        .map(|wanted| (secret_line(wanted), wanted.description.clone()));
    let tables = Tables {
        directories: directories.collect(),
        secrets: secrets.collect(),
    };
    tables.write(&mut lines);
    lines.trim_end().to_owned()
}

fn comment(description: &str, into: &mut String) {
    for line in description.lines() {
        let _ = writeln!(into, "# {line}");
    }
}

fn target_lines(wanted: &WantedTarget, into: &mut String) {
    comment(&wanted.description, into);
    let (name, kind) = (&wanted.name, &wanted.kind);
    let _ = writeln!(into, "[targets.{name}]\nkind = \"{kind}\"");
    let password = format!("password = \"env:{}_PASSWORD\"", variable(name));
    let auth = format!(
        "auth = {{ kind = \"bearer\", token = \"env:{}_TOKEN\" }}",
        variable(name)
    );
    let lines: &[&str] = match kind.as_str() {
        "ldap" => &[
            "url = \"ldaps://ldap.example.org\"",
            "bind-dn = \"cn=tombolo,dc=example,dc=org\"",
            &password,
        ],
        "http" => &["url = \"https://api.example.org/v1\"", &auth],
        "sql" => &[
            "driver = \"postgresql\"  # or mysql, mariadb, sqlite, odbc",
            "host = \"db.example.org\"",
            "database = \"people\"",
            "user = \"tombolo\"",
            &password,
        ],
        "net" => &["address = \"service.example.org:1234\""],
        _ => &[],
    };
    for line in lines {
        let _ = writeln!(into, "{line}");
    }
    into.push('\n');
}

fn secret_line(wanted: &WantedSecret) -> String {
    let (name, variable) = (&wanted.name, variable(&wanted.name));
    if wanted.reveal {
        format!("{name} = {{ from = \"env:{variable}\", reveal = true }}")
    } else {
        format!("{name} = \"env:{variable}\"")
    }
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

/// Lines that share one TOML table.
#[derive(Default)]
struct Tables {
    directories: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
}

impl Tables {
    fn write(&self, into: &mut String) {
        for (table, lines) in [
            ("directories", &self.directories),
            ("secrets", &self.secrets),
        ] {
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(into, "[{table}]");
            for (line, description) in lines {
                comment(description, into);
                let _ = writeln!(into, "{line}");
            }
            into.push('\n');
        }
    }
}
