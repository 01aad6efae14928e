//! `ldap`: search, add, modify, rename, delete.

use super::{ContractChange, Reached, change, search, weight, write};
use crate::bindings::tombolo::connector::ldap::{
    Host, LdapEntry, LdapError, SearchPage, SearchRequest,
};
use crate::capability::ldap::entry::Entry;
use crate::capability::ldap::operation::Write;
use crate::capability::ldap::search::{Part, Search};
use crate::capability::ldap::{escape, render};
use crate::contract::Filter;
use crate::guest::Guest;

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
            part: Part::Page(request.limit),
            cursor: request.cursor,
            ..Search::new(
                request.base,
                request.scope.into(),
                request.filter,
                request.attributes,
            )
        };
        let (found, size) = match search(call, Reached::by(self, &target), asked).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        self.charge_bytes(size)?;
        Ok(Ok(SearchPage {
            entries: found.entries.into_iter().map(LdapEntry::from).collect(),
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
        let entry = Entry {
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
