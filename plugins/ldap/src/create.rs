//! New entries.

use std::collections::BTreeMap;

use tombolo_sdk::host::ldap::{LdapEntry, Scope};
use tombolo_sdk::{Attribute, Entry, Failure, Fault, Result, Value};

use crate::attribute::{Offered, Syntax, to_directory};
use crate::kind::{ACTIVE, DN, Kind, PARENT};
use crate::settings::Settings;
use crate::{directory, dn, entry, references};

/// Values by attribute, as the directory has them.
pub type Values = BTreeMap<String, Vec<Vec<u8>>>;

/// Creates an entry and answers it as it is.
pub fn create(settings: &Settings, kind: &Kind, attributes: &[Attribute]) -> Result<Entry> {
    let mut values = Values::new();
    for (name, defaults) in &kind.defaults {
        values.insert(
            name.clone(),
            defaults
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect(),
        );
    }
    for attribute in attributes {
        let is_active = attribute.name == ACTIVE && kind.disable.is_some();
        let is_place = (attribute.name == DN && kind.offers_dn())
            || (attribute.name == PARENT && kind.offers_parent());
        if is_active || is_place {
            continue;
        }
        let offered = kind.offered(&attribute.name)?;
        let written = directory_values(settings, offered, &attribute.values)?;
        if !written.is_empty() {
            values.insert(offered.name().to_owned(), written);
        }
    }
    if let Some(rule) = &kind.disable {
        let active = attributes
            .iter()
            .find(|a| a.name == ACTIVE)
            .and_then(Attribute::scalar);
        let state = match active.and_then(tombolo_sdk::Scalar::as_boolean) {
            Some(false) => Some(&rule.disabled),
            _ => rule.enabled.as_ref(),
        };
        if let Some(state) = state {
            values.insert(rule.attribute.clone(), vec![state.as_bytes().to_vec()]);
        }
    }
    let given = attributes
        .iter()
        .find(|a| a.name == DN && kind.offers_dn())
        .and_then(|a| a.scalar()?.as_text());
    if let Some(dn) = given {
        take_name(kind, dn, &mut values)?;
    }
    if kind.is_person() {
        complete_person(&mut values, &kind.offered[0].field.name);
    }
    let dn = match given {
        Some(dn) => dn.to_owned(),
        None => {
            let name = first_text(&values, &kind.rdn).ok_or_else(|| {
                Failure::invalid(format!(
                    "a {} is named by `{}`, which has no value",
                    kind.name, kind.rdn
                ))
                .attribute(&kind.rdn)
            })?;
            let above = attributes
                .iter()
                .find(|a| a.name == PARENT && kind.offers_parent())
                .and_then(|a| a.scalar()?.as_text());
            if let Some(above) = above {
                kind.holds(above)?;
            }
            dn::child(&kind.rdn, name, above.unwrap_or(&kind.base))
        }
    };
    if kind.name == "group" && settings.groups.wants_a_member() {
        let placeholder = settings.groups.empty_member.as_bytes().to_vec();
        values.insert(
            settings.groups.member_attribute().to_owned(),
            vec![placeholder],
        );
    }
    let mut written: Vec<(String, Vec<Vec<u8>>)> = values.into_iter().collect();
    let classes = kind
        .classes
        .iter()
        .map(|class| class.as_bytes().to_vec())
        .collect();
    written.push(("objectClass".to_owned(), classes));
    let new = LdapEntry {
        dn,
        attributes: written,
    };
    directory::add(&new, dn::split(&new.dn).1).map_err(|failure| blame(kind, failure))?;
    entry::by_name(settings, kind, &new.dn)
}

/// An entry has the values that it is named by (RFC 4511, section 4.7); and it is where the kind's entries are looked
/// for, or it would never be found again.
fn take_name(kind: &Kind, dn: &str, values: &mut Values) -> Result<()> {
    let (first, parent) = dn::split(dn);
    let below = match kind.scope {
        Scope::OneLevel => dn::key(parent) == dn::key(&kind.base),
        Scope::Base | Scope::Subtree => dn::is_within(parent, &kind.base),
    };
    let rdn = dn::parse_rdn(first).filter(|_| below).ok_or_else(|| {
        Failure::invalid(format!(
            "`{dn}` is no name for a {}: give the name of an entry below `{}`, or set {}s.base in [settings]",
            kind.name, kind.base, kind.name
        ))
        .attribute(DN)
    })?;
    for part in rdn {
        let known = values
            .keys()
            .find(|name| name.eq_ignore_ascii_case(&part.attribute))
            .cloned();
        let held = values.entry(known.unwrap_or(part.attribute)).or_default();
        if !held.contains(&part.value) {
            held.push(part.value);
        }
    }
    Ok(())
}

/// An entry's name that is taken is about the naming attribute.
pub fn blame(kind: &Kind, mut failure: Failure) -> Failure {
    let is_name = failure.target_code.as_deref() == Some("68");
    if is_name && failure.is(Fault::AlreadyExists) && failure.attribute.is_none() {
        failure.attribute = Some(kind.rdn.clone());
    }
    failure
}

