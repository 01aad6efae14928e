//! What has one answer: writes, passwords, short questions.

use std::collections::HashSet;

use ldap3::exop::{PasswordModify, WhoAmI};
use ldap3::result::{CompareResult, ExopResult};
use ldap3::{Ldap, LdapError, LdapResult, Mod};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::connect::Privacy;
use super::entry::Entry;
use super::error::Error;

/// RFC 4511, section 4.10.
const COMPARE_FALSE: u32 = 5;
const COMPARE_TRUE: u32 = 6;

/// One change of a modify operation.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Add values.
    Add(String, Vec<Vec<u8>>),
    /// Delete these values, or all if there are none.
    Delete(String, Vec<Vec<u8>>),
    /// Let these be all the values.
    Replace(String, Vec<Vec<u8>>),
    /// RFC 4525.
    Increment(String, Vec<u8>),
}

/// A new password, and the one that it takes the place of, if the server is to check that.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    pub(crate) new: SecretString,
    pub(crate) old: Option<SecretString>,
}

/// A write.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// A new entry.
    Add(Entry),
    /// Changes of one entry.
    Modify(String, Vec<Change>),
    /// A new RDN, and perhaps a new parent. The old RDN's value goes.
    Rename {
        /// What the entry is called.
        dn: String,
        /// Its new RDN.
        rdn: String,
        /// Its new parent.
        parent: Option<String>,
    },
    /// The end of an entry.
    Delete(String),
    /// RFC 3062.
    Password(String, Passwords),
    /// Active Directory's attribute, and other changes of the same entry.
    UnicodePwd(String, Passwords, Vec<Change>),
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// Has the attribute this value?
    Compare {
        dn: String,
        attribute: String,
        value: Vec<u8>,
    },
    /// RFC 4532.
    WhoAmI,
}

/// Either.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation<'a> {
    Write(&'a Write),
    Ask(&'a Question),
}

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// Whether the values are the same.
    Compared(bool),
    /// An authorisation identity; empty is nobody's.
    Identity(String),
}

impl<'a> Operation<'a> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Write(Write::Add(_)) => "add",
            Self::Write(Write::Modify(..)) => "modify",
            Self::Write(Write::Rename { .. }) => "rename",
            Self::Write(Write::Delete(_)) => "delete",
            Self::Write(Write::Password(..)) => "modify-password",
            Self::Write(Write::UnicodePwd(..)) => "set-unicode-pwd",
            Self::Ask(Question::Compare { .. }) => "compare",
            Self::Ask(Question::WhoAmI) => "whoami",
        }
    }

    /// Which entry it is about.
    pub(super) fn dn(self) -> &'a str {
        match self {
            Self::Write(
                Write::Add(Entry { dn, .. })
                | Write::Modify(dn, _)
                | Write::Rename { dn, .. }
                | Write::Delete(dn)
                | Write::Password(dn, _)
                | Write::UnicodePwd(dn, ..),
            )
            | Self::Ask(Question::Compare { dn, .. }) => dn,
            Self::Ask(Question::WhoAmI) => "",
        }
    }

    /// May it have changed something when no answer came?
    pub(super) fn changes(self) -> bool {
        matches!(self, Self::Write(_))
    }

    pub(super) fn check(self) -> Result<(), Error> {
        let without_value = |name: &str| {
            Err(Error::Request(format!(
                "attribute `{name}` is added without a value"
            )))
        };
        let added = |changes: &'a [Change]| {
            changes.iter().find_map(|change| match change {
                Change::Add(name, values) if values.is_empty() => Some(name),
                _ => None,
            })
        };
        match self {
            Self::Write(Write::Add(entry)) => entry
                .attributes
                .iter()
                .find(|(_, values)| values.is_empty())
                .map_or(Ok(()), |(name, _)| without_value(name)),
            Self::Write(Write::Modify(_, changes)) if changes.is_empty() => {
                Err(Error::Request("a modify without a change".to_owned()))
            }
            Self::Write(Write::Modify(_, changes)) => {
                added(changes).map_or(Ok(()), |name| without_value(name))
            }
            Self::Write(Write::Password(_, passwords)) => passwords.check(),
            Self::Write(Write::UnicodePwd(_, passwords, others)) => {
                passwords.check()?;
                added(others).map_or(Ok(()), |name| without_value(name))
            }
            Self::Write(Write::Rename { .. } | Write::Delete(_)) | Self::Ask(_) => Ok(()),
        }
    }

    /// Is the connection good enough for it?
    pub(super) fn may_cross(self, privacy: Privacy) -> bool {
        match self {
            Self::Write(Write::Password(..)) => privacy != Privacy::None,
            Self::Write(Write::UnicodePwd(..)) => privacy == Privacy::Tls,
            _ => true,
        }
    }

    /// The result without the passwords that a server may have put into its words.
    pub(super) fn discreet(self, text: String) -> String {
        match self {
            Self::Write(Write::Password(_, passwords) | Write::UnicodePwd(_, passwords, _)) => {
                passwords
                    .all()
                    .fold(text, |text, secret| text.replace(secret, "[redacted]"))
            }
            _ => text,
        }
    }

    /// What success means; none if the result is no success.
    pub(super) fn answer(self, done: &Done) -> Result<Option<Answer>, Error> {
        match (self, done.result.rc) {
            (Self::Ask(Question::Compare { .. }), COMPARE_FALSE) => {
                Ok(Some(Answer::Compared(false)))
            }
            (Self::Ask(Question::Compare { .. }), COMPARE_TRUE) => Ok(Some(Answer::Compared(true))),
            (Self::Ask(Question::WhoAmI), 0) => {
                let identity = done.value.clone().unwrap_or_default();
                String::from_utf8(identity)
                    .map(|identity| Some(Answer::Identity(identity)))
                    .map_err(|_| Error::Malformed("whoami"))
            }
            (_, 0) => Ok(Some(Answer::Done)),
            _ => Ok(None),
        }
    }
}

