//! What an app's file points at, fetched and checked: the connector's bytes, secrets, certificates, directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tombolo_runtime::ClientIdentity;

use super::app::AppFile;
use super::auth::{Auth, Credential};
use super::diagnostic::Diagnostic;
use super::origin::Origin;
use super::reader::{Located, suggestion};
use super::secret::SecretSource;
use super::target::{HttpTarget, Identity, SqlDriver, Target};
use super::trust::{Signed, Trust};
use super::{Layout, Report};

const AUTHORITY: &str =
    "give a PEM file with the certificate of the authority that signed the target's";

/// From so many days before its end a credential is warned about.
pub const EXPIRY_WARNING_DAYS: i64 = 30;

/// A token or a secret that has ended or is about to.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The client whose secret it is; none for a token.
    pub client: Option<&'a str>,
    /// Which.
    pub credential: &'a Credential,
    /// When.
    pub expires: Timestamp,
    now: Timestamp,
}

impl<'a> Ending<'a> {
    /// All of them in an app's file.
    pub fn of(auth: &'a Auth, now: Timestamp) -> impl Iterator<Item = Self> {
        let horizon = SignedDuration::from_hours(24 * EXPIRY_WARNING_DAYS);
        auth.credentials().filter_map(move |(client, credential)| {
            let expires = credential.expires?;
            (expires.duration_since(now) < horizon).then_some(Self {
                client,
                credential,
                expires,
                now,
            })
        })
    }

    /// The command that makes another.
    pub fn remedy(&self, dir: &str, app: &str) -> String {
        match self.client {
            None => format!("`tombolo token new {dir} {app}` makes another"),
            Some(client) => format!("`tombolo client new {dir} {app} {client}` makes another"),
        }
    }
}

impl std::fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, expires) = (&self.credential.name, self.expires);
        match self.client {
            None => write!(f, "token `{name}`")?,
            Some(client) => write!(f, "secret `{name}` of client `{client}`")?,
        }
        let left = expires.duration_since(self.now);
        if left <= SignedDuration::ZERO {
            write!(f, " expired at {expires}")
        } else {
            write!(f, " expires at {expires}, in {} days", left.as_hours() / 24)
        }
    }
}

/// A connector's file, and what is known of it without parsing it.
#[derive(Clone, Debug, Default)]
pub struct Code {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub digest: [u8; 32],
    /// The text of the signature beside it.
    pub signature: Option<String>,
    /// Whose signature that is, when it was held against trusted keys.
    pub signed: Option<Signed>,
}

impl Code {
    /// Judges a file before anything of it is parsed: its pin first, its signature next.
    ///
    /// # Errors
    /// It is not the file that the operator wants, or not signed as he wants it.
    pub fn judge(
        trust: &Trust,
        app: &AppFile,
        name: &str,
        bytes: Vec<u8>,
        signature: Option<String>,
    ) -> Result<Self, Diagnostic> {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(pin) = app.pin.as_ref().filter(|pin| pin.value != digest) {
            let message = format!("`{name}` is not the file that `sha256` pins");
            let hint = format!(
                "if the new file is what you want, write `sha256 = \"{}\"`",
                hex::encode(digest)
            );
            return Err(Diagnostic::error(&app.source, pin.span.clone(), message).hint(hint));
        }
        match trust.judge(&bytes, signature.as_deref()) {
            Ok(signed) => Ok(Self {
                bytes,
                digest,
                signature,
                signed,
            }),
            Err(why) => {
                let message = format!("`{name}`: {why}");
                let found = Diagnostic::error(&app.source, app.connector.span.clone(), message);
                Err(found.hint(why.hint(name)))
            }
        }
    }

    /// The digest in hexadecimal.
    pub fn hex(&self) -> String {
        hex::encode(self.digest)
    }
}

/// Everything that an app is built from.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// The connector's file.
    pub connector: Code,
    /// Passwords of targets, by target.
    pub passwords: BTreeMap<String, SecretString>,
    /// Authorities that targets are checked against, PEM, by target.
    pub authorities: BTreeMap<String, Vec<u8>>,
    /// Files of SQLite, absolute, by target.
    pub databases: BTreeMap<String, PathBuf>,
    /// Authorities that their token endpoints are checked against, PEM, by target.
    pub token_authorities: BTreeMap<String, Vec<u8>>,
    /// What is shown to targets that ask for a certificate, by target.
    pub identities: BTreeMap<String, ClientIdentity>,
    /// Granted secrets.
    pub secrets: BTreeMap<String, SecretString>,
    /// Granted directories on this machine, absolute.
    pub directories: BTreeMap<String, PathBuf>,
    /// One digest over all of it but the connector.
    surroundings: [u8; 32],
}

impl Material {
    /// One digest over all of it.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.surroundings);
        hash.update(self.connector.digest);
        hash.finalize().into()
    }
}

/// What was found, with what is wrong with the connector's file apart from the rest: another file may do in its place.
#[derive(Debug)]
pub struct Gathered {
    /// Complete exactly when neither of the others has an error.
    pub material: Material,
    /// What is wrong with everything else.
    pub report: Report,
    /// What is wrong with the connector's file.
    pub connector: Option<Diagnostic>,
}

