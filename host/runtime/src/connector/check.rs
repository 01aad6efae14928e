//! What comes back is checked before anybody believes it: sizes, counts, anchors, names.

use crate::app::Limits;
use crate::call::CallError;
use crate::contract::{Attribute, Change, Changes, Entry, MemberPage, Page, Scalar, Value};

/// Longest anchor: it becomes part of a key in the store.
const ANCHOR_BYTES: usize = 4 << 10;
/// Longest attribute name.
const NAME_BYTES: usize = 256;
/// Longest cursor, token or version.
const TOKEN_BYTES: usize = 16 << 10;
/// Most attributes of an entry, and parts of a value.
const ATTRIBUTES: usize = 2_048;

/// Bytes an answer may still have.
pub(super) struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            left: limits.response_bytes,
            limit: limits.response_bytes,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), CallError> {
        // Every value costs something, or a list of a million empty texts would be free.
        self.left = self
            .left
            .checked_sub(bytes.saturating_add(8))
            .ok_or_else(|| CallError::LimitExceeded {
                what: "bytes of one answer, `limits.response`".to_owned(),
                limit: self.limit as u64,
            })?;
        Ok(())
    }
}

fn broken(what: impl Into<String>) -> CallError {
    CallError::Broken(what.into())
}

fn count(what: &str, found: usize, limit: usize) -> Result<(), CallError> {
    if found > limit {
        return Err(CallError::LimitExceeded {
            what: what.to_owned(),
            limit: limit as u64,
        });
    }
    Ok(())
}

fn anchor(text: &str, budget: &mut Budget) -> Result<(), CallError> {
    if text.is_empty() {
        return Err(broken("an anchor is empty"));
    }
    count("bytes of an anchor", text.len(), ANCHOR_BYTES)?;
    budget.spend(text.len())
}

fn token(what: &str, text: Option<&str>, budget: &mut Budget) -> Result<(), CallError> {
    let Some(text) = text else { return Ok(()) };
    count(&format!("bytes of a {what}"), text.len(), TOKEN_BYTES)?;
    budget.spend(text.len())
}

fn name(text: &str, budget: &mut Budget) -> Result<(), CallError> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return Err(broken(format!(
            "`{}` is no attribute name",
            text.escape_debug().take(64).collect::<String>()
        )));
    }
    count("bytes of an attribute name", text.len(), NAME_BYTES)?;
    budget.spend(text.len())
}

fn scalar(value: &Scalar, budget: &mut Budget) -> Result<(), CallError> {
    budget.spend(match value {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => text.len(),
        Scalar::Bytes(bytes) => bytes.len(),
        Scalar::Boolean(_) | Scalar::Integer(_) => 0,
    })
}

fn attribute(attribute: &Attribute, budget: &mut Budget) -> Result<(), CallError> {
    name(&attribute.name, budget)?;
    for value in &attribute.values {
        match value {
            Value::Simple(value) => scalar(value, budget)?,
            Value::Complex(parts) => {
                count("parts of a value", parts.len(), ATTRIBUTES)?;
                for part in parts {
                    name(&part.name, budget)?;
                    for value in &part.values {
                        scalar(value, budget)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn one(entry: &Entry, budget: &mut Budget) -> Result<(), CallError> {
    anchor(&entry.anchor, budget)?;
    token("version", entry.version.as_deref(), budget)?;
    count("attributes of an entry", entry.attributes.len(), ATTRIBUTES)?;
    entry
        .attributes
        .iter()
        .try_for_each(|held| attribute(held, budget))
}

pub(super) fn entry(entry: &Entry, mut budget: Budget) -> Result<(), CallError> {
    one(entry, &mut budget)
}

pub(super) fn page(page: &Page, limit: u32, mut budget: Budget) -> Result<(), CallError> {
    count(
        "entries of a page, as asked for",
        page.entries.len(),
        limit as usize,
    )?;
    token("cursor", page.cursor.as_deref(), &mut budget)?;
    let mut anchors = std::collections::HashSet::with_capacity(page.entries.len());
    for entry in &page.entries {
        one(entry, &mut budget)?;
        if !anchors.insert(entry.anchor.as_str()) {
            return Err(broken("two entries of one page have the same anchor"));
        }
    }
    Ok(())
}

pub(super) fn members(page: &MemberPage, limit: u32, mut budget: Budget) -> Result<(), CallError> {
    count(
        "members of a page, as asked for",
        page.members.len(),
        limit as usize,
    )?;
    token("cursor", page.cursor.as_deref(), &mut budget)?;
    page.members
        .iter()
        .try_for_each(|member| anchor(member, &mut budget))
}

pub(super) fn changes(changes: &Changes, limit: u32, mut budget: Budget) -> Result<(), CallError> {
    count(
        "changes of a page, as asked for",
        changes.changes.len(),
        limit as usize,
    )?;
    token("token", Some(&changes.token), &mut budget)?;
    changes.changes.iter().try_for_each(|change| match change {
        Change::Changed(entry) => one(entry, &mut budget),
        Change::Gone(gone) => anchor(gone, &mut budget),
    })
}