impl Passwords {
    fn all(&self) -> impl Iterator<Item = &str> {
        [Some(&self.new), self.old.as_ref()]
            .into_iter()
            .flatten()
            .map(SecretString::expose_secret)
            .filter(|secret| !secret.is_empty())
    }

    fn check(&self) -> Result<(), Error> {
        // RFC 3062 lets a server make a password up when it is given none.
        if self.new.expose_secret().is_empty() {
            return Err(Error::Request("the new password is empty".to_owned()));
        }
        Ok(())
    }
}

/// What came back.
pub(super) struct Done {
    pub(super) result: LdapResult,
    /// Of an extended operation.
    value: Option<Vec<u8>>,
}

impl From<LdapResult> for Done {
    fn from(result: LdapResult) -> Self {
        Self {
            result,
            value: None,
        }
    }
}

pub(super) async fn perform(ldap: &mut Ldap, operation: Operation<'_>) -> Result<Done, LdapError> {
    let write = match operation {
        Operation::Ask(Question::Compare {
            dn,
            attribute,
            value,
        }) => {
            let CompareResult(result) = ldap.compare(dn, attribute, value).await?;
            return Ok(result.into());
        }
        Operation::Ask(Question::WhoAmI) => {
            let ExopResult(exop, result) = ldap.extended(WhoAmI).await?;
            return Ok(Done {
                result,
                value: exop.val,
            });
        }
        Operation::Write(write) => write,
    };
    let result = match write {
        Write::Add(entry) => {
            let attributes = entry
                .attributes
                .iter()
                .map(|(name, values)| (name.as_bytes(), set(values)))
                .collect::<Vec<_>>();
            ldap.add(&entry.dn, attributes).await
        }
        Write::Modify(dn, changes) => {
            ldap.modify(dn, changes.iter().map(modification).collect())
                .await
        }
        Write::Rename { dn, rdn, parent } => ldap.modifydn(dn, rdn, true, parent.as_deref()).await,
        Write::Delete(dn) => ldap.delete(dn).await,
        Write::Password(dn, passwords) => {
            let request = PasswordModify {
                user_id: Some(dn),
                old_pass: passwords.old.as_ref().map(SecretString::expose_secret),
                new_pass: Some(passwords.new.expose_secret()),
            };
            ldap.extended(request)
                .await
                .map(|ExopResult(_, result)| result)
        }
        Write::UnicodePwd(dn, passwords, others) => {
            let new = quoted(&passwords.new);
            let old = passwords.old.as_ref().map(quoted);
            let name = b"unicodePwd".as_slice();
            // [MS-ADTS] 3.1.1.3.1.5: a reset replaces, a change deletes the old and adds the new.
            let mut changes = match &old {
                None => vec![Mod::Replace(name, HashSet::from([new.as_slice()]))],
                Some(old) => vec![
                    Mod::Delete(name, HashSet::from([old.as_slice()])),
                    Mod::Add(name, HashSet::from([new.as_slice()])),
                ],
            };
            changes.extend(others.iter().map(modification));
            ldap.modify(dn, changes).await
        }
    };
    result.map(Done::from)
}

fn modification(change: &Change) -> Mod<&[u8]> {
    match change {
        Change::Add(name, values) => Mod::Add(name.as_bytes(), set(values)),
        Change::Delete(name, values) => Mod::Delete(name.as_bytes(), set(values)),
        Change::Replace(name, values) => Mod::Replace(name.as_bytes(), set(values)),
        Change::Increment(name, by) => Mod::Increment(name.as_bytes(), by.as_slice()),
    }
}

fn set(values: &[Vec<u8>]) -> HashSet<&[u8]> {
    values.iter().map(Vec::as_slice).collect()
}

/// In quotes, as UTF-16, the lower byte first.
fn quoted(password: &SecretString) -> Zeroizing<Vec<u8>> {
    let quote = [b'"', 0];
    let text = password.expose_secret();
    // Reserved at once, so that no half-filled copy is left behind.
    let mut out = Zeroizing::new(Vec::with_capacity(2 * text.len() + 4));
    out.extend_from_slice(&quote);
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    out.extend_from_slice(&quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(new: &str) -> Passwords {
        Passwords {
            new: new.to_owned().into(),
            old: None,
        }
    }

    #[test]
    fn a_password_is_quoted_as_active_directory_wants_it() {
        assert_eq!(
            quoted(&"newP€".to_owned().into()).as_slice(),
            b"\"\0n\0e\0w\0P\0\xac\x20\"\0"
        );
    }

    #[test]
    fn a_password_crosses_no_open_network() {
        let password = Write::Password(String::new(), passwords("x"));
        let unicode = Write::UnicodePwd(String::new(), passwords("x"), Vec::new());
        let may = |write, privacy| Operation::Write(write).may_cross(privacy);
        assert!(may(&password, Privacy::Tls) && may(&password, Privacy::Loopback));
        assert!(!may(&password, Privacy::None));
        assert!(may(&unicode, Privacy::Tls) && !may(&unicode, Privacy::Loopback));
    }

    #[test]
    fn a_password_is_in_no_text() {
        let write = Write::Password("uid=a".to_owned(), passwords("hush-hush"));
        let text = Operation::Write(&write).discreet("bad password hush-hush".to_owned());
        assert!(!text.contains("hush"), "{text}");
        assert!(!format!("{write:?}").contains("hush"));
        let empty = Write::Password(String::new(), passwords(""));
        assert!(Operation::Write(&empty).check().is_err());
    }
}
