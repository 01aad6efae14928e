//! `ldap`: directories by name.
//!
//! A guest says what to search or change; where the directory is, whom it trusts and
//! as whom it is bound are the operator's. Texts that reach a guest name no address.
//!
//! | module | idea |
//! |---|---|
//! | `client` | the operations, and which of them may be tried again |
//! | `pool` | bound connections between calls |
//! | `listing` | paged searches between pages |
//! | `connect` | from the operator's target to a bound connection |
//! | `escape`, `render` | RFC 4515 text that no value can break out of |
//! | `entry`, `error` | what came back |

mod client;
mod connect;
mod entry;
mod error;
mod escape;
mod listing;
mod pool;
mod render;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use super::outbound::{Outbound, Outcome};
use crate::bindings::tombolo::connector::ldap::{
    Host, LdapEntry, LdapError, Modification, Scope, SearchPage, SearchRequest,
};
use crate::contract::Filter;
use crate::guest::Guest;
use crate::interference::Struck;

pub(crate) use client::Directory;
use client::{Caller, Change, Found, Search, Write};
use error::Error;

/// Runs a call into the LDAP library; none if it panicked, which it does on
/// answers that are not well formed.
async fn guarded<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        },
    )
    .await
}

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
        .around(effect, |struck| broken("write", struck))
        .await;
    call.end(&outcome(done.as_ref().err()), 0);
    done.map_err(LdapError::from)
}

async fn search(
    call: Outbound,
    reached: Result<Reached, Error>,
    mut search: Search,
) -> Result<(Found, usize), LdapError> {
    search.limit = call.fate().shortened(search.limit);
    let effect = Box::pin(async {
        let reached = reached?;
        reached.directory.search(&search, reached.caller()).await
    });
    let found = call
        .fate()
        .around(effect, |struck| broken("search", struck))
        .await;
    let size = found.as_ref().map_or(0, |found| {
        found.entries.iter().map(entry::Entry::size).sum()
    });
    call.end(&outcome(found.as_ref().err()), size);
    found.map(|found| (found, size)).map_err(LdapError::from)
}

/// A connection that was broken on purpose.
fn broken(operation: &'static str, struck: Struck) -> Error {
    Error::Lost {
        operation,
        maybe_done: operation != "search" && struck == Struck::After,
    }
}

/// What the audit record says of an operation.
fn outcome(error: Option<&Error>) -> Outcome {
    match error {
        None => Outcome::Done,
        Some(Error::NotGranted(_) | Error::Egress(_)) => Outcome::Denied,
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

impl Host for Guest {
    async fn escape(&mut self, value: String) -> wasmtime::Result<String> {
        Ok(escape::escape(&value))
    }

    async fn render(
        &mut self,
        filter: Filter,
        names: Vec<(String, String)>,
    ) -> wasmtime::Result<Result<String, LdapError>> {
        Ok(render::render(&filter, &names).map_err(LdapError::from))
    }

    async fn search(
        &mut self,
        target: String,
        request: SearchRequest,
    ) -> wasmtime::Result<Result<SearchPage, LdapError>> {
        let sent = request.base.len() + request.filter.len();
        let call = self.outbound("ldap", "search", &target, sent)?;
        let asked = Search {
            base: request.base,
            scope: match request.scope {
                Scope::Base => client::Scope::Base,
                Scope::OneLevel => client::Scope::OneLevel,
                Scope::Subtree => client::Scope::Subtree,
            },
            filter: request.filter,
            attributes: request.attributes,
            cursor: request.cursor,
            limit: request.limit,
        };
        let (found, size) = match search(call, Reached::by(self, &target), asked).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        self.charge_bytes(size)?;
        let entries = found
            .entries
            .into_iter()
            .map(|entry| LdapEntry {
                dn: entry.dn,
                attributes: entry.attributes,
            })
            .collect();
        Ok(Ok(SearchPage {
            entries,
            cursor: found.cursor,
        }))
    }

    async fn add(
        &mut self,
        target: String,
        entry: LdapEntry,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let sent =
            entry.dn.len() + weight(entry.attributes.iter().map(|(name, values)| (name, values)));
        let call = self.outbound("ldap", "add", &target, sent)?;
        let entry = entry::Entry {
            dn: entry.dn,
            attributes: entry.attributes,
        };
        Ok(write(call, Reached::by(self, &target), Ok(Write::Add(entry))).await)
    }

    async fn modify(
        &mut self,
        target: String,
        dn: String,
        changes: Vec<ContractChange>,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let sent = dn.len() + weight(changes.iter().map(|(_, name, values)| (name, values)));
        let call = self.outbound("ldap", "modify", &target, sent)?;
        let changes = changes
            .into_iter()
            .map(change)
            .collect::<Result<Vec<_>, _>>();
        Ok(write(
            call,
            Reached::by(self, &target),
            changes.map(|changes| Write::Modify(dn, changes)),
        )
        .await)
    }

    async fn rename(
        &mut self,
        target: String,
        dn: String,
        rdn: String,
        parent: Option<String>,
    ) -> wasmtime::Result<Result<String, LdapError>> {
        let sent = dn.len() + rdn.len() + parent.as_ref().map_or(0, String::len);
        let call = self.outbound("ldap", "rename", &target, sent)?;
        let renamed = escape::renamed(&dn, &rdn, parent.as_deref());
        let asked = Write::Rename { dn, rdn, parent };
        Ok(write(call, Reached::by(self, &target), Ok(asked))
            .await
            .map(|()| renamed))
    }

    async fn delete(
        &mut self,
        target: String,
        dn: String,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let call = self.outbound("ldap", "delete", &target, dn.len())?;
        Ok(write(call, Reached::by(self, &target), Ok(Write::Delete(dn))).await)
    }
}
