//! As much of the filter grammar as the tests use: a group of alternatives, then conjunctions.

use serde_json::{Value, json};

use super::defect::Defect;
use super::patch::{Refusal, listed};
use super::tree::Path;

/// Alternatives of conjunctions.
pub(crate) struct Filter {
    alternatives: Vec<Vec<Clause>>,
    defect: Option<Defect>,
}

/// `path op value`
struct Clause {
    /// None for an attribute that the server does not have.
    path: Option<Path>,
    op: String,
    value: Value,
}

impl Filter {
    pub(crate) fn parse(filter: &str, defect: Option<Defect>) -> Result<Self, Refusal> {
        let bad = || (400, "invalidFilter", format!("`{filter}` is no filter"));
        let plain = filter.replace("not (active eq false)", "active ne false");
        let group = plain
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        let (before, rest) = group.unwrap_or((&plain, ""));
        let mut alternatives = Vec::new();
        for alternative in before.split(" or ") {
            let mut all = Vec::new();
            for clause in format!("{alternative}{rest}").split(" and ") {
                let clause = Clause::parse(clause.trim()).ok_or_else(bad)?;
                if clause.path.is_none() && defect == Some(Defect::UnknownAttributeIs400) {
                    return Err(bad());
                }
                all.push(clause);
            }
            alternatives.push(all);
        }
        Ok(Self {
            alternatives,
            defect,
        })
    }

    pub(crate) fn holds(&self, one: &Value) -> bool {
        let exact = self.defect == Some(Defect::MatchIsCaseSensitive);
        self.alternatives
            .iter()
            .any(|all| all.iter().all(|clause| clause.holds(one, exact)))
    }
}

impl Clause {
    fn parse(clause: &str) -> Option<Self> {
        let close = clause.find(']').unwrap_or(0);
        let blank = clause[close..].find(' ')? + close;
        let (path, rest) = (&clause[..blank], clause[blank + 1..].trim());
        let (op, value) = match rest.split_once(' ') {
            Some((op, value)) => (op, value),
            None if rest == "pr" => (rest, "null"),
            None => return None,
        };
        Some(Self {
            path: Path::parse(path).filter(|path| path.name != "PLACEHOLDER"),
            op: op.to_owned(),
            // Unquoted, as one of Entra's examples has it.
            value: serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        })
    }

    fn holds(&self, one: &Value, exact: bool) -> bool {
        let Some(held) = self.path.as_ref().and_then(|path| path.read(one)) else {
            return false;
        };
        let held = if held.is_object() {
            &held["value"]
        } else {
            held
        };
        if held.is_array() {
            return listed(held).iter().any(|id| self.value == *id);
        }
        let fold = |value: &Value| match value {
            Value::String(text) if exact => text.clone(),
            Value::String(text) => text.to_lowercase(),
            other => other.to_string(),
        };
        let (held, value) = (fold(held), fold(&self.value));
        match self.op.as_str() {
            "eq" => held == value,
            "ne" => held != value,
            "sw" => held.starts_with(&value),
            "co" => held.contains(&value),
            "gt" => held > value,
            _ => true,
        }
    }
}
