//! Many commits as one transaction: which rows it locks, what it answers, what it writes. No I/O.
//!
//! What makes the transactions serial, at any isolation level: a key that is there is locked before it is looked at; a key
//! that some commit needs to be absent is inserted, which fails if somebody else has inserted it meanwhile; and a key that
//! is removed without being there is written first, so that two who meet there wait for each other. Keys are in order, so
//! that transactions which want the same rows meet at the first of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::commit::Images;
use crate::{Check, Commit, CommitError};

/// Keys and values of rows.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The rows that are locked before anything is decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Locks {
    /// For this transaction alone: they are written.
    pub(super) alone: Vec<Vec<u8>>,
    /// Against change only: they are looked at.
    pub(super) shared: Vec<Vec<u8>>,
}

/// What comes of a group.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// One answer a commit, if the transaction is committed.
    pub(super) answers: Vec<Result<(), CommitError>>,
    /// Rows that must not be there.
    pub(super) claims: Rows,
    /// Rows that may be there or not.
    pub(super) puts: Rows,
    /// Rows that are removed after all that.
    pub(super) deletes: Vec<Vec<u8>>,
}

impl Outcome {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.puts.is_empty() && self.deletes.is_empty()
    }
}

impl Locks {
    pub(super) fn of(commits: &[&Commit]) -> Self {
        let mut alone = BTreeSet::new();
        let mut shared = BTreeSet::new();
        for commit in commits {
            alone.extend(commit.writes.iter().map(crate::Write::key));
            shared.extend(commit.checks.iter().map(Check::key));
        }
        let owned = |key: &&[u8]| key.to_vec();
        Self {
            shared: shared.difference(&alone).map(owned).collect(),
            alone: alone.iter().map(owned).collect(),
        }
    }
}

/// Decides the commits one after the other, over the rows that are there and locked.
pub(super) fn decide(commits: &[&Commit], present: &Rows) -> Outcome {
    let mut staged = Images::new();
    let mut absent = BTreeSet::new();
    let mut answers = Vec::with_capacity(commits.len());
    for commit in commits {
        let mut relied = Vec::new();
        let answer = commit.stage(&mut staged, |check| {
            let holds = check.holds(present.get(check.key()).map(Vec::as_slice));
            if let (Check::Absent(key), true) = (check, holds) {
                relied.push(key.clone());
            }
            Ok(holds)
        });
        if answer.is_ok() {
            absent.extend(relied);
        }
        answers.push(answer);
    }
    let mut outcome = Outcome {
        answers,
        ..Outcome::default()
    };
    for key in absent {
        let value = staged.remove(&key).flatten();
        if value.is_none() {
            outcome.deletes.push(key.clone());
        }
        outcome.claims.insert(key, value.unwrap_or_default());
    }
    for (key, value) in staged {
        match value {
            Some(value) => {
                outcome.puts.insert(key, value);
            }
            None => {
                if !present.contains_key(&key) {
                    outcome.puts.insert(key.clone(), Vec::new());
                }
                outcome.deletes.push(key);
            }
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(&str, &str)]) -> Rows {
        pairs
            .iter()
            .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect()
    }

    fn keys(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_is_written_is_locked_alone_and_what_is_looked_at_shared() {
        let a = Commit::new().exists("host").equals("b", "1").put("b", "2");
        let c = Commit::new().exists("host").put("a", "1").delete("c");
        assert_eq!(
            Locks::of(&[&a, &c]),
            Locks {
                alone: keys(&["a", "b", "c"]),
                shared: keys(&["host"]),
            }
        );
    }

    #[test]
    fn each_commit_sees_those_before_it() {
        let first = Commit::new().absent("k").put("k", "1");
        let second = Commit::new().absent("k").put("k", "2");
        let third = Commit::new().equals("k", "1").put("k", "3");
        let outcome = decide(&[&first, &second, &third], &Rows::new());
        let good: Vec<bool> = outcome.answers.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, true]);
        assert_eq!(outcome.claims, rows(&[("k", "3")]));
        assert!(outcome.puts.is_empty() && outcome.deletes.is_empty());
    }

    #[test]
    fn a_commit_that_fails_leaves_nothing() {
        let failing = Commit::new().absent("a").exists("b").put("a", "1");
        let outcome = decide(&[&failing], &Rows::new());
        assert!(outcome.is_empty(), "{outcome:?}");
    }

    #[test]
    fn what_is_only_needed_absent_and_what_is_removed_absent_are_written_and_removed() {
        let commit = Commit::new()
            .absent("a")
            .put("b", "1")
            .delete("c")
            .delete("d");
        let outcome = decide(&[&commit], &rows(&[("d", "")]));
        assert_eq!(outcome.claims, rows(&[("a", "")]));
        assert_eq!(outcome.puts, rows(&[("b", "1"), ("c", "")]));
        assert_eq!(outcome.deletes, keys(&["a", "c", "d"]));
    }
}