/// Every file that an app is made from, there or not: a change of one of them is a change of the app.
pub fn inputs(layout: &Layout, app: &AppFile) -> Vec<PathBuf> {
    let mut inputs = match &app.origin {
        Origin::File => vec![
            layout.connector_file(&app.connector.value),
            layout.signature_file(&app.connector.value),
        ],
        Origin::Registry(_) => Vec::new(),
    };
    for target in app.targets.values() {
        inputs.extend(target.ca().map(|ca| layout.dir().join(&ca.value)));
        inputs.extend(
            target
                .secret()
                .and_then(|secret| secret.value.path(layout.dir())),
        );
        if let Target::Http(http) = target {
            inputs.extend(http.auth.ca().map(|ca| layout.dir().join(&ca.value)));
        }
        if let Some(identity) = target.identity() {
            inputs.push(layout.dir().join(&identity.certificate.value));
            inputs.extend(identity.key.value.path(layout.dir()));
        }
    }
    inputs.extend(
        app.secrets
            .values()
            .filter_map(|secret| secret.source.value.path(layout.dir())),
    );
    inputs
}

/// Fetches an app's material. It is complete exactly when the report has no error.
pub fn gather(layout: &Layout, trust: &Trust, app: &AppFile, now: Timestamp) -> (Material, Report) {
    let mut gathered = gather_apart(layout, trust, app, now);
    gathered.report.0.splice(0..0, gathered.connector);
    (gathered.material, gathered.report)
}

/// The same, for whoever may have another file for the connector's. One that comes from a registry is not fetched here.
pub fn gather_apart(layout: &Layout, trust: &Trust, app: &AppFile, now: Timestamp) -> Gathered {
    let mut gathering = Gathering {
        layout,
        app,
        material: Material::default(),
        found: Vec::new(),
        hash: Sha256::new(),
    };
    gathering.hash.update(app.source.text.as_bytes());
    let connector = match app.origin {
        Origin::File => gathering.connector(trust).err(),
        Origin::Registry(_) => None,
    };
    gathering.credentials(now);
    gathering.targets();
    for (name, secret) in &app.secrets {
        if let Some(value) = gathering.secret(&secret.source) {
            gathering.material.secrets.insert(name.clone(), value);
        }
    }
    gathering.directories();
    gathering.material.surroundings = gathering.hash.finalize().into();
    Gathered {
        material: gathering.material,
        report: Report(gathering.found),
        connector,
    }
}

struct Gathering<'a> {
    layout: &'a Layout,
    app: &'a AppFile,
    material: Material,
    found: Vec<Diagnostic>,
    hash: Sha256,
}