/// An attribute's values as the directory writes them; anchors become DNs.
pub fn directory_values(
    settings: &Settings,
    offered: &Offered,
    values: &[Value],
) -> Result<Vec<Vec<u8>>> {
    if offered.syntax != Syntax::Reference {
        return Ok(values
            .iter()
            .filter_map(|value| to_directory(offered.syntax, value))
            .collect());
    }
    let anchors: Vec<&str> = values
        .iter()
        .filter_map(|value| value.as_scalar()?.as_text())
        .filter(|anchor| !anchor.is_empty())
        .collect();
    let names = references::names(&Kind::user(settings), &anchors)?;
    anchors
        .iter()
        .map(|anchor| {
            names
                .get(*anchor)
                .map(|dn| dn.clone().into_bytes())
                .ok_or_else(|| {
                    Failure::invalid(format!(
                        "`{}` refers to a user that the directory does not have",
                        offered.name()
                    ))
                    .attribute(offered.name())
                })
        })
        .collect()
}

/// `cn` and `sn` are mandatory for a person (RFC 4519), while a SCIM user may have neither.
pub fn complete_person(values: &mut Values, user_name: &str) {
    let known = |values: &Values, name: &str| first_text(values, name).map(str::to_owned);
    if known(values, "cn").is_none() {
        let names: Vec<String> = ["givenName", "sn"]
            .iter()
            .filter_map(|name| known(values, name))
            .collect();
        let full = if names.is_empty() {
            known(values, user_name)
        } else {
            Some(names.join(" "))
        };
        if let Some(full) = full {
            values.insert("cn".to_owned(), vec![full.into_bytes()]);
        }
    }
    if known(values, "sn").is_none() {
        let full = known(values, "cn").or_else(|| known(values, user_name));
        let last = full.as_deref().map(|full| {
            full.split_whitespace()
                .next_back()
                .unwrap_or(full)
                .to_owned()
        });
        if let Some(last) = last {
            values.insert("sn".to_owned(), vec![last.into_bytes()]);
        }
    }
}

fn first_text<'v>(values: &'v Values, name: &str) -> Option<&'v str> {
    let (_, values) = values.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(values.first()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(given: &[(&str, &str)]) -> (String, String) {
        let mut values: Values = given
            .iter()
            .map(|(n, v)| ((*n).to_owned(), vec![v.as_bytes().to_vec()]))
            .collect();
        complete_person(&mut values, "uid");
        let text = |name| first_text(&values, name).expect("a value").to_owned();
        (text("cn"), text("sn"))
    }

    #[test]
    fn a_person_without_names_is_named_by_what_there_is() {
        let pair = |cn: &str, sn: &str| (cn.to_owned(), sn.to_owned());
        assert_eq!(completed(&[("uid", "ana")]), pair("ana", "ana"));
        assert_eq!(
            completed(&[("uid", "ana"), ("cn", "Ana de Ruiz")]),
            pair("Ana de Ruiz", "Ruiz")
        );
        assert_eq!(
            completed(&[("uid", "ana"), ("givenName", "Ana"), ("sn", "Ruiz")]),
            pair("Ana Ruiz", "Ruiz")
        );
        assert_eq!(
            completed(&[("uid", "ana"), ("givenName", "Ana")]),
            pair("Ana", "Ana")
        );
        assert_eq!(completed(&[("uid", " x "), ("cn", "  ")]), pair("  ", "  "));
    }

    fn named(scope: &str, dn: &str) -> Result<Values> {
        let json = format!(r#"{{"base":"dc=x","users":{{"scope":"{scope}"}}}}"#);
        let kind = Kind::user(&Settings::parse(&json).expect("settings"));
        let mut values = Values::from([("cn".to_owned(), vec![b"Ana Ruiz".to_vec()])]);
        take_name(&kind, dn, &mut values).map(|()| values)
    }

    #[test]
    fn a_given_name_is_taken_if_it_is_where_people_are() {
        let values = named("subtree", "CN=ana+uid=7,OU=Staff, ou=people,DC=x").expect("a name");
        let names = ["Ana Ruiz", "ana"].map(|name| name.as_bytes().to_vec());
        assert_eq!(values["cn"], names);
        assert_eq!(values["uid"], [b"7".to_vec()]);
        assert!(named("one-level", "cn=ana,ou=people,dc=x").is_ok());
        for (scope, dn) in [
            ("subtree", "cn=ana,ou=groups,dc=x"),
            ("subtree", "ou=people,dc=x"),
            ("subtree", "ana"),
            ("subtree", ""),
            ("one-level", "cn=ana,ou=staff,ou=people,dc=x"),
        ] {
            let failure = named(scope, dn).expect_err(dn);
            assert_eq!(failure.attribute.as_deref(), Some(DN), "{dn}");
        }
    }
}
