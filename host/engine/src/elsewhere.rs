//! What other hosts may have done between asking the target and writing its answer down.
//!
//! Within a host, the moments of its own writes ([`crate::shared`]) tell whether an answer of the target is older than a
//! write. Between hosts no clock is compared. Instead, what an answer is to change is read before the target is asked, and
//! written only if it is still what was read; and of what was deleted a note is left, so that an old listing does not bring
//! it back. Where a host is alone none of this costs anything.

use std::time::Instant;

use tombolo_runtime::Call;
use tombolo_runtime::contract::Fault;
use tombolo_store::Commit;

use crate::app::App;
use crate::convert;
use crate::error::Error;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::stand_in::Veil;

/// What asking for one object may take.
const ASK: std::time::Duration = std::time::Duration::from_secs(20);

impl App {
    /// A listing says that `id` has changed: the target is asked for it alone, after its record was read.
    pub(crate) async fn refresh_alone(
        &self,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<(String, Stored), Error> {
        let Some(stored) = self.load(kind, id).await? else {
            return Ok((id.to_owned(), stored));
        };
        let asked = Instant::now();
        if self.open_intent(id).await?.is_some() {
            return Ok((id.to_owned(), stored));
        }
        let entry = self
            .connector
            .get(&alone(id), &kind.name, &stored.record.anchor, &[])
            .await
            .map_err(|error| self.target(error))?;
        let object = Veil::of(&stored.record).over(convert::object(&entry));
        let references = self.references_of_object(kind, &object).await?;
        let mut resource = stored.record.resource.clone();
        kind.mapping.overlay(&mut resource, &object, &references);
        if resource == stored.record.resource {
            self.shared.confirm_at(id, asked);
            return Ok((id.to_owned(), stored));
        }
        let mut record = stored.record.next(stored.record.anchor.clone(), resource);
        let drift = self
            .note_drift(
                kind,
                id,
                &stored.record,
                &mut record,
                &object,
                Commit::new(),
            )
            .await?;
        let (commit, stored) = self
            .put_record(kind, id, Some(&stored), &record, drift)
            .await?;
        self.store.commit(commit).await?;
        self.shared.confirm_at(id, asked);
        Ok((id.to_owned(), stored))
    }

    /// Notes that the object of this anchor is gone.
    pub(crate) fn bury(&self, ty: &str, anchor: &str, commit: Commit) -> Commit {
        if self.hosts.many() {
            commit.put(self.keys.deleted(ty, anchor), "")
        } else {
            commit
        }
    }

    /// Takes such a note back: somebody knows of an object with this anchor.
    pub(crate) async fn unbury(
        &self,
        ty: &str,
        anchor: &str,
        commit: Commit,
    ) -> Result<Commit, Error> {
        if !self.hosts.many() {
            return Ok(commit);
        }
        let note = self.keys.deleted(ty, anchor);
        match self.store.get(&note).await? {
            Some(_) => Ok(commit.delete(note)),
            None => Ok(commit),
        }
    }

    /// Begins the commit that links an object of a listing. One that was deleted is asked for alone: the listing may be
    /// older than that.
    pub(crate) async fn still_there(&self, kind: &Kind, anchor: &str) -> Result<Commit, Error> {
        if !self.hosts.many() {
            return Ok(Commit::new());
        }
        let note = self.keys.deleted(&kind.ty().name, anchor);
        let Some(buried) = self.store.get(&note).await? else {
            return Ok(Commit::new().absent(note));
        };
        self.connector
            .get(&alone(anchor), &kind.name, anchor, &[])
            .await
            .map_err(|error| self.target(error))?;
        Ok(Commit::new().equals(note, buried))
    }

    /// Whether an error says that an object of a listing is not there any more.
    pub(crate) fn has_gone_since(&self, error: &Error) -> bool {
        self.hosts.many() && error.fault() == Some(Fault::NotFound)
    }
}

/// A call of the host's own.
fn alone(what: &str) -> Call {
    Call {
        request_id: format!("refresh-{what}"),
        deadline: tokio::time::Instant::now() + ASK,
    }
}
