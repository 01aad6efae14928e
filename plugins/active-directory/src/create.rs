//! New entries.

use std::collections::BTreeMap;

use tombolo_sdk::ldap::{LdapEntry, dn};
use tombolo_sdk::{Attribute, Attributes as _, Entry, Failure, Fault, Result, Scalar, Value};

use crate::account;
use crate::attribute::{ACTIVE, Offered, PARENT, Syntax, to_directory};
use crate::directory;
use crate::entry;
use crate::kind::{Kind, Which};
use crate::naming;
use crate::references;

/// Values by attribute, as the directory has them.
pub type Values = BTreeMap<String, Vec<Vec<u8>>>;

/// `groupType`: the group may be given rights.
const SECURITY: i32 = i32::MIN;

/// Creates an entry and answers it as it is.
pub fn create(kind: &Kind<'_>, attributes: &[Attribute]) -> Result<Entry> {
    let mut values = given(kind, attributes)?;
    let active = attributes.boolean(ACTIVE).unwrap_or(true);
    match kind.which {
        Which::User => complete_user(kind, &mut values, active)?,
        Which::Group => complete_group(kind, &mut values)?,
    }
    if let Some((attribute, mark)) = kind.marker() {
        let marked = values.keys().any(|n| n.eq_ignore_ascii_case(attribute));
        if !marked {
            values.insert(attribute.to_owned(), vec![mark.as_bytes().to_vec()]);
        }
    }
    let parent = match attributes
        .text(PARENT)
        .filter(|_| kind.offered(PARENT).is_ok())
    {
        Some(parent) => container(parent)?,
        None => kind
            .belongs(|name| match name {
                ACTIVE => Some(active.to_string()),
                _ => first_text(&values, name).map(str::to_owned),
            })
            .to_owned(),
    };
    let wanted = values.remove("cn");
    let wanted = wanted.and_then(|v| String::from_utf8(v.into_iter().next()?).ok());
    let name = match &wanted {
        Some(name) => name.clone(),
        None => common_name(|name| first_text(&values, name).map(str::to_owned))?,
    };
    let new = |name: &str| LdapEntry {
        dn: dn::child("CN", name, &parent),
        attributes: values.clone().into_iter().collect(),
    };
    let mut made = new(&name);
    kind.guard(&made.dn)?;
    match directory::add(&made, &parent) {
        Ok(()) => {}
        Err(failure) if failure.is(Fault::AlreadyExists) => {
            let is_name = directory::read(&made.dn, &["1.1".to_owned()])?.is_some();
            let account = first_text(&values, "sAMAccountName");
            match account.filter(|_| is_name && wanted.is_none()) {
                // Two people of one name: the second one's tells whose it is.
                Some(account) => {
                    made = new(&naming::cn_with(&name, account));
                    directory::add(&made, &parent).map_err(|failure| blame(failure, "cn"))?;
                }
                None if is_name => return Err(blame(failure, "cn")),
                None => return Err(blame(failure, "sAMAccountName")),
            }
        }
        Err(failure) => return Err(failure),
    }
    entry::by_name(kind, &made.dn)
}

/// What the client gives, over what the operator does.
fn given(kind: &Kind<'_>, attributes: &[Attribute]) -> Result<Values> {
    let mut values = Values::new();
    for (name, defaults) in kind.defaults {
        let defaults = defaults.values().iter();
        values.insert(
            name.clone(),
            defaults.map(|value| value.as_bytes().to_vec()).collect(),
        );
    }
    for attribute in attributes {
        let offered = kind.offered(&attribute.name)?;
        if matches!(
            offered.syntax,
            Syntax::Active | Syntax::Parent | Syntax::Name
        ) {
            continue;
        }
        let written = directory_values(kind, offered, &attribute.values)?;
        if !written.is_empty() {
            values.insert(offered.name().to_owned(), written);
        }
    }
    Ok(values)
}

fn complete_user(kind: &Kind<'_>, values: &mut Values, active: bool) -> Result<()> {
    let principal = first_text(values, "userPrincipalName")
        .ok_or_else(|| required("userPrincipalName"))?
        .to_owned();
    naming::must_be_free(kind, "userPrincipalName", &principal, None)?;
    complete_account(kind, values, &principal)?;
    set(values, "objectClass", "user");
    set(
        values,
        account::CONTROL,
        &account::flags_text(account::of_new(active)),
    );
    // An account without a password cannot be active. Nobody knows this one; the real one comes by `set-password`.
    values.insert("unicodePwd".to_owned(), vec![nobodys_password()]);
    Ok(())
}

