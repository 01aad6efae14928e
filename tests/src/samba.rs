//! A real Active Directory domain controller: Samba, with ldaps, on an address of its own.
//!
//! Samba's LDAP ports cannot be chosen (389 and 636), so each run takes another address of this machine's loopback
//! network instead, and needs root. A domain is made once (`target/samba-domain-…`), and copied for each run.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::ldif::{self, Entry};
use crate::{build, slapd};

/// The domain.
pub const BASE: &str = "DC=ad,DC=example,DC=test";
/// Whom the host binds as: an administrator.
pub const BIND_DN: &str = "CN=Administrator,CN=Users,DC=ad,DC=example,DC=test";
/// Of [`BIND_DN`].
pub const PASSWORD: &str = "Domain-Pa55word";
/// Where the tests' users and groups are.
pub const UNIT: &str = "OU=Tombolo,DC=ad,DC=example,DC=test";

/// A running domain controller. Stopped when dropped.
pub struct Samba {
    child: Child,
    directory: TempDir,
    address: String,
}

impl Samba {
    /// Starts one; [`UNIT`] is there and empty.
    pub fn start() -> Result<Self> {
        let domain = domain()?;
        let address = free_address()?;
        let directory = tempfile::Builder::new().prefix("tombolo-ad-").tempdir()?;
        let path = directory.path();
        run(Command::new("cp")
            .args(["-a", "--sparse=always"])
            .arg(domain.join("."))
            .arg(path))?;
        slapd::certificates_for(path, &address)?;
        run(Command::new("chmod")
            .arg("600")
            .arg(path.join("server.key")))?;
        std::fs::create_dir_all(path.join("run"))?;
        let d = path.display();
        std::fs::write(
            path.join("run.conf"),
            format!(
                "[global]
netbios name = DC1
realm = AD.EXAMPLE.TEST
workgroup = AD
server role = active directory domain controller
interfaces = {address}/8
bind interfaces only = yes
dsdb:schema update allowed = yes
server services = ldap
private dir = {d}/private
state directory = {d}/state
cache directory = {d}/cache
lock directory = {d}/run
pid directory = {d}/run
ncalrpc dir = {d}/run/ncalrpc
binddns dir = {d}/bind-dns
log file = {d}/log.samba
logging = file
ldap server require strong auth = allow_sasl_over_tls
tls enabled = yes
tls keyfile = {d}/server.key
tls certfile = {d}/server.pem
tls cafile = {d}/ca.pem
disable netbios = yes
"
            ),
        )?;
        let child = Command::new(program()?)
            .args(["-F", "-M", "single", "--no-process-group", "-s"])
            .arg(path.join("run.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start samba")?;
        let mut samba = Self {
            child,
            directory,
            address,
        };
        samba.wait()?;
        samba.modify(&external_id())?;
        samba.unit(UNIT)?;
        Ok(samba)
    }

    /// `ldaps://127.…`
    pub fn ldaps(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// The certificate authority's certificate (PEM).
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// `[targets.directory]` of an app; the password is in [`crate::apps::PASSWORD_VARIABLE`].
    pub fn target(&self) -> String {
        format!(
            "[targets.directory]\nkind = \"ldap\"\nurl = \"{}\"\nca = \"{}\"\nbind-dn = \"{BIND_DN}\"\npassword = \"env:{}\"\n",
            self.ldaps(),
            self.ca().display(),
            crate::apps::PASSWORD_VARIABLE
        )
    }

    /// Everything below `base` that `filter` finds, as `ldapsearch` shows it.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let output = self
            .client("ldapsearch")
            .args([
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-E",
                "pr=1000/noprompt",
                "-b",
                base,
                filter,
            ])
            .args(attributes)
            .output()
            .context("cannot start ldapsearch (Debian: apt-get install ldap-utils)")?;
        ensure!(
            output.status.success(),
            "ldapsearch {filter}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(ldif::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// The only entry below [`UNIT`] that `filter` finds.
    pub fn one(&self, filter: &str) -> Result<Entry> {
        let mut found = self.search(UNIT, filter, &["*"])?;
        ensure!(found.len() == 1, "{filter} finds {} entries", found.len());
        found.pop().context("one")
    }

    /// Changes entries behind the host's back; LDIF with `changetype`.
    pub fn modify(&self, ldif: &str) -> Result<()> {
        let file = self.directory.path().join("change.ldif");
        std::fs::write(&file, ldif)?;
        let output = self
            .client("ldapmodify")
            .arg("-f")
            .arg(&file)
            .output()
            .context("cannot start ldapmodify (Debian: apt-get install ldap-utils)")?;
        ensure!(
            output.status.success(),
            "ldapmodify: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Makes an organisational unit.
    pub fn unit(&self, name: &str) -> Result<()> {
        self.modify(&format!(
            "dn: {name}\nchangetype: add\nobjectClass: organizationalUnit\n"
        ))
    }

    /// Can somebody sign in with this password?
    pub fn signs_in(&self, name: &str, password: &str) -> Result<bool> {
        // Samba 4.17 knows no `whoami`.
        let status = Command::new("ldapsearch")
            .env("LDAPTLS_CACERT", self.ca())
            .args(["-x", "-H", &self.ldaps(), "-D", name, "-w", password])
            .args(["-b", "", "-s", "base", "1.1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("cannot start ldapsearch (Debian: apt-get install ldap-utils)")?;
        Ok(status.success())
    }

    /// What `samba-tool ARGUMENTS` says about the running domain.
    pub fn tool(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("samba-tool")
            .args(arguments)
            .arg("-s")
            .arg(self.directory.path().join("run.conf"))
            .output()
            .context("cannot start samba-tool (Debian: apt-get install samba-common-bin)")?;
        ensure!(
            output.status.success(),
            "samba-tool {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The number of the domain's last write: it grows with every one. Signing in counts as none.
    pub fn writes(&self) -> Result<u64> {
        let output = self
            .client("ldapsearch")
            .args(["-LLL", "-b", "", "-s", "base", "highestCommittedUSN"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ldif::parse(&text)
            .first()
            .and_then(|entry| entry.one("highestCommittedUSN")?.parse().ok())
            .context("the domain tells no USN")
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LDAPTLS_CACERT", self.ca()).args([
            "-x",
            "-H",
            &self.ldaps(),
            "-D",
            BIND_DN,
            "-w",
            PASSWORD,
        ]);
        command
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if self.signs_in(BIND_DN, PASSWORD)? {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(self.directory.path().join("log.samba"));
                bail!("samba ended with {status}:\n{}", log.unwrap_or_default());
            }
            ensure!(Instant::now() < deadline, "samba does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        // Ended already is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The attribute of Server 2016's schema that Entra's mapping of groups writes; Samba's own schema is older.
fn external_id() -> String {
    let schema = format!("CN=Schema,CN=Configuration,{BASE}");
    let now = "dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1\n";
    format!(
        "dn: CN=ms-DS-External-Directory-Object-Id,{schema}
changetype: add
objectClass: top
objectClass: attributeSchema
attributeID: 1.2.840.113556.1.4.2310
attributeSyntax: 2.5.5.12
oMSyntax: 64
isSingleValued: TRUE
rangeUpper: 256
searchFlags: 9
lDAPDisplayName: msDS-ExternalDirectoryObjectId
schemaIDGUID:: kL8pva1m4UCIexDfBwQZpg==

{now}
dn: CN=Mail-Recipient,{schema}
changetype: modify
add: mayContain
mayContain: msDS-ExternalDirectoryObjectId

{now}"
    )
}

fn program() -> Result<PathBuf> {
    let path = Path::new("/usr/sbin/samba");
    ensure!(
        path.exists(),
        "samba is not installed: these tests run against a real domain controller (Debian: apt-get install samba samba-common-bin samba-dsdb-modules samba-vfs-modules samba-ad-provision)"
    );
    Ok(path.to_owned())
}

/// An address of 127/8 on which nobody listens at Samba's ports.
fn free_address() -> Result<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..50 {
        let n = std::process::id()
            .wrapping_mul(31)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = format!(
            "127.{}.{}.{}",
            64 + n % 128,
            n / 128 % 256,
            1 + n / 32768 % 250
        );
        match TcpListener::bind((address.as_str(), 389)) {
            Ok(_) if TcpListener::bind((address.as_str(), 636)).is_ok() => return Ok(address),
            Err(why) if why.kind() == std::io::ErrorKind::PermissionDenied => bail!(
                "nobody but root may listen at port 389, which Samba's domain controller must: run the tests as root, or allow it (sysctl net.ipv4.ip_unprivileged_port_start=389)"
            ),
            _ => {}
        }
    }
    bail!("no address of 127.0.0.0/8 has its ports 389 and 636 free")
}

/// A domain that nobody has started yet.
fn domain() -> Result<PathBuf> {
    let made = build::target().join("samba-domain-1");
    if made.exists() {
        return Ok(made);
    }
    program()?;
    std::fs::create_dir_all(build::target())?;
    let making = tempfile::Builder::new()
        .prefix("samba-domain-making-")
        .tempdir_in(build::target())?;
    run(Command::new("samba-tool")
        .args(["domain", "provision", "--server-role=dc", "--use-rfc2307"])
        .args([
            "--dns-backend=NONE",
            "--realm=AD.EXAMPLE.TEST",
            "--domain=AD",
        ])
        .args(["--host-name=dc1", "--host-ip=127.0.0.1"])
        .arg(format!("--adminpass={PASSWORD}"))
        .arg(format!("--targetdir={}", making.path().display()))
        .arg("--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb"))?;
    // Another process may have been faster: then its domain is as good.
    match std::fs::rename(making.path(), &made) {
        Ok(()) => Ok(made),
        Err(_) if made.exists() => Ok(made),
        Err(why) => Err(why).context("cannot keep the domain"),
    }
}

fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().to_string_lossy(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_our_own_starts_and_counts_writes() {
        let samba = Samba::start().expect("samba starts");
        let before = samba.writes().expect("writes");
        samba.unit(&format!("OU=Inner,{UNIT}")).expect("a unit");
        assert!(samba.writes().expect("writes") > before);
        let found = samba.search(UNIT, "(ou=Inner)", &["ou"]).expect("found");
        assert_eq!(found.len(), 1);
        let users = samba.tool(&["user", "list"]).expect("users");
        assert!(users.contains("Administrator"), "{users}");
    }
}
