//! A real OpenLDAP on loopback: own certificate authority, ldaps and StartTLS,
//! the overlays memberof, refint, unique and syncprov, and accesslog to count writes.
//! Runs as whoever runs the test, in a temporary directory, and goes away.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::ldif::{self, Entry};

/// The tree's root.
pub const BASE: &str = "dc=example,dc=test";
/// Whom the host binds as.
pub const BIND_DN: &str = "cn=tombolo,dc=example,dc=test";
const ROOT_DN: &str = "cn=admin,dc=example,dc=test";
const ROOT_PASSWORD: &str = "root-of-the-test-tree";

/// A running slapd. Stopped when dropped.
pub struct Slapd {
    child: Child,
    directory: TempDir,
    plain: u16,
    tls: u16,
}

impl Slapd {
    /// Starts one on free ports; the host's account gets `password`.
    pub fn start(password: &str) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("tombolo-slapd-")
            .tempdir()?;
        certificates(directory.path())?;
        let (plain, tls) = (free_port()?, free_port()?);
        configure(directory.path())?;
        let child = Command::new(slapd_binary()?)
            .arg("-F")
            .arg(directory.path().join("conf"))
            .args([
                "-h",
                &format!("ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{tls}/"),
                "-d",
                "0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start slapd")?;
        let mut slapd = Self {
            child,
            directory,
            plain,
            tls,
        };
        slapd.wait()?;
        slapd.populate(password)?;
        Ok(slapd)
    }

    /// `ldaps://localhost:PORT`.
    pub fn ldaps(&self) -> String {
        format!("ldaps://localhost:{}", self.tls)
    }

    /// `ldap://localhost:PORT`, which offers StartTLS.
    pub fn ldap(&self) -> String {
        format!("ldap://localhost:{}", self.plain)
    }

    /// The certificate authority's certificate (PEM).
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Everything below `base` that `filter` finds, with all user attributes and `entryUUID`.
    pub fn search(&self, base: &str, filter: &str) -> Result<Vec<Entry>> {
        self.ldapsearch(base, filter, &["*", "entryUUID", "memberOf"])
    }

    /// People by `employeeNumber`.
    pub fn people(&self) -> Result<BTreeMap<String, Entry>> {
        let base = format!("ou=people,{BASE}");
        let entries = self.search(&base, "(objectClass=inetOrgPerson)")?;
        Ok(entries
            .into_iter()
            .map(|e| (e.one("employeeNumber").unwrap_or_default().to_owned(), e))
            .collect())
    }

    /// How many writes the directory has taken since it started.
    pub fn writes(&self) -> Result<usize> {
        let entries = self.ldapsearch(
            "cn=accesslog",
            "(objectClass=auditWriteObject)",
            &["reqType"],
        )?;
        Ok(entries.len())
    }

    /// Adds entries behind the host's back.
    pub fn add(&self, ldif: &str) -> Result<()> {
        self.client("ldapadd", ldif)
    }

    /// Whether somebody can sign in with this password.
    pub fn signs_in(&self, dn: &str, password: &str) -> Result<bool> {
        let output = Command::new("ldapwhoami")
            .args(["-x", "-H", &self.ldap(), "-D", dn, "-w", password])
            .output()
            .context("cannot start ldapwhoami (Debian: apt-get install ldap-utils)")?;
        Ok(output.status.success())
    }

    /// Changes entries behind the host's back.
    pub fn modify(&self, ldif: &str) -> Result<()> {
        self.client("ldapmodify", ldif)
    }

