//! Values made from what the connector says of its attributes.
//!
//! A target has opinions that no description holds: a telephone number is no word. The names of attributes and their
//! suggested SCIM paths tell most of it; the rest the operator says with `--set`, or the connector says by refusing.

use std::sync::atomic::{AtomicU64, Ordering};

use tombolo_runtime::contract::{Part, Scalar, Value};

use crate::describe::{Field, Type};
use crate::values::text;

/// Makes values that no other run makes.
pub(crate) struct Sampler {
    run: String,
    next: AtomicU64,
}

/// What a text attribute seems to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Mail,
    Phone,
    Url,
    Language,
    Locale,
    Zone,
    Country,
    PostalCode,
    Number,
    Free,
}

fn meaning(field: &Field) -> Meaning {
    let name = field.name.to_lowercase();
    let path = field.scim.as_deref().unwrap_or_default().to_lowercase();
    let both = |word: &str| name.contains(word) || path.contains(word);
    let ends = |word: &str| name.ends_with(word) || path.ends_with(word);
    if both("mail") {
        Meaning::Mail
    } else if ["phone", "mobile", "fax", "pager"].into_iter().any(both) {
        Meaning::Phone
    } else if ends("url") || ends("uri") {
        Meaning::Url
    } else if both("language") {
        Meaning::Language
    } else if ends("locale") {
        Meaning::Locale
    } else if both("timezone") {
        Meaning::Zone
    } else if ends("country") || name == "c" {
        Meaning::Country
    } else if both("postalcode") {
        Meaning::PostalCode
    } else if ends("number") {
        Meaning::Number
    } else {
        Meaning::Free
    }
}

