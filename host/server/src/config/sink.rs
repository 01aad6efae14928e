//! `[sink]` in a flow's file: where people go.

use std::path::PathBuf;
use std::time::Duration;

use tombolo_inbound::auth::Cloud;

use super::reader::{Located, Section, Sink};
use super::secret::SecretSource;

/// What Microsoft documents of the delay of the provisioning log.
const LOG_DELAY: Duration = Duration::from_mins(10);
/// How often the log is read.
const ASK_EVERY: Duration = Duration::from_mins(5);

/// See the module.
#[derive(Clone, Debug)]
pub enum SinkFile {
    /// Another app of this host.
    App {
        /// Its name.
        app: Located<String>,
        /// The kind of its objects.
        object: String,
    },
    /// Entra's API-driven inbound provisioning.
    EntraInbound(Box<EntraInbound>),
    /// Entra's SCIM API.
    EntraScim {
        /// Who we are there.
        entra: Box<Entra>,
        /// Users or groups.
        object: Objects,
    },
    /// Any SCIM 2.0 server.
    Scim(Box<Scim>),
}

/// What goes to a SCIM server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objects {
    /// People.
    #[default]
    Users,
    /// Groups.
    Groups,
}

/// Who we are to Entra, and where it is.
#[derive(Clone, Debug)]
pub struct Entra {
    /// The tenant.
    pub tenant: String,
    /// The application's id.
    pub client_id: String,
    /// What shows that it is us.
    pub credential: Credential,
    /// Which of Microsoft's clouds.
    pub cloud: Cloud,
    /// Another address than the cloud's for tokens.
    pub login: Option<String>,
    /// Another address than the cloud's for Graph.
    pub graph: Option<String>,
    /// More authorities to trust.
    pub ca: Option<PathBuf>,
}

/// What shows that it is us.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client secret.
    Secret(SecretSource),
    /// A certificate (PEM) and its key.
    Certificate(PathBuf, SecretSource),
    /// A file with a token of somebody whom Entra trusts.
    Federated(PathBuf),
}

/// A provisioning job.
#[derive(Clone, Debug)]
pub struct EntraInbound {
    /// Who we are.
    pub entra: Entra,
    /// The object id of the enterprise application.
    pub principal: String,
    /// The job's id.
    pub job: String,
    /// Calls a day, and of these for leavers only.
    pub day: (u32, u32),
    /// Calls in five seconds, and of these for leavers only.
    pub burst: (u32, u32),
    /// How long the log lags behind.
    pub log_delay: Duration,
    /// How often it is read.
    pub ask_every: Duration,
}

/// A SCIM server.
#[derive(Clone, Debug)]
pub struct Scim {
    /// Its base URL.
    pub url: Located<String>,
    /// A bearer token.
    pub token: Option<SecretSource>,
    /// A user and his password.
    pub basic: Option<(String, SecretSource)>,
    /// Where tokens are asked for, by whom, with which secret, for what.
    pub oauth: Option<(String, String, SecretSource, String)>,
    /// More authorities to trust.
    pub ca: Option<PathBuf>,
    /// Users or groups.
    pub object: Objects,
}

#[derive(Clone, Copy)]
enum Kind {
    App,
    EntraInbound,
    EntraScim,
    Scim,
}

pub(super) fn read(root: &mut Section<'_>, sink: &Sink) -> Option<SinkFile> {
    let Some(mut section) = root.section("sink") else {
        sink.error_hint(
            0..0,
            "`[sink]` is missing",
            "say where people go, such as `[sink]` with `kind = \"app\"` and `app = \"directory\"`",
        );
        return None;
    };
    if !section.has("kind") {
        sink.error_hint(
            section.span(),
            "`sink.kind` is missing",
            "it is \"app\", \"entra-inbound\", \"entra-scim\" or \"scim\"",
        );
        return None;
    }
    let kinds = [
        ("app", Kind::App),
        ("entra-inbound", Kind::EntraInbound),
        ("entra-scim", Kind::EntraScim),
        ("scim", Kind::Scim),
    ];
    let target = match section.choice("kind", &kinds)? {
        Kind::App => {
            let app = section.required_text("app", "name the app, such as `app = \"directory\"`");
            let object = section.text("object");
            app.map(|app| SinkFile::App {
                app,
                object: object.map_or_else(|| "user".to_owned(), |kind| kind.value),
            })
        }
        Kind::EntraInbound => inbound(&mut section, sink),
        Kind::EntraScim => {
            let object = objects(&mut section);
            let entra = entra(&mut section, sink);
            entra.map(|entra| SinkFile::EntraScim {
                entra: Box::new(entra),
                object,
            })
        }
        Kind::Scim => scim(&mut section, sink),
    };
    section.finish();
    target
}

fn objects(section: &mut Section<'_>) -> Objects {
    let words = [("users", Objects::Users), ("groups", Objects::Groups)];
    section.choice("object", &words).unwrap_or_default()
}

fn path(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    section.text(key).map(|path| PathBuf::from(path.value))
}

