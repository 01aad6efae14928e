//! The directory's results as the contract's faults.

use crate::host::ldap::LdapError;
use crate::{Failure, Fault};

/// The server does not understand the request.
pub const PROTOCOL_ERROR: u32 = 2;
/// The server will not do that: Active Directory, also of a member that is not in the group.
pub const UNWILLING: u32 = 53;
/// The server does not know a control that the request cannot do without.
pub const UNAVAILABLE_EXTENSION: u32 = 12;
/// The entry, or a parent of it, is not there.
pub const NO_SUCH_OBJECT: u32 = 32;
/// A value to delete is not there.
pub const NO_SUCH_ATTRIBUTE: u32 = 16;
/// A value to add is there.
pub const VALUE_EXISTS: u32 = 20;
/// A value breaks a rule of the server: with the overlay `unique`, one that is taken.
pub const CONSTRAINT: u32 = 19;
/// A value is not of its attribute's syntax.
pub const INVALID_SYNTAX: u32 = 21;
/// The name is not one.
pub const INVALID_DN: u32 = 34;
/// The entry would break its object class.
pub const OBJECT_CLASS: u32 = 65;
/// The name is taken.
pub const ENTRY_EXISTS: u32 = 68;

/// What an error of the directory means to the host. The message stays what the directory said.
pub fn from_ldap(error: LdapError) -> Failure {
    let LdapError { code, message } = error;
    let attribute = blamed(&message);
    let mut failure = Failure::new(fault(code, &message), message);
    failure.attribute = attribute;
    failure.target_code = code.map(|code| code.to_string());
    if failure.fault == Fault::Busy {
        failure.retry_after_ms = Some(2000);
    }
    failure
}

fn fault(code: Option<u32>, message: &str) -> Fault {
    let Some(code) = code else {
        return fault_without_code(message);
    };
    match code {
        // Whatever its code, a refused bind is about the app's own credentials.
        8 | 48 | 49 => Fault::Unauthenticated,
        51 => Fault::Busy,
        52 => Fault::Unavailable,
        _ if message.starts_with("the directory refuses the bind") => Fault::Unauthenticated,
        3 => Fault::Timeout,
        // What the server's administrator has to allow: size limits, access, referrals elsewhere.
        4 | 10 | 11 | 13 | 50 | 53 => Fault::Forbidden,
        CONSTRAINT if is_taken(message) => Fault::AlreadyExists,
        ENTRY_EXISTS => Fault::AlreadyExists,
        // Samba: also an attribute that its schema does not have.
        NO_SUCH_ATTRIBUTE | 17 | CONSTRAINT | VALUE_EXISTS | INVALID_SYNTAX | INVALID_DN | 64
        | OBJECT_CLASS | 66 | 67 | 69 => Fault::Invalid,
        NO_SUCH_OBJECT => Fault::NotFound,
        12 | 18 => Fault::Unsupported,
        _ => Fault::Other,
    }
}

/// The directory was not reached, or did not answer to the end.
fn fault_without_code(message: &str) -> Fault {
    const BEGINNINGS: [(&str, Fault); 6] = [
        ("timed out", Fault::Timeout),
        ("busy", Fault::Busy),
        ("the filter cannot be used", Fault::Unsupported),
        ("the request cannot be used", Fault::Invalid),
        ("the answer is larger", Fault::Other),
        ("target ", Fault::Other),
    ];
    BEGINNINGS
        .iter()
        .find(|(beginning, _)| message.starts_with(beginning))
        .map_or(Fault::Unavailable, |(_, fault)| *fault)
}

/// How OpenLDAP's overlay `unique`, 389 Directory Server and Active Directory say that a value is taken.
fn is_taken(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["unique", "already exists", "already in use", "duplicate"]
        .iter()
        .any(|word| message.contains(word))
}

