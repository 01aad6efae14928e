//! App files for the connectors that are shipped, and for the test guest.

use anyhow::Result;

use crate::host::{Directory, Start};
use crate::samba::{self, Samba};
use crate::slapd::{BASE, BIND_DN, Slapd};

/// Environment variable that holds the directory's password.
pub const PASSWORD_VARIABLE: &str = "TEST_LDAP_PASSWORD";

/// An app on `connectors/csv.wasm`, its files in `data/NAME`; `rest` is appended.
pub fn csv(directory: &Directory, name: &str, rest: &str) -> Result<()> {
    std::fs::create_dir_all(directory.path().join("data").join(name))?;
    directory.app(
        name,
        "csv",
        &format!(
            "[directories]\ndata = {{ path = \"data/{name}\", access = \"read-write\" }}\n\n{rest}"
        ),
    )
}

/// An app on `connectors/csv.wasm` with an `[auth]` of the test's making.
pub fn with_auth(directory: &Directory, name: &str, auth: &str) -> Result<()> {
    std::fs::create_dir_all(directory.path().join("data").join(name))?;
    let text = format!(
        "connector = \"csv\"\n\n{auth}\n\n[directories]\ndata = {{ path = \"data/{name}\", access = \"read-write\" }}\n"
    );
    directory.write(&format!("apps/{name}.toml"), text)?;
    Ok(())
}

/// An app on `connectors/ldap.wasm` over ldaps; the password is in [`PASSWORD_VARIABLE`].
pub fn ldap(directory: &Directory, name: &str, slapd: &Slapd, rest: &str) -> Result<()> {
    directory.write("tls/ldap-ca.pem", std::fs::read(slapd.ca())?)?;
    let url = slapd.ldaps();
    directory.app(
        name,
        "ldap",
        &format!(
            "[settings]\nbase = \"{BASE}\"\n\n\
             [settings.users.disable]\nattribute = \"employeeType\"\ndisabled = \"disabled\"\n\n\
             [targets.directory]\nkind = \"ldap\"\nurl = \"{url}\"\nca = \"tls/ldap-ca.pem\"\nbind-dn = \"{BIND_DN}\"\n\
             password = \"env:{PASSWORD_VARIABLE}\"\n\n{rest}"
        ),
    )
}

/// An app on `connectors/active-directory.wasm`; its users and groups are in [`samba::UNIT`]. `settings` goes on in
/// `[settings]`, before its tables; `rest` is appended.
pub fn active_directory(
    directory: &Directory,
    name: &str,
    samba: &Samba,
    settings: &str,
    rest: &str,
) -> Result<()> {
    let (base, unit) = (samba::BASE, samba::UNIT);
    directory.app(
        name,
        "active-directory",
        &format!(
            "[settings]\nbase = \"{base}\"\nusers.base = \"{unit}\"\ngroups.base = \"{unit}\"\n{settings}\n{}\n{rest}",
            samba.target()
        ),
    )
}

/// How a host is started that has an [`ldap`] or [`active_directory`] app.
pub fn with_password(password: &str) -> Start {
    Start {
        environment: vec![(PASSWORD_VARIABLE.to_owned(), password.to_owned())],
        ..Start::default()
    }
}

/// An app on `connectors/guest.wasm`; `settings` are lines of its `[settings]`.
pub fn guest(directory: &Directory, name: &str, settings: &str, rest: &str) -> Result<()> {
    directory.app(name, "guest", &format!("[settings]\n{settings}\n\n{rest}"))
}

/// An app on `connectors/memory.wasm`, which keeps what it is given and does nothing else.
pub fn memory(directory: &Directory, name: &str, rest: &str) -> Result<()> {
    directory.app(name, "memory", rest)
}

/// The csv connector's file of people, in the directory `data`.
pub const CSV_USERS: &str = "people.csv";
/// Its column of user names.
pub const CSV_USER_NAME: &str = "userName";
/// Its column of display names.
pub const CSV_DISPLAY_NAME: &str = "displayName";