    fn ldapsearch(&self, base: &str, filter: &str, attributes: &[&str]) -> Result<Vec<Entry>> {
        let output = Command::new("ldapsearch")
            .args([
                "-x",
                "-LLL",
                "-o",
                "ldif-wrap=no",
                "-H",
                &self.plain_url(),
                "-D",
                ROOT_DN,
                "-w",
                ROOT_PASSWORD,
            ])
            .args(["-E", "pr=1000/noprompt", "-b", base, filter])
            .args(attributes)
            .output()
            .context("cannot start ldapsearch")?;
        ensure!(
            output.status.success(),
            "ldapsearch {filter}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(ldif::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn plain_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    fn client(&self, program: &str, ldif: &str) -> Result<()> {
        let file = self.directory.path().join("change.ldif");
        std::fs::write(&file, ldif)?;
        let output = Command::new(program)
            .args([
                "-x",
                "-H",
                &self.plain_url(),
                "-D",
                ROOT_DN,
                "-w",
                ROOT_PASSWORD,
                "-f",
            ])
            .arg(&file)
            .output()
            .with_context(|| format!("cannot start {program}"))?;
        ensure!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if std::net::TcpStream::connect(("127.0.0.1", self.plain)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("slapd ended with {status}");
            }
            ensure!(Instant::now() < deadline, "slapd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn populate(&self, password: &str) -> Result<()> {
        self.add(&format!(
            "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
             dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
             dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n\n\
             dn: {BIND_DN}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: tombolo\nuserPassword: {password}\n"
        ))
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // Ended already is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn slapd_binary() -> Result<PathBuf> {
    for path in [
        "/usr/sbin/slapd",
        "/usr/lib/openldap/slapd",
        "/usr/local/libexec/slapd",
    ] {
        if Path::new(path).exists() {
            return Ok(path.into());
        }
    }
    bail!(
        "slapd is not installed: these tests run against a real OpenLDAP (Debian: apt-get install slapd ldap-utils)"
    )
}

/// A certificate authority `ca.pem` and a certificate `server.pem`/`server.key`
/// for localhost, in `directory`.
pub fn certificates(directory: &Path) -> Result<()> {
    certificates_for(directory, "127.0.0.1")
}

/// The same for another address of this machine.
pub fn certificates_for(directory: &Path, address: &str) -> Result<()> {
    std::fs::write(
        directory.join("server.ext"),
        format!("subjectAltName=DNS:localhost,IP:{address}\nextendedKeyUsage=serverAuth\n"),
    )?;
    let steps: [&[&str]; 3] = [
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "30",
            "-subj",
            "/CN=Test CA",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
        &[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
            "-subj",
            "/CN=localhost",
        ],
        &[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-out",
            "server.pem",
            "-extfile",
            "server.ext",
        ],
    ];
    for arguments in steps {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(directory)
            .output()
            .context("cannot start openssl (Debian: apt-get install openssl)")?;
        ensure!(
            output.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn configure(directory: &Path) -> Result<()> {
    for folder in ["conf", "db", "log"] {
        std::fs::create_dir(directory.join(folder))?;
    }
    let d = directory.display();
    let config = format!(
        "dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {d}/slapd.pid
olcTLSCACertificateFile: {d}/ca.pem
olcTLSCertificateFile: {d}/server.pem
olcTLSCertificateKeyFile: {d}/server.key
olcTLSProtocolMin: 3.3

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: refint
olcModuleLoad: unique
olcModuleLoad: accesslog
olcModuleLoad: syncprov

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif
include: file:///etc/ldap/schema/cosine.ldif
include: file:///etc/ldap/schema/nis.ldif
include: file:///etc/ldap/schema/inetorgperson.ldif

dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcSizeLimit: 500

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: cn=accesslog
olcRootDN: {ROOT_DN}
olcDbDirectory: {d}/log
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: reqStart,objectClass eq

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: {BASE}
olcRootDN: {ROOT_DN}
olcRootPW: {ROOT_PASSWORD}
olcDbDirectory: {d}/db
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: objectClass,entryUUID,entryCSN eq
olcDbIndex: uid,mail,employeeNumber,cn,member,memberOf eq
olcAccess: to dn.exact=\"{BIND_DN}\" attrs=userPassword by anonymous auth by * none
olcAccess: to attrs=userPassword by dn.exact=\"{BIND_DN}\" write by anonymous auth by * none
olcAccess: to * by dn.exact=\"{BIND_DN}\" write by users read by * none
olcLimits: dn.exact=\"{BIND_DN}\" size=unlimited size.prtotal=unlimited

dn: olcOverlay=memberof,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: memberof
olcMemberOfGroupOC: groupOfNames
olcMemberOfMemberAD: member
olcMemberOfMemberOfAD: memberOf

dn: olcOverlay=refint,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: refint
olcRefintAttribute: member manager
olcRefintNothing: {ROOT_DN}

dn: olcOverlay=unique,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcUniqueConfig
olcOverlay: unique
olcUniqueURI: ldap:///ou=people,{BASE}?uid?sub

dn: olcOverlay=accesslog,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcAccessLogConfig
olcOverlay: accesslog
olcAccessLogDB: cn=accesslog
olcAccessLogOps: writes
olcAccessLogSuccess: FALSE

dn: olcOverlay=syncprov,olcDatabase={{2}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: syncprov
olcSpSessionlog: 10000
"
    );
    let file = directory.join("conf.ldif");
    std::fs::write(&file, config)?;
    let output = Command::new("/usr/sbin/slapadd")
        .args(["-n", "0", "-F"])
        .arg(directory.join("conf"))
        .arg("-l")
        .arg(&file)
        .output()
        .context("cannot start slapadd (Debian: apt-get install slapd)")?;
    ensure!(
        output.status.success(),
        "slapadd: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_our_own_starts_and_counts_writes() {
        let slapd = Slapd::start("secret").expect("slapd starts");
        let before = slapd.writes().expect("writes");
        slapd
            .add(&format!("dn: uid=a\\2Cb,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: a,b\ncn: a\nsn: b\nemployeeNumber: 7\n"))
            .expect("add");
        assert!(slapd.writes().expect("writes") > before);
        let people = slapd.people().expect("people");
        assert_eq!(people["7"].one("uid"), Some("a,b"));
        assert!(people["7"].one("entryUUID").is_some());
    }
}