impl Sampler {
    pub(crate) fn new() -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string();
        Self {
            run: run[..8].to_owned(),
            next: AtomicU64::new(1),
        }
    }

    /// What the names of this run's objects begin with.
    pub(crate) fn prefix(&self) -> String {
        format!("kit-{}", self.run)
    }

    pub(crate) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A request id that nobody had before, and that can be repeated.
    pub(crate) fn request(&self) -> String {
        format!("{}-r{}", self.prefix(), self.next())
    }

    /// Can the kit put any text into it that it likes?
    pub(crate) fn is_free(field: &Field) -> bool {
        field.data == Type::Text
            && field.values.is_empty()
            && !field.is_place()
            && meaning(field) == Meaning::Free
    }

    /// The `n`th value of a simple attribute other than a reference.
    pub(crate) fn scalar(&self, field: &Field, n: u64) -> Scalar {
        match field.data {
            Type::Text | Type::Reference | Type::Complex => Scalar::Text(self.word(field, n)),
            Type::Boolean => Scalar::Boolean(n.is_multiple_of(2)),
            Type::Integer => Scalar::Integer(i64::try_from(n % 30_000).unwrap_or(0) + 1),
            Type::Decimal => Scalar::Decimal(format!("{}.25", n % 30_000)),
            Type::Instant => Scalar::Instant(format!(
                "2026-{:02}-{:02}T{:02}:30:00Z",
                n % 12 + 1,
                n % 28 + 1,
                n % 24
            )),
            Type::Binary => {
                Scalar::Bytes([&[0, 1, 0xff, b'"'], n.to_be_bytes().as_slice()].concat())
            }
        }
    }

    fn word(&self, field: &Field, n: u64) -> String {
        let count = u64::try_from(field.values.len()).unwrap_or(0);
        if let Some(at) = n.checked_rem(count).and_then(|at| usize::try_from(at).ok()) {
            return field.values[at].clone();
        }
        let pick = |words: [&str; 3]| words[usize::try_from(n % 3).unwrap_or(0)].to_owned();
        match meaning(field) {
            Meaning::Mail => format!("{}-{n}@example.com", self.prefix()),
            Meaning::Phone => format!("+1555{:07}", n % 10_000_000),
            Meaning::Url => format!("https://example.com/{}/{n}", self.prefix()),
            Meaning::Language => pick(["en", "de", "fr"]),
            Meaning::Locale => pick(["en-GB", "de-DE", "fr-FR"]),
            Meaning::Zone => pick(["Europe/Paris", "Europe/Berlin", "America/New_York"]),
            Meaning::Country => pick(["FR", "DE", "NO"]),
            Meaning::PostalCode => format!("{:05}", n % 100_000),
            Meaning::Number => format!(
                "{}{n}",
                u32::from_str_radix(&self.run[..4], 16).unwrap_or(1)
            ),
            // With the name in it, so that a value that is shown as another attribute's is seen.
            Meaning::Free => format!("{}-{n}-{}", self.prefix(), field.name),
        }
    }

    /// The `n`th value of an attribute; none for a reference, which needs somebody to point at, and for a place.
    pub(crate) fn value(&self, field: &Field, n: u64) -> Option<Value> {
        match field.data {
            Type::Reference => None,
            Type::Complex => {
                let parts: Vec<Part> = field
                    .parts
                    .iter()
                    .filter(|part| part.is_creatable() && part.data != Type::Reference)
                    .map(|part| Part {
                        name: part.name.clone(),
                        values: vec![self.scalar(part, n)],
                    })
                    .collect();
                (!parts.is_empty()).then_some(Value::Complex(parts))
            }
            _ if field.is_place() => None,
            _ => Some(Value::Simple(self.scalar(field, n))),
        }
    }

    /// The value of the `i`th object of a crowd that filters are tried on: some alike, some different by case, some
    /// not in ASCII, some without any.
    pub(crate) fn crowd(&self, field: &Field, i: u64) -> Vec<Value> {
        if !field.required && !field.unique && i % 4 == 3 {
            return Vec::new();
        }
        let varied = match field.data {
            Type::Text if field.unique => {
                return self.value(field, self.next()).into_iter().collect();
            }
            Type::Text if Self::is_free(field) => {
                let word = [
                    "Alpha",
                    "alpha",
                    "alphabet",
                    "BETA",
                    "Straße-Ä",
                    "straße-ä gamma",
                ];
                Some(text(word[usize::try_from(i % 6).unwrap_or(0)]))
            }
            Type::Integer => {
                let numbers = [-7, 0, 7, 42, 1_000];
                Some(Value::Simple(Scalar::Integer(
                    numbers[usize::try_from(i % 5).unwrap_or(0)],
                )))
            }
            Type::Decimal => {
                let numbers = ["-1.5", "0", "9.75", "10.25"];
                let number = numbers[usize::try_from(i % 4).unwrap_or(0)];
                Some(Value::Simple(Scalar::Decimal(number.to_owned())))
            }
            Type::Instant => {
                let at = [
                    "2025-12-31T23:59:59Z",
                    "2026-01-01T00:00:00Z",
                    "2026-06-01T12:00:00Z",
                ];
                let at = at[usize::try_from(i % 3).unwrap_or(0)];
                Some(Value::Simple(Scalar::Instant(at.to_owned())))
            }
            _ => self.value(field, i % 5),
        };
        let mut values: Vec<Value> = varied.into_iter().collect();
        if field.multi && i.is_multiple_of(2) {
            values.extend(self.value(field, 100 + i % 5));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: serde_json::Value) -> Field {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_value_looks_like_what_the_attribute_seems_to_hold() {
        let sampler = Sampler::new();
        let of = |name: &str, scim: &str| {
            sampler.word(
                &field(serde_json::json!({ "name": name, "type": "text", "scim": scim })),
                7,
            )
        };
        assert!(of("mail", "").ends_with("-7@example.com"));
        assert_eq!(of("mobile", ""), "+15550000007");
        assert_eq!(of("x", "addresses[type eq \"work\"].country").len(), 2);
        assert!(of("title", "title").starts_with("kit-"));
        let one_of =
            field(serde_json::json!({ "name": "a", "type": "text", "values": ["x", "y"] }));
        assert_eq!(sampler.word(&one_of, 3), "y");
    }

    #[test]
    fn a_crowd_has_gaps_only_where_it_may() {
        let sampler = Sampler::new();
        let plain = field(serde_json::json!({ "name": "title", "type": "text" }));
        let name = field(
            serde_json::json!({ "name": "login", "type": "text", "required": true, "unique": true }),
        );
        assert!(sampler.crowd(&plain, 3).is_empty());
        assert_ne!(sampler.crowd(&name, 3), sampler.crowd(&name, 3));
    }
}
