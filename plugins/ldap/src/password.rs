//! Passwords: set by the directory's own operation (RFC 3062), so that its policy and its hashes apply. The
//! host puts the value in place; here it is a handle.

use tombolo_sdk::host::ldap::Modification;
use tombolo_sdk::{Failure, Result, Secret};

use crate::directory::{self, Outcome};
use crate::entry;
use crate::kind::Kind;
use crate::settings::Settings;

/// Overlay `ppolicy`, and what is like it: the next sign-in has to change the password.
const RESET: &str = "pwdReset";

/// The attribute is not known, or not of this entry.
const NO_RESET: [u32; 3] = [16, 17, 65];

/// Sets a person's password.
pub fn set(settings: &Settings, anchor: &str, value: &Secret, must_change: bool) -> Result<()> {
    let kind = Kind::user(settings);
    let found = entry::find(&kind, anchor, std::slice::from_ref(&kind.anchor))?;
    directory::set_password(&found.dn, value)?;
    if !must_change {
        return Ok(());
    }
    let reset = (
        Modification::Replace,
        RESET.to_owned(),
        vec![b"TRUE".to_vec()],
    );
    match directory::try_modify(&found.dn, &[reset])? {
        Outcome::Done => Ok(()),
        Outcome::Refused(code, failure) if NO_RESET.contains(&code) => {
            Err(Failure::unsupported(format!(
                "the password was set, and the directory cannot ask for another at the next sign-in: {RESET} needs its password policy (overlay ppolicy); it said: {}",
                failure.message
            )))
        }
        Outcome::Refused(_, failure) => Err(failure),
    }
}
