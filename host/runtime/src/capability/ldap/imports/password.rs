//! `ldap-password`: the guest gives handles, and the host puts the passwords in place.

use wasmtime::component::Resource;

use super::{ContractChange, Reached, change, weight, write};
use crate::bindings::tombolo::connector::ldap::LdapError;
use crate::bindings::tombolo::connector::ldap_password::Host;
use crate::capability::ldap::operation::{Passwords, Write};
use crate::capability::secrets::Secret;
use crate::guest::Guest;

impl Guest {
    fn passwords(
        &self,
        new: &Resource<Secret>,
        old: Option<&Resource<Secret>>,
    ) -> wasmtime::Result<Passwords> {
        let value =
            |secret: &Resource<Secret>| self.table.get(secret).map(|held| held.value.clone());
        Ok(Passwords {
            new: value(new)?,
            old: old.map(value).transpose()?,
        })
    }
}

impl Host for Guest {
    async fn modify(
        &mut self,
        target: String,
        dn: String,
        new: Resource<Secret>,
        old: Option<Resource<Secret>>,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let passwords = self.passwords(&new, old.as_ref())?;
        let call = self.outbound("ldap", "modify-password", &target, dn.len())?;
        let asked = Ok(Write::Password(dn, passwords));
        Ok(write(call, Reached::by(self, &target), asked).await)
    }

    async fn set_unicode_pwd(
        &mut self,
        target: String,
        dn: String,
        new: Resource<Secret>,
        old: Option<Resource<Secret>>,
        others: Vec<ContractChange>,
    ) -> wasmtime::Result<Result<(), LdapError>> {
        let passwords = self.passwords(&new, old.as_ref())?;
        let sent = dn.len() + weight(others.iter().map(|(_, name, values)| (name, values)));
        let call = self.outbound("ldap", "set-unicode-pwd", &target, sent)?;
        let others = others
            .into_iter()
            .map(change)
            .collect::<Result<Vec<_>, _>>();
        let asked = others.map(|others| Write::UnicodePwd(dn, passwords, others));
        Ok(write(call, Reached::by(self, &target), asked).await)
    }
}