/// The attribute that a result's text names, if it names one: `mail: value #0 invalid per syntax`,
/// `object class 'inetOrgPerson' requires attribute 'sn'`, `non-unique attributes found with (|(uid=ana))`.
fn blamed(message: &str) -> Option<String> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b';')
    };
    if let Some((before, _)) = message.split_once(": value #") {
        let name = before.rsplit([' ', ':']).next().unwrap_or_default();
        return is_name(name).then(|| name.to_owned());
    }
    for introduction in ["attribute '", "attribute \""] {
        if let Some((_, after)) = message.split_once(introduction) {
            let name = after.split(['\'', '"']).next().unwrap_or_default();
            return is_name(name).then(|| name.to_owned());
        }
    }
    // Active Directory: `problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90290 (userPrincipalName)`.
    if let Some((_, after)) = message.split_once(", Att ") {
        let name = after
            .split_once('(')
            .and_then(|(_, name)| name.split_once(')'));
        return name
            .map(|(name, _)| name)
            .filter(|name| is_name(name))
            .map(str::to_owned);
    }
    if let Some((_, filter)) = message.split_once("found with ") {
        // Several attributes in one condition: any of them may be the one.
        let mut names = filter
            .split('(')
            .filter_map(|item| item.split_once('='))
            .map(|(name, _)| name);
        return names
            .next()
            .filter(|name| is_name(name) && names.next().is_none())
            .map(str::to_owned);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: Option<u32>, message: &str) -> Failure {
        from_ldap(LdapError {
            code,
            message: message.to_owned(),
        })
    }

    #[test]
    fn each_result_has_its_fault() {
        for (code, fault) in [
            (49, Fault::Unauthenticated),
            (50, Fault::Forbidden),
            (51, Fault::Busy),
            (52, Fault::Unavailable),
            (19, Fault::Invalid),
            (21, Fault::Invalid),
            (34, Fault::Invalid),
            (64, Fault::Invalid),
            (65, Fault::Invalid),
            (32, Fault::NotFound),
            (68, Fault::AlreadyExists),
            (80, Fault::Other),
        ] {
            let failure = failure(Some(code), "add: something");
            assert_eq!(failure.fault, fault, "{code}");
            assert_eq!(
                failure.target_code.as_deref(),
                Some(code.to_string().as_str())
            );
        }
    }

    #[test]
    fn an_error_without_a_result_is_about_the_way_there() {
        assert_eq!(
            failure(None, "timed out: add took longer than 5s").fault,
            Fault::Timeout
        );
        assert_eq!(
            failure(None, "connection lost during add").fault,
            Fault::Unavailable
        );
        assert_eq!(
            failure(None, "listing expired, start over").fault,
            Fault::Unavailable
        );
        assert_eq!(
            failure(None, "the filter cannot be used: no").fault,
            Fault::Unsupported
        );
        assert_eq!(failure(None, "busy: all 4 connections").fault, Fault::Busy);
    }

    #[test]
    fn the_attribute_to_blame_is_found_in_what_the_server_says() {
        let blamed = |message: &str| failure(Some(19), message).attribute;
        let taken = "add: 19 constraintViolation: non-unique attributes found with (|(uid=ana))";
        assert_eq!(blamed(taken).as_deref(), Some("uid"));
        assert_eq!(failure(Some(19), taken).fault, Fault::AlreadyExists);
        assert_eq!(
            blamed("modify: 21 invalidAttributeSyntax: mail: value #0 invalid per syntax")
                .as_deref(),
            Some("mail")
        );
        assert_eq!(
            blamed("add: 65 x: object class 'person' requires attribute 'sn'").as_deref(),
            Some("sn")
        );
        assert_eq!(
            blamed(
                "modify: 19 x: 000021C8: AtrErr: DSID-03200BBA, #1: 0: 000021C8: DSID-03200BBA, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90290 (userPrincipalName)"
            )
            .as_deref(),
            Some("userPrincipalName")
        );
        assert_eq!(
            blamed("add: 19 constraintViolation: some attributes not unique"),
            None
        );
        assert_eq!(
            failure(Some(19), "add: 19 x: some attributes not unique").fault,
            Fault::AlreadyExists
        );
    }
}
