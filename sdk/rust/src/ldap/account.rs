//! Passwords, and questions with short answers.

use super::{Change, Directory, LdapEntry};
use crate::Result;
use crate::Secret;
use crate::host::{ldap_directory, ldap_password};

impl Directory {
    /// Sets a password by the server's own operation (RFC 3062). With `old` the server checks that first.
    pub fn set_password(&self, dn: &str, new: &Secret, old: Option<&Secret>) -> Result<()> {
        Ok(ldap_password::modify(&self.target, dn, new, old)?)
    }

    /// Sets Active Directory's `unicodePwd`, together with other changes of the entry. Needs TLS.
    pub fn set_unicode_pwd(
        &self,
        dn: &str,
        new: &Secret,
        old: Option<&Secret>,
        others: &[Change],
    ) -> Result<()> {
        Ok(ldap_password::set_unicode_pwd(
            &self.target,
            dn,
            new,
            old,
            others,
        )?)
    }

    /// Has the attribute this value?
    pub fn compare(&self, dn: &str, attribute: &str, value: impl AsRef<[u8]>) -> Result<bool> {
        let value = value.as_ref();
        Ok(ldap_directory::compare(&self.target, dn, attribute, value)?)
    }

    /// Who the app is to the directory (RFC 4532): `dn:…` or `u:…`; empty: nobody.
    pub fn whoami(&self) -> Result<String> {
        Ok(ldap_directory::whoami(&self.target)?)
    }

    /// What the server is and can.
    pub fn root_dse(&self) -> Result<RootDse> {
        ldap_directory::root_dse(&self.target, &[])
            .map(RootDse)
            .map_err(Into::into)
    }
}

/// What a server says about itself (RFC 4512 section 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct RootDse(pub LdapEntry);

impl RootDse {
    /// Where its trees begin.
    pub fn naming_contexts(&self) -> impl Iterator<Item = &str> {
        self.0.texts("namingContexts")
    }

    /// Does it know this control?
    pub fn has_control(&self, oid: &str) -> bool {
        self.0.texts("supportedControl").any(|known| known == oid)
    }

    /// Does it know this extended operation?
    pub fn has_extension(&self, oid: &str) -> bool {
        self.0.texts("supportedExtension").any(|known| known == oid)
    }
}
