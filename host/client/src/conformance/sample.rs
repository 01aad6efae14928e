//! Values for attributes: plausible, new at every turn, and recognisable as a test's.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::attribute::{Attribute, Type};

/// What everything that a run makes begins with.
pub const PREFIX: &str = "tombolo-conformance";

/// Makes values for one run.
#[derive(Debug)]
pub struct Sampler {
    run: String,
    domain: String,
    fixed: Vec<(String, Value)>,
    turn: AtomicU32,
}

/// One turn: every value that is made with it differs from those of other turns.
#[derive(Clone, Copy, Debug)]
pub struct Turn(u32);

impl Sampler {
    /// `run` tells this run from every other; `fixed` are the values that the operator gave, by path.
    pub fn new(run: String, domain: String, fixed: Vec<(String, Value)>) -> Self {
        Self {
            run,
            domain,
            fixed,
            turn: AtomicU32::new(1),
        }
    }

    /// What the names of this run's objects begin with.
    pub fn prefix(&self) -> String {
        format!("{PREFIX}-{}", self.run)
    }

    /// The next turn.
    pub fn turn(&self) -> Turn {
        Turn(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The operator's value for a path.
    pub fn fixed(&self, path: &str) -> Option<&Value> {
        self.fixed
            .iter()
            .find(|(fixed, _)| fixed.eq_ignore_ascii_case(path))
            .map(|(_, value)| value)
    }

    /// The operator's paths and values.
    pub fn all_fixed(&self) -> &[(String, Value)] {
        &self.fixed
    }

    /// A sign-in name, and a mail address.
    pub fn user_name(&self, turn: Turn) -> String {
        format!("{}.{}@{}", self.prefix(), turn.0, self.domain)
    }

    /// A name for people to read.
    pub fn display_name(&self, turn: Turn) -> String {
        format!("{} {}", self.prefix(), turn.0)
    }

    /// A value for an attribute; the operator's, if he gave one.
    pub fn value(&self, attribute: &Attribute, turn: Turn) -> Value {
        if let Some(fixed) = self.fixed(&attribute.path()) {
            return fixed.clone();
        }
        let Turn(n) = turn;
        let pick = |of: &[&str]| json!(of[n as usize % of.len()]);
        if !attribute.canonical.is_empty() && attribute.kind == Type::Text {
            let of: Vec<_> = attribute.canonical.iter().map(String::as_str).collect();
            return pick(&of);
        }
        match attribute.kind {
            Type::Boolean => json!(n.is_multiple_of(2)),
            Type::Integer => json!(n),
            Type::Decimal => json!(f64::from(n) + 0.5),
            Type::DateTime => json!(format!("2026-01-{:02}T08:00:00Z", n % 28 + 1)),
            Type::Text => self.text(attribute, turn, pick),
        }
    }

    fn text(&self, attribute: &Attribute, turn: Turn, pick: impl Fn(&[&str]) -> Value) -> Value {
        let Turn(n) = turn;
        let leaf = attribute.part.as_deref().unwrap_or(&attribute.name);
        match (attribute.name.as_str(), leaf) {
            (_, "userName") => json!(self.user_name(turn)),
            (_, "displayName") => json!(self.display_name(turn)),
            ("emails", "value") => json!(format!("mail.{}", self.user_name(turn))),
            ("phoneNumbers", "value") => json!(format!("+1 206 555 {:04}", n % 10_000)),
            (_, "country") => pick(&["US", "GB", "DE", "FR", "JP"]),
            (_, "locale" | "preferredLanguage") => pick(&["en-US", "en-GB", "de-DE", "fr-FR"]),
            (_, "timezone") => pick(&["Europe/London", "America/Los_Angeles", "Asia/Tokyo"]),
            (_, "postalCode") => json!(format!("{:05}", 10_000 + n % 90_000)),
            (_, leaf) if leaf.to_ascii_lowercase().ends_with("url") => {
                json!(format!("https://{}/{}/{n}", self.domain, self.run))
            }
            (_, leaf) => json!(format!("{leaf} {} {n}", self.run)),
        }
    }
}

/// `PATH=VALUE`, as the operator types it. A value that is JSON is that JSON; another is a text.
pub fn parse_fixed(text: &str) -> Result<(String, Value), String> {
    // The first `=`: a path has none, its filters say `eq`.
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not PATH=VALUE"))?;
    if path.trim().is_empty() {
        return Err(format!("`{text}` has no path before `=`"));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    Ok((path.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::attribute::flatten;

    fn sampler(fixed: &[&str]) -> Sampler {
        let fixed = fixed.iter().map(|text| parse_fixed(text).unwrap());
        Sampler::new("1a2b3c4d".into(), "example.com".into(), fixed.collect())
    }

    fn attribute(declared: &Value) -> Attribute {
        flatten(&json!({ "attributes": [declared] }), None).remove(0)
    }

    #[test]
    fn two_turns_give_two_values_and_names_carry_the_prefix() {
        let sampler = sampler(&[]);
        let (one, two) = (sampler.turn(), sampler.turn());
        for declared in [
            json!({ "name": "userName", "type": "string" }),
            json!({ "name": "title", "type": "string" }),
            json!({ "name": "level", "type": "integer" }),
            json!({ "name": "factor", "type": "decimal" }),
            json!({ "name": "active", "type": "boolean" }),
            json!({ "name": "since", "type": "dateTime" }),
            json!({ "name": "locale", "type": "string" }),
        ] {
            let attribute = attribute(&declared);
            assert_ne!(
                sampler.value(&attribute, one),
                sampler.value(&attribute, two),
                "{}",
                attribute.path()
            );
        }
        assert!(
            sampler
                .user_name(one)
                .starts_with("tombolo-conformance-1a2b3c4d")
        );
    }

    #[test]
    fn a_list_of_canonical_values_is_kept_to() {
        let sampler = sampler(&[]);
        let attribute = attribute(
            &json!({ "name": "userType", "type": "string", "canonicalValues": ["Employee", "Guest"] }),
        );
        for _ in 0..4 {
            let value = sampler.value(&attribute, sampler.turn());
            assert!(attribute.canonical.iter().any(|c| value == *c), "{value}");
        }
    }

    #[test]
    fn the_operators_value_wins() {
        let sampler = sampler(&["userType=Guest", "level=7", "nickName=\"a=b\""]);
        let user_type = attribute(&json!({ "name": "userType", "type": "string" }));
        assert_eq!(sampler.value(&user_type, sampler.turn()), "Guest");
        let level = attribute(&json!({ "name": "level", "type": "integer" }));
        assert_eq!(sampler.value(&level, sampler.turn()), 7);
        assert_eq!(sampler.fixed("nickname"), Some(&json!("a=b")));
        assert!(parse_fixed("userType").is_err());
        assert!(parse_fixed("=x").is_err());
    }
}
