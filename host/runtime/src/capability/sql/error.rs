//! What can go wrong with a database, in words that name no address and no secret.
//!
//! These texts reach the guest, and through its answer the operator's log and Entra's
//! provisioning log. Every error has an SQLSTATE, so that a connector in any language can
//! tell them apart; where the database gave one, it is the database's.

use std::time::Duration;

use crate::egress::{Refused, Unreached};

impl From<Unreached> for Error {
    fn from(error: Unreached) -> Self {
        match error {
            Unreached::Resolve => Self::Resolve,
            Unreached::Refused(why) => Self::Egress(why),
            Unreached::Connect(why) => Self::Connect(why),
            Unreached::TimedOut => Self::Connect("no answer in time".to_owned()),
        }
    }
}

/// Why a statement has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The app has no such target.
    #[error("target `{0}` is not granted: add [targets.{0}] with kind = \"sql\" to the app's file")]
    NotGranted(String),
    /// The name did not resolve.
    #[error(
        "the database's host name does not resolve: check `host` of the target, and the resolver of this machine"
    )]
    Resolve,
    /// The policy for outbound connections said no.
    #[error("the database's address is refused: {0}")]
    Egress(Refused),
    /// No connection.
    #[error("the database cannot be reached: {0}")]
    Connect(String),
    /// TLS said no.
    #[error("no TLS session with the database: {0}")]
    Tls(String),
    /// The server will not do TLS.
    #[error(
        "the database server offers no TLS: configure it there, or set tls = \"off\" if the network between is trusted"
    )]
    NoTls,
    /// The account was refused.
    #[error(
        "the database refuses this app's account ({state}): check `user`, `password` and `database` of the target; the host's log has the server's words"
    )]
    Login {
        /// The server's SQLSTATE.
        state: String,
    },
    /// The server answered, and not with success.
    #[error("{message}")]
    Database {
        /// Its SQLSTATE, or the nearest.
        state: String,
        /// What the server said.
        message: String,
    },
    /// Time is up.
    #[error("timed out: {what} took longer than {after:?}{}", doubt(*.maybe_done))]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
        /// May the database have done it?
        maybe_done: bool,
    },
    /// All connections are taken.
    #[error(
        "busy: all {0} connections to the database are in use; raise pool-size of the target or lower `limits.concurrency`"
    )]
    PoolBusy(usize),
    /// The connection was dead before the statement was sent.
    #[error("connection to the database lost before anything was sent")]
    Unsent,
    /// The connection ended under the statement.
    #[error("connection to the database lost{}", doubt(*.maybe_done))]
    Lost {
        /// May the database have done it?
        maybe_done: bool,
    },
    /// More than the app may take at once.
    #[error(
        "the answer is larger than {0} bytes: ask for fewer rows or fewer columns at once, or raise `limits.host-call-bytes`"
    )]
    TooLarge(usize),
    /// The statement is not one that the host passes on.
    #[error("the statement is refused: {0}")]
    Statement(String),
    /// A statement of a kind that is not for a connector.
    #[error("the statement is refused: {0}")]
    Kind(String),
    /// Placeholders and parameters do not match.
    #[error("the statement has {placeholders} placeholders and {given} parameters were given")]
    Count {
        /// `?` in the statement.
        placeholders: usize,
        /// Parameters.
        given: usize,
    },
    /// A parameter that cannot be sent.
    #[error("parameter {position} cannot be used: {why}")]
    Parameter {
        /// From 1.
        position: usize,
        /// In a few words.
        why: String,
    },
    /// A value that has no form in the contract.
    #[error("column `{column}` cannot be read: {why}")]
    Value {
        /// Its name.
        column: String,
        /// In a few words.
        why: String,
    },
    /// The target may be read only.
    #[error("the target is read-only: remove `read-only` from it to let this app write")]
    ReadOnly,
    /// The transaction has ended before.
    #[error(
        "the transaction is over: it was committed, or an error or its call's end rolled it back"
    )]
    TransactionOver,
    /// Too many at once.
    #[error("this call has {0} open transactions already: commit or drop one")]
    Transactions(usize),
}

fn doubt(maybe_done: bool) -> &'static str {
    if maybe_done {
        ": the database may or may not have done it"
    } else {
        ""
    }
}

/// How far a statement had come when its connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was not sent: it certainly was not executed.
    Before,
    /// It was, and only reads.
    Reading,
    /// It was, and may have changed something.
    Changing,
}

impl Stage {
    /// Of a statement that has been sent.
    pub(super) fn sent(reads: bool) -> Self {
        if reads { Self::Reading } else { Self::Changing }
    }
}

impl From<Stage> for Error {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Before => Self::Unsent,
            Stage::Reading => Self::Lost { maybe_done: false },
            Stage::Changing => Self::Lost { maybe_done: true },
        }
    }
}

/// What an error means for the connection that it happened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// Nothing: the next statement may use it.
    Sound,
    /// The transaction is gone, the connection is not.
    RolledBack,
    /// Something of this statement is still under way.
    Unfinished,
    /// It is gone.
    Broken,
}

impl Error {
    /// Five characters that say what kind of error it is (ISO 9075, and PostgreSQL's additions).
    pub(crate) fn state(&self) -> &str {
        match self {
            Self::NotGranted(_) | Self::Egress(_) => "08004",
            Self::Resolve | Self::Connect(_) | Self::Tls(_) | Self::NoTls => "08001",
            Self::Login { state } | Self::Database { state, .. } => state,
            Self::TimedOut { .. } => "57014",
            Self::PoolBusy(_) => "53300",
            Self::Unsent | Self::Lost { maybe_done: false } => "08006",
            Self::Lost { maybe_done: true } => "08007",
            Self::TooLarge(_) => "54000",
            Self::Statement(_) => "42601",
            Self::Kind(_) | Self::Value { .. } => "0A000",
            Self::Count { .. } => "07001",
            Self::Parameter { .. } => "22023",
            Self::ReadOnly => "25006",
            Self::TransactionOver => "25000",
            Self::Transactions(_) => "53400",
        }
    }

    pub(super) fn aftermath(&self) -> Aftermath {
        match self {
            Self::Database { state, .. } if state.starts_with("08") || state.starts_with("57P") => {
                Aftermath::Broken
            }
            // The database rolls the whole transaction back with a deadlock, and a following
            // statement would run outside of any.
            Self::Database { state, .. } if state.starts_with("40") => Aftermath::RolledBack,
            Self::Unsent | Self::Lost { .. } | Self::Login { .. } => Aftermath::Broken,
            Self::TimedOut { .. } | Self::TooLarge(_) | Self::Value { .. } => Aftermath::Unfinished,
            _ => Aftermath::Sound,
        }
    }
}
