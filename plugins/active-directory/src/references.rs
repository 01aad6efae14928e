//! DNs here, anchors in the contract: translated in batches. The directory itself mends what refers to an entry that
//! is renamed, moved or deleted.

use std::collections::BTreeMap;

use tombolo_sdk::Result;
use tombolo_sdk::ldap::{LdapEntry, dn};

use crate::directory::{self, ID, equals, identified};
use crate::kind::Kind;

/// How many assertions a filter holds.
pub const BATCH: usize = 100;

/// Finds entries of a kind by their anchors, with some attributes.
pub fn entries(
    kind: &Kind<'_>,
    anchors: &[&str],
    attributes: &[String],
) -> Result<BTreeMap<String, LdapEntry>> {
    let mut found = BTreeMap::new();
    let wanted = with_id(attributes);
    for batch in anchors.chunks(BATCH) {
        let assertions: String = batch
            .iter()
            .filter_map(|anchor| identified(anchor))
            .collect();
        if assertions.is_empty() {
            continue;
        }
        let filter = format!("(&(|{assertions}){})", kind.filter);
        for entry in directory::all(kind.base, &filter, &wanted)? {
            if let Some(anchor) = directory::anchor(&entry) {
                found.insert(anchor, entry);
            }
        }
    }
    Ok(found)
}

/// Finds the anchors of the kind's entries with these names: [`dn::key`] to anchor.
pub fn anchors(kind: &Kind<'_>, dns: &[&str]) -> Result<BTreeMap<String, String>> {
    let inside: Vec<&str> = dns
        .iter()
        .copied()
        .filter(|name| dn::is_within(name, kind.base))
        .collect();
    let mut found = BTreeMap::new();
    for batch in inside.chunks(BATCH) {
        let assertions: String = batch
            .iter()
            .map(|name| equals("distinguishedName", name))
            .collect();
        let filter = format!("(&(|{assertions}){})", kind.filter);
        for entry in directory::all(kind.base, &filter, &[ID.to_owned()])? {
            if let Some(anchor) = directory::anchor(&entry) {
                found.insert(dn::key(&entry.dn), anchor);
            }
        }
    }
    Ok(found)
}

fn with_id(attributes: &[String]) -> Vec<String> {
    let mut wanted = attributes.to_vec();
    if !wanted.iter().any(|name| name.eq_ignore_ascii_case(ID)) {
        wanted.push(ID.to_owned());
    }
    wanted
}
