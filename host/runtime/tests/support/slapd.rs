//! An OpenLDAP server of one's own: free loopback ports, a temporary directory, the current user, TLS with a
//! certificate authority of its own, and the overlays `unique` and `ppolicy` and, if asked for, `memberof` and `refint`,
//! `sssvlv`, `syncprov`. Whoever has a certificate of the same authority with `o=clients` is the entry of his `cn`.
//!
//! Needs `slapd` and `openssl`. Used by unit and integration tests alike (`#[path]`), hence the allowances.
#![allow(dead_code, unreachable_pub, clippy::pedantic)]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The suffix of the test tree; `ou=people` and `ou=groups` are below it.
pub const SUFFIX: &str = "dc=example,dc=test";
/// Rights to everything, and no limits.
pub const ADMIN: &str = "cn=admin,dc=example,dc=test";
/// The administrator's password.
pub const PASSWORD: &str = "Sw0rdf1sh-of-the-test-server";

/// What differs from server to server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Load the overlays `memberof` and `refint`.
    pub memberof: bool,
    /// Load the overlay `sssvlv`.
    pub sorted: bool,
    /// Load the overlay `syncprov`, which remembers so many changes; none: only the entries there are.
    pub sync: Option<usize>,
}

/// A running server; dropped, it ends and its files go.
pub struct Slapd {
    directory: tempfile::TempDir,
    child: Child,
    plain: u16,
    tls: u16,
}

