//! What the owner of an app wants of disables and deletes, and what he will not have.

use std::collections::BTreeMap;
use std::time::Duration;

use tombolo_mapping::Scope;
use tombolo_mapping::overrides::Constant;

pub use crate::hours::Hours;

/// The default changes nothing: what a client asks for is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// What is let through at all.
    pub mode: Mode,
    /// What a DELETE does.
    pub delete: Deletes,
    /// What else a disable writes to the object; an enable puts back what was there before.
    pub on_disable: BTreeMap<String, Constant>,
    /// The same, made by an expression of the resource: to rename, or to move.
    pub on_disable_expressions: BTreeMap<String, String>,
    /// Whom the app is for, by resource type; everybody where nothing is said.
    pub scope: BTreeMap<String, Scope>,
    /// What becomes of who leaves the scope.
    pub out_of_scope: OutOfScope,
    /// The password that the host gives to who is new.
    pub initial_password: Option<InitialPassword>,
    /// Whether who is disabled leaves his groups; the host keeps them, and puts him back when he is enabled.
    pub strip_memberships: bool,
    /// When the target may be written to; none: always.
    pub hours: Option<Hours>,
    /// The guard against floods of disables and deletes.
    pub breaker: Option<Breaker>,
}

/// What becomes of an object whose resource leaves the scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfScope {
    /// It is disabled; a group, or what cannot be disabled, is left alone.
    #[default]
    Disable,
    /// It is left alone.
    Leave,
}

/// The first password of a new account, where the client sends none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialPassword {
    /// What makes it, in the mapping's language.
    pub expression: String,
    /// The attribute that takes it; none: the connector's own way to set passwords.
    pub attribute: Option<String>,
    /// Whether the next sign-in has to change it, where the connector has a way of its own.
    pub must_change: bool,
}

/// What is let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    #[default]
    Open,
    /// No DELETE.
    NoDelete,
    /// No write.
    ReadOnly,
    /// Every write is answered with what it would do.
    DryRun,
}

/// What a DELETE does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// Deletes.
    #[default]
    Hard,
    /// Disables; the object stays.
    Soft,
    /// Disables, and deletes when so much time has gone by and nobody has written to it.
    After(Duration),
}

/// The most that may be disabled and deleted within a window, of each resource type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breaker {
    /// How far back is counted.
    pub window: Duration,
    /// So many.
    pub count: Option<u64>,
    /// So many of a hundred that there are, and at least one.
    pub percent: Option<u32>,
}

impl Breaker {
    /// How many may be disabled and deleted where there are so many.
    pub(crate) fn allows(&self, population: u64) -> u64 {
        let share = self
            .percent
            .map(|percent| (population.saturating_mul(u64::from(percent)) / 100).max(1));
        let count = self.count.unwrap_or(u64::MAX);
        count.min(share.unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_count_and_share_holds_and_one_leaver_is_no_flood() {
        let breaker = |count, percent| Breaker {
            window: Duration::from_secs(1),
            count,
            percent,
        };
        assert_eq!(breaker(Some(50), Some(10)).allows(1000), 50);
        assert_eq!(breaker(Some(50), Some(10)).allows(100), 10);
        assert_eq!(breaker(None, Some(10)).allows(3), 1);
        assert_eq!(breaker(Some(0), None).allows(1000), 0);
    }
}