fn complete_group(kind: &Kind<'_>, values: &mut Values) -> Result<()> {
    let name = first_text(values, "cn")
        .ok_or_else(|| required("cn"))?
        .to_owned();
    complete_account(kind, values, &name)?;
    let groups = &kind.settings.groups;
    let security = if groups.security { SECURITY } else { 0 };
    set(values, "objectClass", "group");
    if !values.contains_key("groupType") {
        set(
            values,
            "groupType",
            &(security | groups.scope.bit()).to_string(),
        );
    }
    Ok(())
}

fn complete_account(kind: &Kind<'_>, values: &mut Values, from: &str) -> Result<()> {
    match first_text(values, "sAMAccountName") {
        Some(account) => naming::must_be_free(kind, "sAMAccountName", account, None),
        None => {
            let account = naming::free_account(kind, from)?;
            set(values, "sAMAccountName", &account);
            Ok(())
        }
    }
}

/// The name of an entry that nobody has named.
pub fn common_name(value: impl Fn(&str) -> Option<String>) -> Result<String> {
    let names: Vec<String> = ["givenName", "sn"].into_iter().filter_map(&value).collect();
    let full = (!names.is_empty()).then(|| names.join(" "));
    let name = value("displayName").or(full);
    let name = name.or_else(|| value("sAMAccountName"));
    let name = name.map(|name| naming::cn(&name)).unwrap_or_default();
    if name.is_empty() {
        return Err(required("cn"));
    }
    Ok(name)
}

/// 244 random bits in all four classes of characters, as \[MS-ADTS\] 3.1.1.3.1.5 writes passwords.
fn nobodys_password() -> Vec<u8> {
    let random = || uuid::Uuid::new_v4().simple();
    format!("\"Aa1!{}{}\"", random(), random())
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// The name of a container that somebody asks for.
pub fn container(text: &str) -> Result<String> {
    let wrong = |why: &str| Failure::invalid(format!("`{text}` {why}")).attribute(PARENT);
    if !dn::is_name(text) {
        return Err(wrong("is not a distinguished name"));
    }
    match directory::read(text, &["1.1".to_owned()])? {
        Some(_) => Ok(text.to_owned()),
        None => Err(wrong("is no container of the directory: create it first")),
    }
}

/// An attribute's values as the directory writes them; anchors become DNs.
pub fn directory_values(
    kind: &Kind<'_>,
    offered: &Offered,
    values: &[Value],
) -> Result<Vec<Vec<u8>>> {
    if offered.syntax != Syntax::Reference {
        let written = values.iter().map(|value| to_directory(offered, value));
        return Ok(written
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect());
    }
    let anchors: Vec<&str> = values
        .iter()
        .filter_map(|value| value.as_scalar().and_then(Scalar::as_text))
        .filter(|anchor| !anchor.is_empty())
        .collect();
    let found = references::entries(&Kind::user(kind.settings), &anchors, &[])?;
    anchors
        .iter()
        .map(|anchor| match found.get(*anchor) {
            Some(entry) => Ok(entry.dn.clone().into_bytes()),
            None => Err(Failure::invalid(format!(
                "`{}` refers to a user that the directory does not have",
                offered.name()
            ))
            .attribute(offered.name())),
        })
        .collect()
}

/// Says which attribute a name that is taken is about.
pub fn blame(mut failure: Failure, attribute: &str) -> Failure {
    if failure.is(Fault::AlreadyExists) && failure.attribute.is_none() {
        failure.attribute = Some(attribute.to_owned());
    }
    failure
}

/// What cannot be left out.
pub fn required(attribute: &str) -> Failure {
    Failure::invalid(format!("`{attribute}` needs a value")).attribute(attribute)
}

fn set(values: &mut Values, name: &str, value: &str) {
    values.insert(name.to_owned(), vec![value.as_bytes().to_vec()]);
}

/// The first value of an attribute, as text.
pub fn first_text<'v>(values: &'v Values, name: &str) -> Option<&'v str> {
    let (_, values) = values.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(values.first()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_name_is_named_by_what_there_is() {
        let named = |given: &[(&str, &str)]| {
            let mut values = Values::new();
            for (n, v) in given {
                set(&mut values, n, v);
            }
            common_name(|name| first_text(&values, name).map(str::to_owned))
        };
        let known = [
            ("sAMAccountName", "ana"),
            ("sn", "Ruiz"),
            ("givenName", "Ana"),
        ];
        assert_eq!(named(&known).as_deref(), Ok("Ana Ruiz"));
        assert_eq!(named(&known[..1]).as_deref(), Ok("ana"));
        assert_eq!(
            named(&[("displayName", " Dr Ana "), known[0]]).as_deref(),
            Ok("Dr Ana")
        );
        assert!(named(&[]).is_err());
    }

    #[test]
    fn no_two_passwords_are_one() {
        assert_ne!(nobodys_password(), nobodys_password());
        assert_eq!(nobodys_password()[..2], [b'"', 0]);
    }
}
