//! What a failed exchange with the server means for what was asked.

use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The server ended the transaction so that another could go on: nothing was done, and the same may do now.
    Again(Arc<str>),
    /// The connection is gone, or of no use any more.
    Lost(Arc<str>),
    /// The server says no, and will say it again.
    Refused(Arc<str>),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let cause: Arc<str> = told(&error).into();
        let Some(state) = error.code() else {
            return Self::Lost(cause);
        };
        let again = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            // Somebody was quicker with a key that was not there: the next look sees it.
            SqlState::UNIQUE_VIOLATION,
        ];
        if again.contains(state) {
            return Self::Again(cause);
        }
        // A server that stops, starts, has no room, or is a replica now.
        let class = state.code().get(..2).unwrap_or_default();
        let passing = ["08", "57"].contains(&class)
            || *state == SqlState::TOO_MANY_CONNECTIONS
            || *state == SqlState::READ_ONLY_SQL_TRANSACTION
            || *state == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        if passing {
            Self::Lost(cause)
        } else {
            Self::Refused(cause)
        }
    }
}

impl Trouble {
    /// For an answer that did not come.
    pub(super) fn silent() -> Self {
        Self::Lost("the server does not answer".into())
    }

    /// As what a caller is told when nothing was written.
    pub(super) fn unwritten(&self) -> StoreError {
        match self {
            Self::Again(cause) => StoreError::Unavailable {
                cause: format!("too many commits at once wanted the same keys ({cause})").into(),
            },
            Self::Lost(cause) => StoreError::Unavailable {
                cause: Arc::clone(cause),
            },
            Self::Refused(cause) => StoreError::Refused {
                cause: Arc::clone(cause),
            },
        }
    }
}

/// The client's words and the server's, without its details: they may hold values.
fn told(error: &Error) -> String {
    if let Some(database) = error.as_db_error() {
        return format!("{} [{}]", database.message(), database.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
