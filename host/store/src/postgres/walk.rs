//! Everything that is in the store at one moment, while others go on writing.

use super::reach::Reach;
use super::session::Session;
use super::trouble::Trouble;
use crate::walk::PAGE;
use crate::{Pair, StoreError, Walk};

const FIRST: &str = "SELECT key, value FROM pair ORDER BY key LIMIT $1";
const NEXT: &str = "SELECT key, value FROM pair WHERE key > $2 ORDER BY key LIMIT $1";

/// A transaction that sees one state of the database. It ends with its session, when this is dropped.
pub(super) struct Pages {
    session: Session,
    after: Option<Vec<u8>>,
}

impl Pages {
    pub(super) async fn begin(reach: &Reach) -> Result<Self, StoreError> {
        let begun = async {
            let session = reach.session().await?;
            // A page may be long in being written down, and this one holds no locks that others wait for.
            let patient = session
                .batch("SET idle_in_transaction_session_timeout = 0")
                .await;
            if let Err(lost @ Trouble::Lost(_)) = patient {
                return Err(lost);
            }
            session
                .batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?;
            Ok(session)
        };
        let session = begun.await.map_err(|why: Trouble| why.unwritten())?;
        Ok(Self {
            session,
            after: None,
        })
    }

    async fn page(&self) -> Result<Vec<Pair>, Trouble> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let rows = match &self.after {
            None => {
                let statement = self.session.statement(FIRST).await?;
                self.session.rows(&statement, &[&limit]).await?
            }
            Some(key) => {
                let statement = self.session.statement(NEXT).await?;
                self.session.rows(&statement, &[&limit, key]).await?
            }
        };
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }
}

#[async_trait::async_trait]
impl Walk for Pages {
    async fn next(&mut self) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.page().await.map_err(|why| why.unwritten())?;
        if let Some((key, _)) = pairs.last() {
            self.after = Some(key.clone());
        }
        Ok(pairs)
    }
}
