//! `[store]`: where the host keeps what it must not forget, and in which engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tombolo_store::postgres::{Options, Tls, UrlError};
use tombolo_store::sled::Behind;

use super::diagnostic::{Diagnostic, Source};
use super::reader::{Located, Section, Sink};
use super::secret::SecretSource;

/// Connections to the database, unless the file says otherwise.
const POOL: usize = 8;

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Embedded(Behind),
    Postgres,
}

/// What the section says.
pub(super) struct Store {
    /// The state directory.
    pub path: Option<PathBuf>,
    /// What the store in the state directory is made with.
    pub behind: Behind,
    /// The database, if the store is in one.
    pub database: Option<Database>,
}

/// A database that holds the store, for one host or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// `postgresql://USER@HOST[:PORT][,HOST…]/DATABASE`.
    pub url: Located<String>,
    /// The account's password.
    pub password: Option<Located<SecretSource>>,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<Located<PathBuf>>,
    /// The name in the server's certificate, where it is not the URL's.
    pub server_name: Option<String>,
    /// The schema that holds the tables.
    pub schema: String,
    /// How many connections are kept.
    pub pool_size: usize,
}

/// Why a database cannot be reached as the file says: where in the file, what, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("`[store]`: {message}")]
pub struct DatabaseError {
    span: std::ops::Range<usize>,
    message: String,
    hint: String,
}

/// Reads the section: the state directory, and the database if there is one.
pub(super) fn read(mut section: Section<'_>, sink: &Sink) -> Store {
    let path = section.text("path").map(|path| path.value.into());
    let engine = section
        .choice(
            "engine",
            &[
                ("sled", Engine::Embedded(Behind::Sled)),
                ("fjall", Engine::Embedded(Behind::Fjall)),
                ("postgres", Engine::Postgres),
                ("postgresql", Engine::Postgres),
            ],
        )
        .unwrap_or(Engine::Embedded(Behind::Sled));
    let (behind, database) = match engine {
        Engine::Postgres => (Behind::default(), database(&mut section, sink)),
        Engine::Embedded(behind) => {
            if section.has("url") {
                sink.error_hint(
                    section.span(),
                    "`[store]` has a `url`, and its engine is not a database",
                    "add `engine = \"postgres\"`, or remove what belongs to a database",
                );
                // What else belongs to it is no further mistake.
                database(&mut section, sink);
            }
            (behind, None)
        }
    };
    section.finish();
    Store {
        path,
        behind,
        database,
    }
}

fn database(section: &mut Section<'_>, sink: &Sink) -> Option<Database> {
    let url = section.required_text(
        "url",
        "such as `url = \"postgresql://tombolo@db.example.org/tombolo\"`",
    );
    let password = section.parsed("password", SecretSource::parse_own);
    let tls = section.choice("tls", &[("require", true), ("off", false)]);
    let ca = section.text("ca").map(|path| Located {
        value: PathBuf::from(path.value),
        span: path.span,
    });
    let server_name = section.text("server-name").map(|name| name.value);
    let schema = section.parsed("schema", |name| {
        let sane = (1..=63).contains(&name.len()) && !name.contains(['\0', '"']);
        if sane {
            Ok(name.to_owned())
        } else {
            Err("must be a name of 1 to 63 characters, without quotes".to_owned())
        }
    });
    let pool_size = section
        .integer("pool-size", 2..=1024)
        .and_then(|size| usize::try_from(size).ok());
    let url = url?;
    let options = match Options::new(&url.value) {
        Ok(options) => options,
        Err(why) => {
            let message = format!("`store.url` {why}");
            let hint = match why {
                UrlError::Password => {
                    "remove it, and add `password = \"env:NAME\"` or `password = \"file:PATH\"`"
                }
                UrlError::Options => {
                    "remove them; `tls`, `ca`, `server-name`, `schema` and `pool-size` stand beside `url`"
                }
                _ => {
                    "write \"postgresql://USER@HOST[:PORT]/DATABASE\"; several hosts, one of which takes writes, are divided by commas"
                }
            };
            sink.error_hint(url.span, message, hint);
            return None;
        }
    };
    // Nothing is overheard on the way to this machine, and its server seldom has a certificate.
    let tls = tls.unwrap_or(!options.is_local());
    if !tls && !options.is_local() && password.is_some() {
        sink.push(
            Diagnostic::error(&sink.source, url.span.clone(), "the store's database is reached without TLS over a network")
                .hint("remove `tls = \"off\"` unless the network itself is trusted: what the host knows of people goes over it")
                .warning(),
        );
    }
    Some(Database {
        url,
        password,
        tls,
        ca,
        server_name,
        schema: schema.map_or_else(|| "tombolo".to_owned(), |name| name.value),
        pool_size: pool_size.unwrap_or(POOL),
    })
}

/// What the files beside it lack.
pub(super) fn check(database: &Database, dir: &Path, source: &Arc<Source>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Err(why) = database.options(dir) {
        found.push(Diagnostic::error(source, why.span, why.message).hint(why.hint));
    }
    if let Some(password) = &database.password
        && let Some(mode) = password.value.too_open(dir)
    {
        let message = format!("others than its owner may read the secret file (mode {mode:o})");
        found.push(
            Diagnostic::error(source, password.span.clone(), message)
                .hint("chmod 600")
                .warning(),
        );
    }
    found
}

impl Database {
    /// How the store is opened.
    ///
    /// # Errors
    /// The password or the authorities' file cannot be had.
    pub fn options(&self, dir: &Path) -> Result<Options, DatabaseError> {
        let wrong = |span: &std::ops::Range<usize>, message: String, hint: String| DatabaseError {
            span: span.clone(),
            message,
            hint,
        };
        let options = Options::new(&self.url.value).map_err(|why| {
            wrong(
                &self.url.span,
                format!("`store.url` {why}"),
                "correct it".to_owned(),
            )
        })?;
        let mut options = options.schema(&self.schema).connections(self.pool_size);
        if let Some(password) = &self.password {
            let secret = password
                .value
                .resolve(dir)
                .map_err(|why| wrong(&password.span, why.to_string(), why.hint()))?;
            options = options.password(secret.expose_secret());
        }
        if !self.tls {
            return Ok(options);
        }
        let ca = match &self.ca {
            None => None,
            Some(file) => Some(std::fs::read(dir.join(&file.value)).map_err(|why| {
                let message = format!("cannot read the ca `{}`: {why}", file.value.display());
                let hint = "put the PEM file there, readable by tombolo";
                wrong(&file.span, message, hint.to_owned())
            })?),
        };
        Ok(options.tls(Tls::On {
            ca,
            server_name: self.server_name.clone(),
        }))
    }
}
