//! The cookie that a connector holds: the server's, what it is good for, and the round that it goes on with.

use sha2::{Digest as _, Sha256};

use super::{Method, Poll};
use crate::capability::ldap::shelf::Key;

/// The form of the cookie. Cookies are kept for weeks: one of another form is refused, not misread.
const FORM: u8 = 1;

/// What a server's cookie is good for: it would make sense of no other content (RFC 4533, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding([u8; 8]);

impl Binding {
    pub(super) fn of(poll: &Poll) -> Self {
        let method = match poll.method {
            Method::Syncrepl => "syncrepl",
            Method::DirSync(_) => "dirsync",
        };
        let scope = ldap3::Scope::from(poll.scope) as u8;
        let mut hash = Sha256::new();
        for part in [&poll.base, &poll.filter, method] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update([scope]);
        let digest: [u8; 32] = hash.finalize().into();
        let mut binding = [0; 8];
        binding.copy_from_slice(&digest[..8]);
        Self(binding)
    }
}

/// Where an answer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Token {
    /// The round was not at its end.
    pub(super) midway: bool,
    /// What is left of it, if the host still has it.
    pub(super) key: Option<Key>,
    /// The server's.
    pub(super) cookie: Vec<u8>,
}

impl Token {
    /// Nothing is known yet.
    pub(super) fn beginning() -> Self {
        Self::default()
    }

    pub(super) fn write(&self, binding: Binding) -> Vec<u8> {
        let state = u8::from(self.midway) | (u8::from(self.key.is_some()) << 1);
        let mut out = vec![FORM, state];
        out.extend(binding.0);
        out.extend(self.key.iter().flatten());
        out.extend(&self.cookie);
        out
    }

    /// None if it was not written for this.
    pub(super) fn read(bytes: &[u8], binding: Binding) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORM])?;
        let (state @ 0..=3, rest) = rest.split_first().map(|(state, rest)| (*state, rest))? else {
            return None;
        };
        let rest = rest.strip_prefix(&binding.0)?;
        let (key, cookie) = if state & 2 == 0 {
            (None, rest)
        } else {
            let (key, rest) = rest.split_first_chunk::<16>()?;
            (Some(*key), rest)
        };
        Some(Self {
            midway: state & 1 != 0,
            key,
            cookie: cookie.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Start;
    use super::*;
    use crate::capability::ldap::search::Scope;

    fn poll(base: &str) -> Poll {
        Poll {
            base: base.to_owned(),
            scope: Scope::Subtree,
            filter: "(uid=*)".to_owned(),
            attributes: Vec::new(),
            method: Method::Syncrepl,
            start: Start::Content,
            limit: 0,
        }
    }

    #[test]
    fn a_cookie_is_good_for_what_it_was_given_for() {
        let token = Token::beginning().write(Binding::of(&poll("dc=a")));
        assert!(Token::read(&token, Binding::of(&poll("dc=a"))).is_some());
        assert!(Token::read(&token, Binding::of(&poll("dc=b"))).is_none());
        let other = Poll {
            method: Method::DirSync(0),
            ..poll("dc=a")
        };
        assert!(Token::read(&token, Binding::of(&other)).is_none());
    }

    proptest! {
        #[test]
        fn it_comes_back(midway: bool, key: Option<[u8; 16]>, cookie: Vec<u8>) {
            let binding = Binding::of(&poll("dc=a"));
            let token = Token { midway, key, cookie };
            prop_assert_eq!(Token::read(&token.write(binding), binding), Some(token));
        }

        #[test]
        fn no_forgery_breaks_it(bytes: Vec<u8>) {
            let _ = Token::read(&bytes, Binding::of(&poll("dc=a")));
        }
    }
}
