//! The tables, and their version.
//!
//! | table | holds |
//! |---|---|
//! | `pair` | the keys and values; `bytea` is compared byte by byte, whatever the database's collation |
//! | `settled` | one row a writer: the number of its last transaction, or that the number was given up ([`super::writer`]) |
//! | `layout` | one row: the version of these tables |

use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::reach::Reach;
use super::session::{Session, quoted};
use super::trouble::Trouble;
use crate::StoreError;

/// The version of the tables that this program makes and knows.
const VERSION: i32 = 1;
/// Two hosts that start at once may stumble over each other's tables.
const TRIES: u32 = 5;

const TABLES: &str = "CREATE TABLE IF NOT EXISTS pair (key bytea PRIMARY KEY, value bytea NOT NULL); \
     CREATE TABLE IF NOT EXISTS settled (writer bytea NOT NULL, number bigint NOT NULL, void boolean NOT NULL, \
     at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (writer, number)); \
     CREATE TABLE IF NOT EXISTS layout (one boolean PRIMARY KEY, version integer NOT NULL)";
const SET_VERSION: &str =
    "INSERT INTO layout (one, version) VALUES (true, $1) ON CONFLICT (one) DO NOTHING";
const GET_VERSION: &str = "SELECT version FROM layout";
/// Marks of writers that are long gone. No connection outlives its last word by a day.
const FORGET: &str = "DELETE FROM settled WHERE at < now() - interval '1 day'";

/// Makes what is not there; refuses what is newer.
pub(super) async fn prepare(reach: &Reach) -> Result<(), StoreError> {
    let session = reach.session().await.map_err(|why| why.unwritten())?;
    let mut tries = 0;
    let found = loop {
        tries += 1;
        match version(&session, reach.schema()).await {
            Ok(version) => break version,
            Err(Trouble::Refused(_) | Trouble::Again(_)) if tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(100) * tries).await;
            }
            Err(why) => return Err(why.unwritten()),
        }
    };
    known(found)?;
    warn_of_settings(&session).await;
    let forget = session.batch(FORGET).await;
    forget.map_err(|why| why.unwritten())
}

/// Whether the database can be used: it answers, lets us in, and what is in it is not newer. Makes nothing.
pub(super) async fn check(reach: &Reach) -> Result<(), StoreError> {
    let session = reach.session().await.map_err(|why| why.unwritten())?;
    match stored(&session).await {
        Ok(found) => known(found),
        Err(lost @ Trouble::Lost(_)) => Err(lost.unwritten()),
        // Not there yet.
        Err(_) => Ok(()),
    }
}

fn known(found: i32) -> Result<(), StoreError> {
    if found <= VERSION {
        return Ok(());
    }
    Err(StoreError::Newer {
        found: u64::from(found.unsigned_abs()),
        known: u64::from(VERSION.unsigned_abs()),
    })
}

async fn version(session: &Session, schema: &str) -> Result<i32, Trouble> {
    // Looked for first: an account that may not make schemas can use one that was made for it.
    if let Ok(found) = stored(session).await {
        return Ok(found);
    }
    match session
        .batch(&format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema)))
        .await
    {
        Err(Trouble::Lost(cause)) => return Err(Trouble::Lost(cause)),
        // It may be there, and ours to use; the tables tell.
        other => other
            .err()
            .inspect(|why| tracing::debug!(?why, "no schema was made")),
    };
    session.batch(TABLES).await?;
    let statement = session.statement(SET_VERSION).await?;
    let version: &(dyn ToSql + Sync) = &VERSION;
    session.execute(&statement, &[version]).await?;
    stored(session).await
}

async fn stored(session: &Session) -> Result<i32, Trouble> {
    let statement = session.statement(GET_VERSION).await?;
    let rows = session.rows(&statement, &[]).await?;
    match rows.first() {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(Trouble::Refused("the table `layout` is empty".into())),
    }
}

/// Settings of the server with which "committed" does not mean "on the disk".
async fn warn_of_settings(session: &Session) {
    for setting in ["fsync", "full_page_writes"] {
        let Ok(statement) = session.statement(&format!("SHOW {setting}")).await else {
            continue;
        };
        let rows = session.rows(&statement, &[]).await.unwrap_or_default();
        let value = rows
            .first()
            .and_then(|row| row.try_get::<_, String>(0).ok());
        if value.as_deref() == Some("off") {
            tracing::warn!(
                setting,
                "the database's server has this setting off: a commit may not survive the loss of its power"
            );
        }
    }
}
