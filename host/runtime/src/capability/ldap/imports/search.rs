//! `ldap-search`: sorted, by window, names only.

use tokio::time::Duration;

use super::{Reached, search};
use crate::bindings::tombolo::connector::ldap::{LdapEntry, LdapError};
use crate::bindings::tombolo::connector::ldap_search as contract;
use crate::capability::ldap::search::{Part, Place, Search, SortKey};
use crate::guest::Guest;

impl From<contract::SortKey> for SortKey {
    fn from(key: contract::SortKey) -> Self {
        Self {
            attribute: key.attribute,
            rule: key.rule,
            descending: key.descending,
        }
    }
}

impl From<contract::Request> for Search {
    fn from(request: contract::Request) -> Self {
        let (part, cursor) = match request.part {
            contract::Part::Page(page) => (Part::Page(page.limit), page.cursor),
            contract::Part::Window(window) => {
                let at = match window.at {
                    contract::Place::Offset(offset) => Place::Offset(offset),
                    contract::Place::AtLeast(value) => Place::AtLeast(value),
                };
                let (before, after) = (window.before, window.after);
                (Part::Window { at, before, after }, window.cursor)
            }
        };
        Self {
            types_only: request.types_only,
            sort: request.sort.into_iter().map(SortKey::from).collect(),
            part,
            cursor,
            time_limit: request
                .time_limit_ms
                .map(|limit| Duration::from_millis(limit.into())),
            ..Self::new(
                request.base,
                request.scope.into(),
                request.filter,
                request.attributes,
            )
        }
    }
}

impl contract::Host for Guest {
    async fn search(
        &mut self,
        target: String,
        request: contract::Request,
    ) -> wasmtime::Result<Result<contract::Answer, LdapError>> {
        let keys = request.sort.iter().map(|key| key.attribute.len());
        let sent = request.base.len() + request.filter.len() + keys.sum::<usize>();
        let call = self.outbound("ldap", "search", &target, sent)?;
        let (found, size) = match search(call, Reached::by(self, &target), request.into()).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        self.charge_bytes(size)?;
        Ok(Ok(contract::Answer {
            entries: found.entries.into_iter().map(LdapEntry::from).collect(),
            cursor: found.cursor,
            position: found.position.map(|position| contract::Position {
                offset: position.offset,
                total: position.total,
            }),
        }))
    }
}
