//! What hosts tell each other through the database, beside its tables: `LISTEN` and `NOTIFY`, on a session of their own.
//!
//! Nothing rests on it. What is told while the session is away is lost, and a database that knows no `LISTEN` loses
//! everything; whoever is told something looks into the tables, and looks there without being told as well, later. It is
//! sent after the commit that it tells of and not as a part of it: a transaction that notifies waits for every other one
//! that does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::reach::Reach;
use super::session::Session;
use super::trouble::Trouble;

/// So much may wait to be told, and to be heard; what is more is lost.
const WAITING: usize = 256;
/// The wait before the next connection; doubled up to the second.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

const LISTEN: &str = "LISTEN tombolo";
const NOTIFY: &str = "SELECT pg_notify('tombolo', $1)";

/// See the module. The session ends when this is dropped.
pub(super) struct News {
    own: mpsc::Sender<String>,
    others: broadcast::Sender<Arc<str>>,
}

impl News {
    pub(super) fn start(reach: &Arc<Reach>) -> Self {
        let (own, orders) = mpsc::channel(WAITING);
        let (others, _) = broadcast::channel(WAITING);
        let wire = Wire {
            reach: Arc::clone(reach),
            // Stores of one database share its channels, and who tells something hears it too.
            sender: format!("{} {} ", reach.schema(), Uuid::new_v4()),
            others: others.clone(),
        };
        tokio::spawn(wire.run(orders));
        Self { own, others }
    }

    /// Tells the others; one line.
    pub(super) fn tell(&self, news: String) {
        if self.own.try_send(news).is_err() {
            tracing::debug!("the other hosts are not told of something; they find it out later");
        }
    }

    pub(super) fn hear(&self) -> broadcast::Receiver<Arc<str>> {
        self.others.subscribe()
    }
}

struct Wire {
    reach: Arc<Reach>,
    /// What this store's own words begin with.
    sender: String,
    others: broadcast::Sender<Arc<str>>,
}

impl Wire {
    async fn run(self, mut orders: mpsc::Receiver<String>) {
        let mut wait = WAITS.0;
        loop {
            let (ear, mut heard) = mpsc::unbounded_channel();
            match self.connect(ear).await {
                Ok(session) => {
                    wait = WAITS.0;
                    match self.carry(&session, &mut orders, &mut heard).await {
                        Ok(()) => return,
                        Err(trouble) => {
                            tracing::debug!(?trouble, "hosts do not hear each other for a while");
                        }
                    }
                }
                Err(trouble) => {
                    tracing::debug!(?trouble, "hosts do not hear each other");
                }
            }
            if orders.is_closed() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }

    async fn connect(&self, ear: mpsc::UnboundedSender<String>) -> Result<Session, Trouble> {
        let session = self.reach.listener(ear).await?;
        session.batch(LISTEN).await?;
        Ok(session)
    }

    /// Until the store is dropped, or the session is lost.
    async fn carry(
        &self,
        session: &Session,
        orders: &mut mpsc::Receiver<String>,
        heard: &mut mpsc::UnboundedReceiver<String>,
    ) -> Result<(), Trouble> {
        let notify = session.statement(NOTIFY).await?;
        loop {
            tokio::select! {
                order = orders.recv() => {
                    let Some(news) = order else { return Ok(()) };
                    let text = format!("{}{news}", self.sender);
                    let told: &(dyn ToSql + Sync) = &text;
                    session.rows(&notify, &[told]).await?;
                }
                word = heard.recv() => {
                    let Some(word) = word else {
                        return Err(Trouble::Lost("the session ended".into()));
                    };
                    if let Some(news) = self.of_another(&word) {
                        // Nobody may be listening yet.
                        let _ = self.others.send(news.into());
                    }
                }
            }
        }
    }

    /// What another host of the same store says.
    fn of_another<'a>(&self, word: &'a str) -> Option<&'a str> {
        if word.starts_with(&self.sender) {
            return None;
        }
        let rest = word.strip_prefix(self.reach.schema())?.strip_prefix(' ')?;
        Some(rest.split_once(' ')?.1)
    }
}
