//! What the kinds say of each other, and what the operator's statements may name.

use std::collections::BTreeSet;

use tombolo_sdk::sql::Dialect;
use tombolo_sdk::{Failure, Result};

use crate::model::{Attribute, Kind, Link, Membership, Model, Place};
use crate::settings::Generated;
use crate::template::Template;

/// Checks all of it.
pub fn check(model: &Model) -> Result<()> {
    let within = |kind: &Kind| format!("[settings.kinds.{}]", kind.name);
    if model.kinds.is_empty() {
        return Err(Failure::invalid(
            "[settings.kinds]: name at least one kind, such as user",
        ));
    }
    for kind in &model.kinds {
        one(model, kind).map_err(|failure| failure.within(within(kind)))?;
    }
    let with_members: Vec<&Kind> = model
        .kinds
        .iter()
        .filter(|kind| !kind.members.is_empty())
        .collect();
    if let [_, second, ..] = with_members.as_slice() {
        return Err(Failure::invalid("only one kind has members").within(within(second)));
    }
    Ok(())
}

fn one(model: &Model, kind: &Kind) -> Result<()> {
    let wrong = |what: String| Err(Failure::invalid(what));
    if kind.key.is_empty() {
        return wrong("key: name the columns that say which row it is".to_owned());
    }
    if kind.attributes.is_empty() {
        return wrong("attributes: name at least one".to_owned());
    }
    for attribute in &kind.attributes {
        if let Place::Reference(link) = &attribute.place {
            refers(model, link)
                .map_err(|f| f.within(format!("attributes.{}", attribute.name())))?;
        }
    }
    let by_database = kind
        .key
        .iter()
        .filter(|column| column.generated == Some(Generated::Database))
        .count();
    match model.dialect {
        Dialect::Mysql if by_database > 1 => {
            return wrong(
                "key: MySQL generates one column of a row, and two are said to be".to_owned(),
            );
        }
        Dialect::Oracle | Dialect::Standard
            if by_database > 0 && kind.request.is_none() && kind.create.is_empty() =>
        {
            return wrong(
                "key: this dialect does not say which key a new row got: name a `request` column, or generate the key by a statement"
                    .to_owned(),
            );
        }
        _ => {}
    }
    statements(kind)?;
    for membership in &kind.members {
        member(model, kind, membership)
            .map_err(|f| f.within(format!("members.{}", membership.member.to)))?;
    }
    if kind.members.len() > 1 {
        let prefixes: BTreeSet<&str> = kind
            .members
            .iter()
            .filter_map(|m| model.kind(&m.member.to).ok())
            .map(|kind| kind.prefix.as_str())
            .collect();
        if prefixes.len() < kind.members.len() || prefixes.contains("") {
            return wrong(
                "members of several kinds may have the same key: give each of these kinds an `anchor-prefix` of its own"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn refers(model: &Model, link: &Link) -> Result<()> {
    model.kind(&link.to).map(drop).map_err(|_| {
        Failure::invalid(format!(
            "there is no kind {:?} in [settings.kinds]",
            link.to
        ))
    })
}

fn member(model: &Model, group: &Kind, membership: &Membership) -> Result<()> {
    refers(model, &membership.member)?;
    let kind = model.kind(&membership.member.to)?;
    let mut known = BTreeSet::from(["request".to_owned()]);
    key_parameters("group", group, &mut known);
    key_parameters("member", kind, &mut known);
    named(&membership.add, "add", &known)?;
    named(&membership.remove, "remove", &known)
}

fn statements(kind: &Kind) -> Result<()> {
    let mut values = BTreeSet::from(["request".to_owned()]);
    for attribute in &kind.attributes {
        attribute_parameters(attribute, &mut values);
    }
    let mut known = BTreeSet::from(["request".to_owned()]);
    key_parameters("key", kind, &mut known);
    named(&kind.create, "statements.create", &values)?;
    named(&kind.delete, "statements.delete", &known)?;
    values.extend(known);
    named(&kind.update, "statements.update", &values)?;
    // A new object is switched with its values and its key.
    named(&kind.enable, "statements.enable", &values)?;
    named(&kind.disable, "statements.disable", &values)?;
    if let Some(crate::model::Delta::Statements { token, changes }) = &kind.delta {
        named(
            std::slice::from_ref(token),
            "delta.statements.token",
            &BTreeSet::new(),
        )?;
        named(
            std::slice::from_ref(changes),
            "delta.statements.changes",
            &BTreeSet::from(["token".to_owned()]),
        )?;
    }
    Ok(())
}

fn key_parameters(name: &str, kind: &Kind, known: &mut BTreeSet<String>) {
    known.extend(
        kind.key
            .iter()
            .map(|column| format!("{name}_{}", column.name.plain())),
    );
    if kind.key.len() == 1 {
        known.insert(name.to_owned());
    }
}

fn attribute_parameters(attribute: &Attribute, known: &mut BTreeSet<String>) {
    match &attribute.place {
        Place::Child(_) => {}
        Place::Reference(link) if link.pairs.len() > 1 => {
            let name = |(here, _): &(crate::statement::Name, _)| {
                format!("{}_{}", attribute.name(), here.plain())
            };
            known.extend(link.pairs.iter().map(name));
        }
        Place::Column(_) | Place::Reference(_) => {
            known.insert(attribute.name().to_owned());
        }
    }
}

fn named(templates: &[Template], place: &str, known: &BTreeSet<String>) -> Result<()> {
    for name in templates.iter().flat_map(Template::names) {
        if !known.contains(name) {
            let known: Vec<String> = known.iter().map(|name| format!(":{name}")).collect();
            return Err(Failure::invalid(format!(
                "{place}: there is no `:{name}`; there are {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::try_model;

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let table = [
            (
                "[kinds.user]\ntable = 'p'\nkey = 'id'\n[kinds.user.attributes]\nboss = { columns = { boss = 'id' }, to = 'chief' }",
                "[settings.kinds.user]: attributes.boss: there is no kind \"chief\"",
            ),
            (
                "[kinds.user]\ntable = 'p'\nkey = 'id'\nstatements.create = 'CALL f(:logn)'\n[kinds.user.attributes]\nlogin = {}",
                "statements.create: there is no `:logn`; there are :login, :request",
            ),
            (
                "[kinds.user]\nkey = 'id'\n[kinds.user.attributes]\nlogin = {}",
                "name the `table`",
            ),
            (
                "[kinds.device]\ntable = 'd'\nkey = 'id'\n[kinds.device.attributes]\nname = {}",
                "say which SCIM resource type it is",
            ),
            (
                "[kinds.user]\ntable = 'p'\nkey = 'id'\n[kinds.user.attributes]\nmails = { multi = true }",
                "attributes.mails: an attribute of several values has a `table` of its own",
            ),
            (
                "[kinds.user]\ntable = 'p'\nkey = \"i\\u0000d\"\n[kinds.user.attributes]\nlogin = {}",
                "is no name",
            ),
        ];
        for (toml, expected) in table {
            let failure = try_model(toml).expect_err(toml);
            assert!(failure.message.contains(expected), "{}", failure.message);
        }
    }

    #[test]
    fn members_of_two_kinds_need_keys_of_their_own() {
        let toml = "[kinds.user]\ntable = 'p'\nkey = 'id'\nattributes.login = {}\n\
             [kinds.group]\ntable = 'g'\nkey = 'id'\nattributes.name = {}\n\
             members.user = { table = 'm', group = { g = 'id' }, member = { p = 'id' } }\n\
             members.group = { table = 'n', group = { g = 'id' }, member = { c = 'id' } }";
        let failure = try_model(toml).expect_err("the same keys");
        assert!(
            failure.message.contains("anchor-prefix"),
            "{}",
            failure.message
        );
        let prefixed = toml
            .replace("table = 'p'", "table = 'p'\nanchor-prefix = 'u:'")
            .replace("table = 'g'", "table = 'g'\nanchor-prefix = 'g:'");
        assert!(try_model(&prefixed).is_ok());
    }
}
