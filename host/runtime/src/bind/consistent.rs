//! What a JSON Schema cannot say of a description: that its parts fit each other and the component.

use std::collections::HashSet;
use std::fmt::Display;

use serde_json::Value;

use crate::component::Abilities;

/// Most complaints in one message.
const COMPLAINTS: usize = 8;

/// A description that the schema has accepted. Each complaint begins with its place.
pub(super) fn check(description: &Value, abilities: Abilities) -> Result<(), String> {
    let kinds = list(description, "kinds");
    let names: Vec<&str> = kinds.iter().map(|kind| text(kind, "kind")).collect();
    let mut found = Complaints::default();
    let mut seen = HashSet::new();
    for (n, kind) in kinds.iter().enumerate() {
        let name = names[n];
        if !seen.insert(name) {
            found.say(
                format_args!("kinds.{n}.kind"),
                format!("there are two kinds `{name}`"),
            );
        }
        if kind.get("members").is_some() && !abilities.members {
            found.say(
                format_args!("kinds.{n}.members"),
                "the component does not export the interface `members`",
            );
        }
        for (m, member) in list(kind, "members").iter().enumerate() {
            let member = member.as_str().unwrap_or_default();
            if !names.contains(&member) {
                found.say(
                    format_args!("kinds.{n}.members.{m}"),
                    no_such_kind(member, &names),
                );
            }
        }
        attributes(
            &format!("kinds.{n}.attributes"),
            list(kind, "attributes"),
            &names,
            &mut found,
        );
    }
    found.into_result()
}

/// Attributes of a kind, or parts of a complex attribute.
fn attributes(place: &str, attributes: &[Value], kinds: &[&str], found: &mut Complaints) {
    let mut seen = HashSet::new();
    for (n, attribute) in attributes.iter().enumerate() {
        let name = text(attribute, "name");
        if !seen.insert(name) {
            found.say(
                format_args!("{place}.{n}.name"),
                format!("there are two attributes `{name}`"),
            );
        }
        let to = text(attribute, "to");
        if !to.is_empty() && !kinds.contains(&to) {
            found.say(format_args!("{place}.{n}.to"), no_such_kind(to, kinds));
        }
        // Nobody could ever create such an object.
        if attribute["required"] == true && attribute["mutability"] == "read-only" {
            found.say(
                format_args!("{place}.{n}.required"),
                format!("`{name}` is read-only, so no create can bring it"),
            );
        }
        let parts = list(attribute, "parts");
        if !parts.is_empty() {
            self::attributes(&format!("{place}.{n}.parts"), parts, kinds, found);
        }
    }
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn no_such_kind(name: &str, kinds: &[&str]) -> String {
    format!(
        "there is no kind `{name}`; the kinds are `{}`",
        kinds.join("`, `")
    )
}

#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn say(&mut self, place: impl Display, what: impl Display) {
        if self.0.len() < COMPLAINTS {
            self.0.push(format!("`{place}`: {what}"));
        }
    }

    fn into_result(self) -> Result<(), String> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(kinds: &Value, abilities: Abilities) -> String {
        check(&json!({ "kinds": kinds }), abilities)
            .err()
            .unwrap_or_default()
    }

    fn with_members() -> Abilities {
        Abilities {
            members: true,
            ..Abilities::default()
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let kinds = json!([
            { "kind": "user", "attributes": [
                { "name": "login", "type": "text" },
                { "name": "login", "type": "text" },
                { "name": "boss", "type": "reference", "to": "usr" },
                { "name": "id", "type": "text", "required": true, "mutability": "read-only" },
                { "name": "home", "type": "complex", "parts": [
                    { "name": "at", "type": "reference", "to": "place" }, { "name": "at", "type": "text" }] }] },
            { "kind": "user", "members": ["user", "robot"], "attributes": [{ "name": "x", "type": "text" }] }
        ]);
        let said = complaints(&kinds, with_members());
        for expected in [
            "`kinds.0.attributes.1.name`: there are two attributes `login`",
            "`kinds.0.attributes.2.to`: there is no kind `usr`; the kinds are `user`, `user`",
            "`kinds.0.attributes.3.required`: `id` is read-only",
            "`kinds.0.attributes.4.parts.0.to`: there is no kind `place`",
            "`kinds.0.attributes.4.parts.1.name`: there are two attributes `at`",
            "`kinds.1.kind`: there are two kinds `user`",
            "`kinds.1.members.1`: there is no kind `robot`",
        ] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
    }

    #[test]
    fn members_without_the_interface_are_a_lie() {
        let kinds = || json!([{ "kind": "group", "members": ["group"], "attributes": [{ "name": "x", "type": "text" }] }]);
        let said = complaints(&kinds(), Abilities::default());
        assert!(said.contains("`kinds.0.members`"), "{said}");
        assert_eq!(complaints(&kinds(), with_members()), "");
    }
}
