//! `ldap-directory`: compare, whoami, the root DSE.

use super::{Reached, ask, search};
use crate::bindings::tombolo::connector::ldap::{LdapEntry, LdapError};
use crate::bindings::tombolo::connector::ldap_directory::Host;
use crate::capability::ldap::error::Error;
use crate::capability::ldap::operation::{Answer, Question};
use crate::capability::ldap::search::{Scope, Search};
use crate::guest::Guest;

impl Host for Guest {
    async fn compare(
        &mut self,
        target: String,
        dn: String,
        attribute: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, LdapError>> {
        let sent = dn.len() + attribute.len() + value.len();
        let call = self.outbound("ldap", "compare", &target, sent)?;
        let question = Question::Compare {
            dn,
            attribute,
            value,
        };
        let answer = ask(call, Reached::by(self, &target), question).await;
        Ok(answer.map(|answer| answer == Answer::Compared(true)))
    }

    async fn whoami(&mut self, target: String) -> wasmtime::Result<Result<String, LdapError>> {
        let call = self.outbound("ldap", "whoami", &target, 0)?;
        let identity = match ask(call, Reached::by(self, &target), Question::WhoAmI).await {
            Ok(Answer::Identity(identity)) => identity,
            Ok(Answer::Done | Answer::Compared(_)) => String::new(),
            Err(error) => return Ok(Err(error)),
        };
        self.charge_bytes(identity.len())?;
        Ok(Ok(identity))
    }

    async fn root_dse(
        &mut self,
        target: String,
        attributes: Vec<String>,
    ) -> wasmtime::Result<Result<LdapEntry, LdapError>> {
        let call = self.outbound("ldap", "root-dse", &target, 0)?;
        // Operational attributes (RFC 3673) come with a `+`, where the server knows it.
        let mut wanted = vec!["*".to_owned(), "+".to_owned()];
        wanted.extend(attributes);
        let filter = "(objectClass=*)".to_owned();
        let asked = Search::new(String::new(), Scope::Base, filter, wanted);
        let (found, size) = match search(call, Reached::by(self, &target), asked).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        self.charge_bytes(size)?;
        let root = found.entries.into_iter().next();
        let hidden = || Error::Request("the directory shows no root DSE".to_owned());
        Ok(root.map(LdapEntry::from).ok_or_else(|| hidden().into()))
    }
}
