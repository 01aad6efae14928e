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
//! | `connect`, `tls` | from the operator's target to a bound connection |
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
mod tls;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::bindings::tombolo::connector::ldap::{
    Host, LdapEntry, LdapError, Modification, Scope, SearchPage, SearchRequest,
};
use crate::contract::Filter;
use crate::guest::Guest;

pub(crate) use client::Directory;
use client::{Caller, Change, Search, Write};
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

impl Guest {
    async fn write(&self, target: &str, write: Result<Write, Error>) -> Result<(), LdapError> {
        let directory = self.directory(target)?;
        directory
            .write(&write?, self.caller())
            .await
            .map_err(LdapError::from)
    }

    fn directory(&self, target: &str) -> Result<Arc<Directory>, Error> {
        self.ldap(target)
            .ok_or_else(|| Error::NotGranted(target.to_owned()))
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            app: &self.grants.app,
            deadline: self.deadline(),
            max_answer: self.grants.limits.host_call_bytes,
        }
    }
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
        let directory = match self.directory(&target) {
            Ok(directory) => directory,
            Err(error) => return Ok(Err(error.into())),
        };
        let search = Search {
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
        let found = match directory.search(&search, self.caller()).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error.into())),
        };
        self.charge_bytes(found.entries.iter().map(entry::Entry::size).sum())?;
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
        let entry = entry::Entry {
            dn: entry.dn,
            attributes: entry.attributes,
        };
        Ok(self.write(&target, Ok(Write::Add(entry))).await)
    }

    async fn modify(
        &mut self,
        target: String,
        dn: String,
        changes: Vec<ContractChange>,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let changes = changes
            .into_iter()
            .map(change)
            .collect::<Result<Vec<_>, _>>();
        Ok(self
            .write(&target, changes.map(|changes| Write::Modify(dn, changes)))
            .await)
    }

    async fn rename(
        &mut self,
        target: String,
        dn: String,
        rdn: String,
        parent: Option<String>,
    ) -> wasmtime::Result<Result<String, LdapError>> {
        let renamed = escape::renamed(&dn, &rdn, parent.as_deref());
        let write = Write::Rename { dn, rdn, parent };
        Ok(self.write(&target, Ok(write)).await.map(|()| renamed))
    }

    async fn delete(
        &mut self,
        target: String,
        dn: String,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        Ok(self.write(&target, Ok(Write::Delete(dn))).await)
    }
}