impl Slapd {
    /// Starts a server with an empty tree.
    pub fn start(settings: Settings) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("slapd")
            .tempdir()
            .expect("a temporary directory");
        certificates(directory.path());
        fs::create_dir(directory.path().join("db")).expect("db");
        fs::create_dir(directory.path().join("conf")).expect("conf");
        let config = directory.path().join("conf.ldif");
        fs::write(&config, configuration(directory.path(), settings)).expect("configuration");
        run(Command::new("/usr/sbin/slapadd")
            .args(["-n", "0", "-F"])
            .arg(directory.path().join("conf"))
            .arg("-l")
            .arg(&config));
        let tree = directory.path().join("tree.ldif");
        fs::write(&tree, TREE).expect("tree");
        run(Command::new("/usr/sbin/slapadd")
            .args(["-n", "1", "-F"])
            .arg(directory.path().join("conf"))
            .arg("-l")
            .arg(&tree));
        let (plain, tls) = (free_port(), free_port());
        let child = spawn(directory.path(), plain, tls);
        Self {
            directory,
            child,
            plain,
            tls,
        }
    }

    /// Ends the server and starts it again on the same ports, with the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(self.directory.path(), self.plain, self.tls);
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SIGTERM lets it close its database; slapd answers to it at once.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }

    /// `ldaps://` under the name that the certificate holds.
    pub fn ldaps(&self) -> String {
        format!("ldaps://localhost:{}", self.tls)
    }

    /// `ldap://`, which offers StartTLS too.
    pub fn ldap(&self) -> String {
        format!("ldap://localhost:{}", self.plain)
    }

    /// The TLS port, for URLs with another name.
    pub fn tls_port(&self) -> u16 {
        self.tls
    }

    /// The authority's certificate, PEM.
    pub fn ca(&self) -> Vec<u8> {
        fs::read(self.directory.path().join("ca.pem")).expect("ca")
    }

    /// Where it is, for command line tools.
    pub fn ca_path(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate with its key, PEM: for SASL EXTERNAL as `cn=NAME` below the suffix.
    pub fn client(&self, name: &str) -> (Vec<u8>, String) {
        let at = self.directory.path();
        let subject = format!("/O=clients/CN={name}");
        let openssl = |arguments: &[&str]| {
            run(Command::new("openssl").args(arguments).current_dir(at));
        };
        openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "client.key",
            "-out",
            "client.csr",
            "-subj",
            &subject,
        ]);
        fs::write(at.join("client.ext"), "extendedKeyUsage=clientAuth\n").expect("ext");
        openssl(&[
            "x509",
            "-req",
            "-in",
            "client.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "30",
            "-out",
            "client.pem",
            "-extfile",
            "client.ext",
        ]);
        let read = |name: &str| fs::read(at.join(name)).expect("a file");
        let key = String::from_utf8(read("client.key")).expect("PEM");
        (read("client.pem"), key)
    }

    /// Can this entry sign in with this password?
    pub fn accepts(&self, dn: &str, password: &str) -> bool {
        Command::new("ldapwhoami")
            .args(["-x", "-H", &self.ldap(), "-D", dn, "-w", password])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("ldapwhoami")
            .success()
    }

    /// Changes entries given as LDIF.
    pub fn modify(&self, ldif: &str) {
        let file = self.directory.path().join("modify.ldif");
        fs::write(&file, ldif).expect("ldif");
        run(self
            .tool("ldapmodify")
            .arg("-f")
            .arg(file)
            .stdout(Stdio::null()));
    }

    /// Adds entries given as LDIF.
    pub fn add(&self, ldif: &str) {
        let file = self.directory.path().join("add.ldif");
        fs::write(&file, ldif).expect("ldif");
        run(self
            .tool("ldapadd")
            .arg("-f")
            .arg(file)
            .stdout(Stdio::null()));
    }

    /// What `ldapsearch` says, unwrapped LDIF without comments.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        let output = self
            .tool("ldapsearch")
            .args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter])
            .args(attributes)
            .output()
            .expect("ldapsearch");
        assert!(
            output.status.success(),
            "ldapsearch {filter}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("LDIF is ASCII")
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.args(["-x", "-H", &self.ldap(), "-D", ADMIN, "-w", PASSWORD]);
        command
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(directory: &Path, plain: u16, tls: u16) -> Child {
    let log = fs::File::create(directory.join("slapd.log")).expect("log");
    // -d 0 keeps it in the foreground: a child that ends with its parent's handle.
    let mut child = Command::new("/usr/sbin/slapd")
        .args([
            "-d",
            "0",
            "-h",
            &format!("ldap://localhost:{plain}/ ldaps://localhost:{tls}/"),
            "-F",
        ])
        .arg(directory.join("conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("slapd starts");
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("localhost", tls)).is_err() {
        if let Some(status) = child.try_wait().expect("slapd") {
            panic!(
                "slapd ended ({status}): {}",
                fs::read_to_string(directory.join("slapd.log")).unwrap_or_default()
            );
        }
        assert!(Instant::now() < until, "slapd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{:?}: {}{}",
        command.get_program(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An authority and a certificate for `localhost`, with openssl.
fn certificates(directory: &Path) {
    let openssl = |arguments: &[&str]| {
        run(Command::new("openssl")
            .args(arguments)
            .current_dir(directory))
    };
    let curve = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    openssl(
        &[
            &["req", "-x509"][..],
            &curve,
            &[
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
                "-days",
                "30",
                "-subj",
                "/CN=Test CA",
                "-addext",
                "basicConstraints=critical,CA:true",
            ],
        ]
        .concat(),
    );
    openssl(
        &[
            &["req"][..],
            &curve,
            &[
                "-keyout",
                "server.key",
                "-out",
                "server.csr",
                "-subj",
                "/CN=localhost",
            ],
        ]
        .concat(),
    );
    fs::write(
        directory.join("ext"),
        "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n",
    )
    .expect("ext");
    openssl(&[
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
        "ext",
    ]);
}

fn configuration(directory: &Path, settings: Settings) -> String {
    let at = directory.display();
    let mut text = format!(
        "dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {at}/slapd.pid
olcTLSCACertificateFile: {at}/ca.pem
olcTLSCertificateFile: {at}/server.pem
olcTLSCertificateKeyFile: {at}/server.key
olcTLSProtocolMin: 3.3
olcTLSVerifyClient: try
olcAuthzRegexp: \"^cn=([^,]+),o=clients$\" \"cn=$1,{SUFFIX}\"

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: memberof
olcModuleLoad: refint
olcModuleLoad: unique
olcModuleLoad: ppolicy
olcModuleLoad: sssvlv
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

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcRootDN: cn=admin,cn=config
olcRootPW: config

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: {SUFFIX}
olcRootDN: {ADMIN}
olcRootPW: {PASSWORD}
olcDbDirectory: {at}/db
olcDbMaxSize: 1073741824
olcDbNoSync: TRUE
olcDbIndex: objectClass,entryUUID,entryCSN eq
olcDbIndex: uid,mail,cn,member,memberOf eq
olcAccess: to attrs=userPassword by self write by anonymous auth by * none
olcAccess: to * by dn.exact=\"cn=reader,{SUFFIX}\" read by * none

dn: olcOverlay={{0}}unique,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcUniqueConfig
olcOverlay: {{0}}unique
olcUniqueURI: ldap:///ou=people,{SUFFIX}?uid,employeeNumber?sub

dn: olcOverlay={{1}}ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: {{1}}ppolicy
"
    );
    if settings.memberof {
        text.push_str(
            "
dn: olcOverlay={2}memberof,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcMemberOf
olcOverlay: {2}memberof
olcMemberOfRefint: TRUE
olcMemberOfGroupOC: groupOfNames
olcMemberOfMemberAD: member
olcMemberOfMemberOfAD: memberOf

dn: olcOverlay={3}refint,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcRefintConfig
olcOverlay: {3}refint
olcRefintAttribute: member manager
",
        );
    }
    let mut number = if settings.memberof { 4 } else { 2 };
    let mut overlay = |name: &str, class: &str, more: &str| {
        text.push_str(&format!(
            "
dn: olcOverlay={{{number}}}{name},olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: {class}
olcOverlay: {{{number}}}{name}
{more}"
        ));
        number += 1;
    };
    if settings.sorted {
        overlay("sssvlv", "olcSssVlvConfig", "");
    }
    if let Some(remembered) = settings.sync {
        let log = format!("olcSpSessionlog: {remembered}\n");
        overlay(
            "syncprov",
            "olcSyncProvConfig",
            if remembered > 0 { &log } else { "" },
        );
    }
    text
}

const TREE: &str = "dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=test
objectClass: organizationalUnit
ou: groups

dn: cn=reader,dc=example,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader
";
