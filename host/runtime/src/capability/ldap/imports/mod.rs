//! The interfaces of the contract: `ldap`, and what was added beside it, because released shapes do not grow.
//!
//! Each call is counted and recorded before anything is reached, and what comes back is charged before the guest gets it.

mod base;
mod inquiry;
mod password;
mod search;
mod sync;

use std::sync::Arc;

use tokio::time::Instant;

use super::client::{Caller, Directory};
use super::entry::{self, Entry};
use super::error::Error;
use super::operation::{Answer, Change, Question, Write};
use super::search::{Found, Part, Scope, Search};
use crate::bindings::tombolo::connector::ldap::{self, LdapEntry, LdapError, Modification};
use crate::capability::outbound::{Outbound, Outcome};
use crate::guest::Guest;
use crate::interference::Struck;

impl From<Error> for LdapError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// One of a modify operation's changes, as the contract has them.
type ContractChange = (Modification, String, Vec<Vec<u8>>);

fn change((kind, attribute, values): ContractChange) -> Result<Change, Error> {
    Ok(match kind {
        Modification::Add => Change::Add(attribute, values),
        Modification::Delete => Change::Delete(attribute, values),
        Modification::Replace => Change::Replace(attribute, values),
        Modification::Increment => {
            let [by] = <[Vec<u8>; 1]>::try_from(values).map_err(|_| {
                Error::Request(format!(
                    "attribute `{attribute}` is incremented by one value"
                ))
            })?;
            Change::Increment(attribute, by)
        }
    })
}

/// What an operation takes from the guest's state, so that nothing of it is borrowed while the directory works.
struct Reached {
    directory: Arc<Directory>,
    app: String,
    deadline: Instant,
    max_answer: usize,
}

impl Reached {
    fn by(guest: &Guest, target: &str) -> Result<Self, Error> {
        let directory = guest
            .ldap(target)
            .ok_or_else(|| Error::NotGranted(target.to_owned()))?;
        Ok(Self {
            directory,
            app: guest.grants.app.clone(),
            deadline: guest.deadline(),
            max_answer: guest.grants.limits.host_call_bytes,
        })
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            app: &self.app,
            deadline: self.deadline,
            max_answer: self.max_answer,
        }
    }
}

async fn write(
    call: Outbound,
    reached: Result<Reached, Error>,
    write: Result<Write, Error>,
) -> Result<(), LdapError> {
    // The LDAP library's futures are large, and this one travels through every call's.
    let effect = Box::pin(async {
        let reached = reached?;
        reached.directory.write(&write?, reached.caller()).await
    });
    let done = call
        .fate()
        .around(effect, |struck| Error::Lost {
            operation: "write",
            maybe_done: struck == Struck::After,
        })
        .await;
    call.end(&outcome(done.as_ref().err()), 0);
    done.map_err(LdapError::from)
}

async fn ask(
    call: Outbound,
    reached: Result<Reached, Error>,
    question: Question,
) -> Result<Answer, LdapError> {
    let effect = Box::pin(async {
        let reached = reached?;
        reached.directory.ask(&question, reached.caller()).await
    });
    let answer = call.fate().around(effect, |_| broken("question")).await;
    let size = match &answer {
        Ok(Answer::Identity(identity)) => identity.len(),
        Ok(Answer::Done | Answer::Compared(_)) | Err(_) => 0,
    };
    call.end(&outcome(answer.as_ref().err()), size);
    answer.map_err(LdapError::from)
}

/// What was found, and roughly what it costs to hand over.
async fn search(
    call: Outbound,
    reached: Result<Reached, Error>,
    mut search: Search,
) -> Result<(Found, usize), LdapError> {
    if let Part::Page(limit) = &mut search.part {
        *limit = call.fate().shortened(*limit);
    }
    let effect = Box::pin(async {
        let reached = reached?;
        reached.directory.search(&search, reached.caller()).await
    });
    let found = call.fate().around(effect, |_| broken("search")).await;
    let size = found.as_ref().map_or(0, |found| {
        found.entries.iter().map(entry::Entry::size).sum()
    });
    call.end(&outcome(found.as_ref().err()), size);
    found.map(|found| (found, size)).map_err(LdapError::from)
}

/// A connection that was broken on purpose under something that changes nothing.
fn broken(operation: &'static str) -> Error {
    Error::Lost {
        operation,
        maybe_done: false,
    }
}

/// What the audit record says of an operation.
fn outcome(error: Option<&Error>) -> Outcome {
    match error {
        None => Outcome::Done,
        Some(Error::NotGranted(_) | Error::Egress(_) | Error::Unprotected) => Outcome::Denied,
        Some(error) => match error.code() {
            Some(code) => Outcome::Refused(Some(code.to_string())),
            None => Outcome::Failed,
        },
    }
}

/// Roughly what a list of attributes costs to send.
fn weight<'a>(values: impl IntoIterator<Item = (&'a String, &'a Vec<Vec<u8>>)>) -> usize {
    values
        .into_iter()
        .map(|(name, values)| name.len() + values.iter().map(Vec::len).sum::<usize>())
        .sum()
}

impl From<ldap::Scope> for Scope {
    fn from(scope: ldap::Scope) -> Self {
        match scope {
            ldap::Scope::Base => Self::Base,
            ldap::Scope::OneLevel => Self::OneLevel,
            ldap::Scope::Subtree => Self::Subtree,
        }
    }
}

impl From<Entry> for LdapEntry {
    fn from(entry: Entry) -> Self {
        Self {
            dn: entry.dn,
            attributes: entry.attributes,
        }
    }
}