fn secret(section: &mut Section<'_>, key: &'static str) -> Option<SecretSource> {
    let found = section.parsed(key, SecretSource::parse);
    found.map(|found| found.value)
}

fn entra(section: &mut Section<'_>, sink: &Sink) -> Option<Entra> {
    let tenant = section.required_text("tenant", "the tenant's id, or one of its domains");
    let client_id =
        section.required_text("client-id", "the id of the application that calls Graph");
    let secret_of = secret(section, "client-secret");
    let certificate = path(section, "certificate");
    let key = secret(section, "key");
    let federated = path(section, "federated-token");
    let credential = match (secret_of, certificate, key, federated) {
        (Some(secret), None, None, None) => Some(Credential::Secret(secret)),
        (None, Some(certificate), Some(key), None) => {
            Some(Credential::Certificate(certificate, key))
        }
        (None, None, None, Some(file)) => Some(Credential::Federated(file)),
        _ => {
            sink.error_hint(
                section.span(),
                "it must be said what shows Entra that it is us, in one way",
                "say `client-secret`, or `certificate` and `key`, or `federated-token` (a file)",
            );
            None
        }
    };
    let cloud = section.parsed("cloud", |text| {
        Cloud::named(text).ok_or_else(|| {
            let names: Vec<&str> = Cloud::names().collect();
            format!("must be one of {}, not `{text}`", names.join(", "))
        })
    });
    let login = section.text("login-url").map(|url| url.value);
    let graph = section.text("graph-url").map(|url| url.value);
    let ca = path(section, "ca");
    Some(Entra {
        tenant: tenant?.value,
        client_id: client_id?.value,
        credential: credential?,
        cloud: cloud.map_or_else(Cloud::default, |cloud| cloud.value),
        login,
        graph,
        ca,
    })
}

fn inbound(section: &mut Section<'_>, sink: &Sink) -> Option<SinkFile> {
    let entra = entra(section, sink);
    let principal = section.required_text(
        "service-principal",
        "the object id of the enterprise application (not the application's id)",
    );
    let job = section.required_text("job", "the provisioning job's id, such as `API2AAD.…`");
    let mut number = |key, most: u32, unsaid: u32| {
        let number = section.integer(key, 0..=u64::from(most));
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(unsaid)
    };
    let day = (
        number("calls-a-day", 6_000, 6_000),
        number("day-reserve", 6_000, 600),
    );
    let burst = (
        number("calls-in-5s", 40, 40),
        number("burst-reserve", 40, 4),
    );
    let log_delay = section.duration("log-delay").unwrap_or(LOG_DELAY);
    let ask_every = section.duration("ask-every").unwrap_or(ASK_EVERY);
    Some(SinkFile::EntraInbound(Box::new(EntraInbound {
        entra: entra?,
        principal: principal?.value,
        job: job?.value,
        day,
        burst,
        log_delay,
        ask_every,
    })))
}

fn scim(section: &mut Section<'_>, sink: &Sink) -> Option<SinkFile> {
    let url = section.required_text(
        "url",
        "the server's base URL, such as `https://app.example.org/scim/v2`",
    );
    let object = objects(section);
    let token = secret(section, "token");
    let user = section.text("user").map(|user| user.value);
    let password = secret(section, "password");
    let token_url = section.text("token-url").map(|url| url.value);
    let client_id = section.text("client-id").map(|id| id.value);
    let client_secret = secret(section, "client-secret");
    let scope = section.text("token-scope").map(|scope| scope.value);
    let ca = path(section, "ca");
    let basic = user.zip(password);
    let oauth = match (token_url, client_id, client_secret) {
        (Some(url), Some(id), Some(secret)) => Some((url, id, secret, scope.unwrap_or_default())),
        _ => None,
    };
    let ways = [token.is_some(), basic.is_some(), oauth.is_some()];
    if ways.iter().filter(|way| **way).count() != 1 {
        sink.error_hint(
            section.span(),
            "it must be said how to sign in, in one way",
            "say `token`, or `user` and `password`, or `token-url`, `client-id` and `client-secret`",
        );
        return None;
    }
    Some(SinkFile::Scim(Box::new(Scim {
        url: url?,
        token,
        basic,
        oauth,
        ca,
        object,
    })))
}

impl SinkFile {
    /// The secrets that it names.
    pub fn secrets(&self) -> Vec<&SecretSource> {
        match self {
            Self::App { .. } => Vec::new(),
            Self::EntraInbound(inbound) => inbound.entra.secrets(),
            Self::EntraScim { entra, .. } => entra.secrets(),
            Self::Scim(scim) => {
                let basic = scim.basic.as_ref().map(|(_, password)| password);
                let oauth = scim.oauth.as_ref().map(|(_, _, secret, _)| secret);
                scim.token.iter().chain(basic).chain(oauth).collect()
            }
        }
    }
}

impl Entra {
    fn secrets(&self) -> Vec<&SecretSource> {
        match &self.credential {
            Credential::Secret(secret) | Credential::Certificate(_, secret) => vec![secret],
            Credential::Federated(_) => Vec::new(),
        }
    }
}
