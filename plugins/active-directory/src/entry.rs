//! From the directory's entries to the contract's.

use std::collections::BTreeMap;

use tombolo_sdk::ldap::{LdapEntry, dn};
use tombolo_sdk::{Attribute, Entry, Failure, Result, Scalar, Value};

use crate::attribute::{Offered, Syntax, from_directory};
use crate::directory::{self, VERSION, identified};
use crate::kind::Kind;
use crate::references;

/// Entries with their references translated, all at once. An empty list wants every attribute.
pub fn entries(kind: &Kind<'_>, found: &[LdapEntry], wanted: &[String]) -> Result<Vec<Entry>> {
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
    let offered: Vec<&Offered> = kind
        .offered
        .iter()
        .filter(|offered| is_wanted(offered.name()))
        .collect();
    let mut referred: Vec<&str> = offered
        .iter()
        .filter(|offered| offered.syntax == Syntax::Reference)
        .flat_map(|offered| found.iter().flat_map(|e| e.texts(offered.name())))
        .collect();
    referred.sort_unstable();
    referred.dedup();
    let anchors = references::anchors(&Kind::user(kind.settings), &referred)?;
    found
        .iter()
        .map(|entry| {
            let anchor = directory::anchor(entry).ok_or_else(no_anchor)?;
            let mut made = Entry::new(anchor);
            made.version = entry.text(VERSION).map(str::to_owned);
            for offered in &offered {
                let values = values(kind, offered, entry, &anchors);
                if !values.is_empty() {
                    made.attributes.push(Attribute {
                        name: offered.name().to_owned(),
                        values,
                    });
                }
            }
            Ok(made)
        })
        .collect()
}

fn values(
    kind: &Kind<'_>,
    offered: &Offered,
    entry: &LdapEntry,
    anchors: &BTreeMap<String, String>,
) -> Vec<Value> {
    let text = |text: &str| vec![Value::Simple(Scalar::Text(text.to_owned()))];
    let raw = offered.source().map_or(&[][..], |name| entry.values(name));
    let mut values: Vec<Value> = match offered.syntax {
        Syntax::Name => text(&entry.dn),
        Syntax::Parent => text(dn::split(&entry.dn).1),
        Syntax::Reference => raw
            .iter()
            .filter_map(|value| anchors.get(&dn::key(std::str::from_utf8(value).ok()?)))
            .map(|anchor| Value::Simple(Scalar::Text(anchor.clone())))
            .collect(),
        syntax => raw
            .iter()
            .filter(|value| !kind.is_mark(offered.name(), value))
            .filter_map(|value| from_directory(syntax, value))
            .collect(),
    };
    if !offered.field.multi {
        values.truncate(1);
    }
    values
}

fn no_anchor() -> Failure {
    Failure::other("the directory shows no objectGUID: let the account read it")
}

/// The directory's entry with this anchor.
pub fn find(kind: &Kind<'_>, anchor: &str, attributes: &[String]) -> Result<LdapEntry> {
    let missing = || {
        Failure::not_found(format!(
            "no {} in the directory has the objectGUID {anchor}",
            kind.name()
        ))
    };
    let id = identified(anchor).ok_or_else(missing)?;
    let filter = format!("(&{id}{})", kind.filter);
    let found = directory::page(kind.base, &filter, attributes, None, 2)?;
    found.entries.into_iter().next().ok_or_else(missing)
}

/// One entry by its name, as it is now.
pub fn by_name(kind: &Kind<'_>, name: &str) -> Result<Entry> {
    let found = directory::read(name, &kind.to_read(&[]))?.ok_or_else(|| {
        Failure::other(format!(
            "the {} was written, and the directory does not show it at `{name}`",
            kind.name()
        ))
    })?;
    let mut entries = entries(kind, std::slice::from_ref(&found), &[])?;
    entries.pop().ok_or_else(no_anchor)
}
