//! One connection: its statements are prepared once, and many may ask at a time.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Connection, Row, SimpleQueryMessage, Statement};

use super::trouble::Trouble;

/// What one exchange may take. A server that is silent for longer is as good as gone.
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// What makes this session quicker or safer on PostgreSQL itself. What else speaks the protocol may not know them: ranges are
/// walked along the index, and a session that falls silent in mid-transaction (a machine that was suspended) lets go of its
/// locks.
const TUNING: [&str; 4] = [
    "SET enable_seqscan = off; SET enable_bitmapscan = off",
    "SET jit = off",
    "SET idle_in_transaction_session_timeout = '20s'",
    "SET lock_timeout = '10s'",
];

/// Where notifications go.
pub(super) type Ear = mpsc::UnboundedSender<String>;

/// See the module.
pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    statements: Mutex<HashMap<String, Statement>>,
}

impl Session {
    pub(super) fn new<S, T>(
        client: Client,
        mut connection: Connection<S, T>,
        ear: Option<Ear>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notification(word)) => {
                        if let Some(ear) = &ear {
                            // Whoever listened has gone; so will this session.
                            let _ = ear.send(word.payload().to_owned());
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the store's database ended");
                        return;
                    }
                }
            }
        });
        Self {
            client,
            driver,
            statements: Mutex::default(),
        }
    }

    /// Makes the session independent of what the server has for defaults.
    pub(super) async fn prepare_for(&self, schema: &str) -> Result<(), Trouble> {
        self.batch(&format!("SET search_path TO {}", quoted(schema)))
            .await?;
        let told = self.client.simple_query("SHOW synchronous_commit").await?;
        let waits = told.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        // "remote_apply" waits for more than "on"; everything else for less.
        if !matches!(waits.as_deref(), Some("on" | "remote_apply")) {
            self.batch("SET synchronous_commit = on").await?;
        }
        for setting in TUNING {
            match self.batch(setting).await {
                Err(Trouble::Lost(cause)) => return Err(Trouble::Lost(cause)),
                Err(other) => {
                    tracing::debug!(?other, setting, "a setting that the server does not know");
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Whether it can be asked no more.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Prepares a statement, the first time; the next times it is there.
    pub(super) async fn statement(&self, text: &str) -> Result<Statement, Trouble> {
        let known = self.statements.lock().get(text).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = within(self.client.prepare(text)).await?;
        self.statements
            .lock()
            .insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows of a statement.
    pub(super) async fn rows(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        within(self.client.query(statement, parameters)).await
    }

    /// The number of rows that a statement has changed.
    pub(super) async fn execute(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Trouble> {
        within(self.client.execute(statement, parameters)).await
    }

    /// Statements without parameters.
    pub(super) async fn batch(&self, statements: &str) -> Result<(), Trouble> {
        within(self.client.batch_execute(statements)).await
    }
}

impl Drop for Session {
    /// Left alone the other half would wait for answers that may never come, and keep the server's session for as long.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn within<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(outcome) => outcome.map_err(Trouble::from),
        Err(_) => Err(Trouble::silent()),
    }
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
