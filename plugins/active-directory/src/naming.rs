//! Names that Active Directory wants and nobody gives: the entry's own (`cn`), and the one from before Windows 2000
//! (`sAMAccountName`).

use tombolo_sdk::ldap::{LdapEntry, dn};
use tombolo_sdk::{Failure, Result};

use crate::directory::{self, equals};
use crate::kind::{Kind, Which};

/// `cn` has at most so many characters (rangeUpper).
const CN: usize = 64;
/// `sAMAccountName` of a user (\[MS-SAMR\] 3.1.1.8.4).
const USER: usize = 20;
/// `sAMAccountName` of a group (rangeUpper).
const GROUP: usize = 256;
/// How many names are tried before somebody has to choose one.
const TRIES: usize = 50;

/// A text as the name of an entry: not too long, no blanks at its ends.
pub fn cn(text: &str) -> String {
    let cut: String = text.trim().chars().take(CN).collect();
    cut.trim_end().to_owned()
}

/// The name of an entry whose own name is taken in its container.
pub fn cn_with(text: &str, account: &str) -> String {
    let room = CN.saturating_sub(account.chars().count() + 3);
    let cut: String = text.trim().chars().take(room).collect();
    format!("{} ({account})", cut.trim_end())
}

/// A text as an account name: what stands before the `@`, without what is not allowed.
pub fn account(which: Which, text: &str) -> String {
    let (text, most) = match which {
        Which::User => (text.split('@').next().unwrap_or_default(), USER),
        Which::Group => (text, GROUP),
    };
    let allowed: String = text
        .chars()
        .filter(|c| !c.is_control() && !r#""/\[]:;|=,+*?<>@"#.contains(*c))
        .collect();
    let cut: String = allowed.trim().chars().take(most).collect();
    // Neither a dot nor a blank may stand at the end.
    cut.trim_end_matches(['.', ' ']).to_owned()
}

/// An account name that nobody in the domain has: the text's own, or with a number.
pub fn free_account(kind: &Kind<'_>, text: &str) -> Result<String> {
    let name = account(kind.which, text);
    let name = if name.is_empty() {
        kind.name().to_owned()
    } else {
        name
    };
    let most = match kind.which {
        Which::User => USER,
        Which::Group => GROUP,
    };
    for number in 1..=TRIES {
        let tried = if number == 1 {
            name.clone()
        } else {
            let suffix = number.to_string();
            let cut: String = name.chars().take(most - suffix.len()).collect();
            cut + &suffix
        };
        if !directory::exists(&kind.settings.base, &equals("sAMAccountName", &tried))? {
            return Ok(tried);
        }
    }
    Err(Failure::already_exists(format!(
        "`{name}` and {TRIES} names like it are taken: give the {} a sAMAccountName",
        kind.name()
    ))
    .attribute("sAMAccountName"))
}

/// Refuses a value that another entry of the domain has. The directory itself looks at some of them only.
pub fn must_be_free(
    kind: &Kind<'_>,
    attribute: &str,
    value: &str,
    own: Option<&str>,
) -> Result<()> {
    let found = directory::page(
        &kind.settings.base,
        &equals(attribute, value),
        &[directory::ID.to_owned()],
        None,
        2,
    )?;
    let others = |entry: &LdapEntry| directory::anchor(entry).as_deref() != own;
    if found.entries.iter().any(others) {
        return Err(Failure::already_exists(format!(
            "another entry has the {attribute} `{value}`"
        ))
        .attribute(attribute));
    }
    Ok(())
}

/// The name that an entry has in its container.
pub fn common_name(entry: &str) -> Option<String> {
    let rdn = dn::parse_rdn(dn::split(entry).0)?;
    let part = rdn
        .into_iter()
        .find(|part| part.attribute.eq_ignore_ascii_case("cn"))?;
    String::from_utf8(part.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_name_has_what_is_allowed() {
        let user = |text| account(Which::User, text);
        assert_eq!(user("ana.ruiz@example.com"), "ana.ruiz");
        assert_eq!(user("a*n,a[\"x\"]:1"), "anax1");
        assert_eq!(
            user("anna-maria.von-und-zu.hohenstein"),
            "anna-maria.von-und-z"
        );
        assert_eq!(user("abcdefghijklmnopqrs..x"), "abcdefghijklmnopqrs");
        assert_eq!(account(Which::Group, "Sales @ home"), "Sales  home");
    }

    #[test]
    fn a_name_fits_and_a_second_one_tells_whose_it_is() {
        let long = "ä".repeat(80);
        assert_eq!(cn(&long).chars().count(), 64);
        let second = cn_with(&long, "ana");
        assert_eq!(second.chars().count(), 64);
        assert!(second.ends_with(" (ana)"));
        assert_eq!(
            common_name(r"CN=Ruiz\, Ana,OU=x,DC=y").as_deref(),
            Some("Ruiz, Ana")
        );
    }
}
