//! Passwords: `unicodePwd`, over TLS. The host puts the value in place; here it is a handle.

use tombolo_sdk::ldap::Modification;
use tombolo_sdk::{Failure, Fault, Result, Secret};

use crate::directory;
use crate::entry;
use crate::kind::Kind;
use crate::settings::Settings;

/// Zero: the next sign-in has to change the password.
const LAST_SET: &str = "pwdLastSet";

/// `ERROR_PASSWORD_RESTRICTION`, as it stands in a server's text.
const RESTRICTION: &str = "0000052D";

/// Sets a user's password.
pub fn set(settings: &Settings, anchor: &str, value: &Secret, must_change: bool) -> Result<()> {
    let kind = Kind::user(settings);
    let found = entry::find(&kind, anchor, &[directory::ID.to_owned()])?;
    kind.guard(&found.dn)?;
    let reset = (
        Modification::Replace,
        LAST_SET.to_owned(),
        vec![b"0".to_vec()],
    );
    let others: &[_] = if must_change { &[reset] } else { &[] };
    directory::target()
        .set_unicode_pwd(&found.dn, value, None, others)
        .map_err(explain)
}

fn explain(mut failure: Failure) -> Failure {
    if failure.message.to_ascii_uppercase().contains(RESTRICTION) {
        failure.fault = Fault::Invalid;
        return failure.within("the domain's password policy refuses the password (length, complexity, history or minimum age)");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_from_a_missing_right() {
        let said = "modify: 53 unwillingToPerform: 0000052D: SvcErr: DSID-031A12D2";
        let failure = explain(Failure::forbidden(said));
        assert!(failure.is(Fault::Invalid) && failure.message.contains("policy"));
        assert!(explain(Failure::forbidden("no")).is(Fault::Forbidden));
    }
}
