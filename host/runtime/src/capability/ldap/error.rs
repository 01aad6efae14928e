//! What can go wrong with a directory, in words that name no address and no secret.
//!
//! These texts reach the guest, and through its answer the operator's log and
//! Entra's provisioning log. Addresses go to `tracing` only, where they help.

use std::time::Duration;

use crate::egress::{Refused, Unreached};

/// Why an operation has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The app has no such target.
    #[error(
        "target `{0}` is not granted: add [targets.{0}] with kind = \"ldap\" to the app's file"
    )]
    NotGranted(String),
    /// The name did not resolve.
    #[error(
        "the directory's host name does not resolve: check `url` of the target, and the resolver of this machine"
    )]
    Resolve,
    /// The policy for outbound connections said no.
    #[error("the directory's address is refused: {0}")]
    Egress(Refused),
    /// No TCP connection.
    #[error("the directory cannot be reached: {0}")]
    Connect(String),
    /// TLS said no.
    #[error("no TLS session with the directory: {0}")]
    Tls(String),
    /// The server will not do StartTLS.
    #[error("the directory refuses StartTLS ({code} {}): use ldaps://, or configure TLS on the server", name(*.code))]
    StartTls {
        /// RFC 4511 result code.
        code: u32,
    },
    /// A DN and no password would be an anonymous bind (RFC 4513, section 5.1.2).
    #[error(
        "the target has a bind-dn and an empty password: set `password`, or leave both out to bind anonymously"
    )]
    EmptyPassword,
    /// A password would cross a network in the clear.
    #[error(
        "the password would cross the network in the clear: use ldaps:// or set start-tls = true"
    )]
    ClearPassword,
    /// The bind was refused.
    #[error("the directory refuses the bind of this app ({code} {}{}): check {} of the target", name(*.code), detail(.text), if *.external { "`client-certificate`, and whom the directory takes its subject for" } else { "`bind-dn` and `password`" })]
    Bind {
        /// RFC 4511 result code.
        code: u32,
        /// What the server said.
        text: String,
        /// By certificate?
        external: bool,
    },
    /// A password of an entry would cross a network in the clear, or the server wants TLS for it.
    #[error(
        "a password is sent over a protected connection only: use ldaps:// or set start-tls = true"
    )]
    Unprotected,
    /// The server answered, and not with success.
    #[error("{operation}: {code} {}{}{}", name(*.code), detail(.text), hint(*.code))]
    Result {
        /// What was asked.
        operation: &'static str,
        /// RFC 4511 result code.
        code: u32,
        /// What the server said.
        text: String,
    },
    /// Another server holds the entry.
    #[error(
        "{operation}: the directory refers to another server{}, and referrals are never followed: point the target at the server that holds the entry",
        told(.to)
    )]
    Referral {
        /// What was asked.
        operation: &'static str,
        /// Where to; empty unless the operator wants it told.
        to: Vec<String>,
    },
    /// Time is up.
    #[error("timed out: {what} took longer than {after:?}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// All connections are taken.
    #[error(
        "busy: all {0} connections to the directory are in use; raise pool-size of the target or lower `limits.concurrency`"
    )]
    PoolBusy(usize),
    /// The connection ended under the operation.
    #[error("connection lost during {operation}{}", if *.maybe_done { ": the directory may or may not have done it" } else { "" })]
    Lost {
        /// What was asked.
        operation: &'static str,
        /// May the directory have done it?
        maybe_done: bool,
    },
    /// The cursor's connection is gone.
    #[error("listing expired, start over")]
    ListingExpired,
    /// More than the app may take at once.
    #[error(
        "the answer is larger than {0} bytes: ask for fewer entries or fewer attributes at once"
    )]
    TooLarge(usize),
    /// Nothing can be made of the answer.
    #[error("the directory's answer to {0} is not LDAP")]
    Malformed(&'static str),
    /// The server will not sort like that, or not at all.
    #[error("the directory does not sort by {} ({code} {})", .attribute.as_deref().unwrap_or("that"), name(*.code))]
    Sort {
        /// The result of the sort.
        code: u32,
        /// The key at fault, if the server says it.
        attribute: Option<String>,
    },
    /// The cookie is none of this request's.
    #[error("that is no cookie of this request: start over")]
    Cookie,
    /// The filter cannot be used.
    #[error("the filter cannot be used: {0}")]
    Filter(String),
    /// The request cannot be used.
    #[error("the request cannot be used: {0}")]
    Request(String),
}

impl From<Unreached> for Error {
    fn from(error: Unreached) -> Self {
        match error {
            Unreached::Resolve => Self::Resolve,
            Unreached::Refused(why) => Self::Egress(why),
            Unreached::Connect(why) => Self::Connect(why),
            Unreached::TimedOut => Self::Connect("it did not answer in time".to_owned()),
        }
    }
}

impl Error {
    /// The RFC 4511 result code, if the directory gave one.
    pub(crate) fn code(&self) -> Option<u32> {
        match self {
            Self::StartTls { code } | Self::Bind { code, .. } | Self::Result { code, .. } => {
                Some(*code)
            }
            Self::Referral { .. } => Some(REFERRAL),
            Self::Sort { code, .. } => Some(*code),
            _ => None,
        }
    }
}

pub(super) const REFERRAL: u32 = 10;

/// The name of a result code (RFC 4511, appendix A).
pub(super) fn name(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        71 => "affectsMultipleDSAs",
        76 => "virtualListViewError",
        80 => "other",
        // RFC 4533, section 2.5.
        4096 => "e-syncRefreshRequired",
        _ => "unnamed result",
    }
}

/// Server and name, as far as they are RFC 4516 URLs that hold nothing else.
fn told(to: &[String]) -> String {
    let shown: Vec<&str> = to
        .iter()
        .map(|url| url.split('?').next().unwrap_or_default())
        .filter(|url| url.starts_with("ldap") && !url.contains('@'))
        .take(4)
        .collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!(" ({})", shown.join(", "))
    }
}

fn detail(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// What to do about results whose cause lies in the server's configuration.
fn hint(code: u32) -> &'static str {
    match code {
        4 => {
            " (the server limits how many entries the bind DN may read; in OpenLDAP: `limits dn.exact=\"…\" size=unlimited size.prtotal=unlimited`)"
        }
        11 => {
            " (the server limits how much one search may cost; raise the limits of the bind DN or index the attributes searched)"
        }
        4096 => " (the directory no longer knows what has changed since: start over)",
        _ => "",
    }
}