impl Gathering<'_> {
    fn error(&self, span: &std::ops::Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.app.source, span.clone(), message)
    }

    /// What goes into the fingerprint is delimited, so that no two sets of inputs run into the same bytes.
    fn absorb(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    fn connector(&mut self, trust: &Trust) -> Result<(), Diagnostic> {
        let app = self.app;
        let name = &app.connector;
        let path = self.layout.connector_file(&name.value);
        let shown = app.shown_connector();
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        tombolo_runtime::allowed_size(size)
            .map_err(|why| self.error(&name.span, format!("`{shown}`: {why}")))?;
        let bytes = std::fs::read(&path).map_err(|why| self.no_connector(&why))?;
        // None that can be read is none: where there has to be one, that is said.
        let signature = std::fs::read_to_string(self.layout.signature_file(&name.value)).ok();
        self.material.connector = Code::judge(trust, app, &shown, bytes, signature)?;
        Ok(())
    }

    fn no_connector(&self, why: &std::io::Error) -> Diagnostic {
        let name = &self.app.connector;
        if why.kind() != std::io::ErrorKind::NotFound {
            let message = format!("cannot read `connectors/{}.wasm`: {why}", name.value);
            return self.error(&name.span, message);
        }
        let present: Vec<String> = self
            .layout
            .connector_paths()
            .unwrap_or_default()
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .collect();
        let hint = if present.is_empty() {
            "put the connector's `.wasm` there".to_owned()
        } else {
            suggestion(
                &name.value,
                &present.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        };
        let message = format!("there is no `connectors/{}.wasm`", name.value);
        self.error(&name.span, message).hint(hint)
    }

    fn credentials(&mut self, now: Timestamp) {
        let app = self.app;
        let dir = self.layout.dir().display().to_string();
        if app.auth.admits_nobody() {
            let span = app.outline.nearest(&["auth", "tokens"]);
            let message = format!("app `{}` has no token: nobody can call it", app.name);
            let hint = format!("`tombolo token new {dir} {}` makes one", app.name);
            let found = self.error(&span, message).hint(hint).warning();
            self.found.push(found);
        }
        for ending in Ending::of(&app.auth, now) {
            let found = self
                .error(&ending.credential.span, ending.to_string())
                .hint(ending.remedy(&dir, &app.name))
                .warning();
            self.found.push(found);
        }
        if let Some(federation) = &app.auth.federation {
            let lists = [
                ("audiences", federation.audiences.is_empty()),
                ("subjects", federation.subjects.is_empty()),
            ];
            for (list, _) in lists.into_iter().filter(|(_, empty)| *empty) {
                let span = app.outline.nearest(&["auth", "federation", list]);
                let message =
                    format!("`auth.federation.{list}` is empty: every assertion is refused");
                let hint = format!(
                    "let Entra try (Test Connection); `tombolo auth observe {dir} {}` then shows the line to put here",
                    app.name
                );
                let found = self.error(&span, message).hint(hint).warning();
                self.found.push(found);
            }
        }
    }

    fn targets(&mut self) {
        let app = self.app;
        for (name, target) in &app.targets {
            if let Some(pem) = target.ca().and_then(|ca| self.certificates(ca, AUTHORITY)) {
                self.material.authorities.insert(name.clone(), pem);
            }
            if let Some(value) = target.secret().and_then(|secret| self.secret(secret)) {
                self.material.passwords.insert(name.clone(), value);
            }
            match target {
                Target::Sql(sql) => {
                    if let SqlDriver::Sqlite { path, create } = &sql.driver {
                        self.database(name, path, *create);
                    }
                }
                Target::Http(http) => self.token_endpoint(name, http),
                Target::Ldap(_) | Target::Net(_) => {}
            }
            if let Some(identity) = target.identity() {
                self.identity(name, identity);
            }
        }
    }

    fn database(&mut self, target: &str, path: &Located<PathBuf>, create: bool) {
        let file = self.layout.dir().join(&path.value);
        let there = file.is_file();
        let creatable =
            create && file.parent().is_some_and(std::path::Path::is_dir) && !file.is_dir();
        if !there && !creatable {
            let message = format!("there is no database file `{}`", path.value.display());
            let hint = "put the file there, or add `create = true` and make its directory";
            let found = self.error(&path.span, message).hint(hint);
            self.found.push(found);
        }
        self.material.databases.insert(target.to_owned(), file);
    }

    fn token_endpoint(&mut self, name: &str, http: &HttpTarget) {
        let token_ca = http.auth.ca();
        if let Some(pem) = token_ca.and_then(|ca| self.certificates(ca, AUTHORITY)) {
            self.material.token_authorities.insert(name.to_owned(), pem);
        }
    }

    fn identity(&mut self, name: &str, identity: &Identity) {
        let hint = "give a PEM file with this host's certificate for the target";
        let certificate = self.certificates(&identity.certificate, hint);
        if let (Some(certificate), Some(key)) = (certificate, self.secret(&identity.key)) {
            let identity = ClientIdentity { certificate, key };
            self.material.identities.insert(name.to_owned(), identity);
        }
    }

    /// A PEM file with certificates in it.
    fn certificates(&mut self, file: &Located<PathBuf>, hint: &str) -> Option<Vec<u8>> {
        let path = self.layout.dir().join(&file.value);
        match std::fs::read(&path) {
            Ok(pem) => {
                let certificates: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(&pem).collect();
                let usable = certificates.is_ok_and(|certificates| !certificates.is_empty());
                if !usable {
                    let message = format!("`{}` holds no PEM certificate", file.value.display());
                    let found = self.error(&file.span, message).hint(hint);
                    self.found.push(found);
                }
                self.absorb(&pem);
                Some(pem)
            }
            Err(why) => {
                let message = format!("cannot read `{}`: {why}", file.value.display());
                let found = self.error(&file.span, message).hint(hint);
                self.found.push(found);
                None
            }
        }
    }

    fn secret(&mut self, secret: &Located<SecretSource>) -> Option<SecretString> {
        match secret.value.resolve(self.layout.dir()) {
            Ok(value) => {
                self.absorb(value.expose_secret().as_bytes());
                if let Some(mode) = secret.value.too_open(self.layout.dir()) {
                    let message = format!(
                        "others than its owner may read `{}` (mode {mode:o})",
                        secret.value
                    );
                    let found = self.error(&secret.span, message).hint(format!(
                        "chmod 600 {}",
                        secret
                            .value
                            .path(self.layout.dir())
                            .unwrap_or_default()
                            .display()
                    ));
                    self.found.push(found.warning());
                }
                Some(value)
            }
            Err(why) => {
                let message = format!("app `{}`: {why}", self.app.name);
                let found = self.error(&secret.span, message).hint(why.hint());
                self.found.push(found);
                None
            }
        }
    }

    fn directories(&mut self) {
        let app = self.app;
        for (name, directory) in &app.directories {
            let path = absolute(self.layout.dir(), &directory.path.value);
            if path.is_dir() {
                self.absorb(path.as_os_str().as_encoded_bytes());
            } else {
                let message = format!("`{}` is not a directory", directory.path.value.display());
                let found = self
                    .error(&directory.path.span, message)
                    .hint(format!("mkdir -p {}", path.display()));
                self.found.push(found);
            }
            self.material.directories.insert(name.clone(), path);
        }
    }
}

fn absolute(dir: &Path, path: &Path) -> PathBuf {
    let joined = dir.join(path);
    std::path::absolute(&joined).unwrap_or(joined)
}
