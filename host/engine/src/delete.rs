//! DELETE: the object leaves the target, then the link and the mirror.

use std::sync::Arc;

use tombolo_runtime::contract::Fault;
use tombolo_store::Commit;

use crate::app::App;
use crate::audit::Action;
use crate::error::Error;
use crate::held::Verdict;
use crate::kind::Kind;
use crate::policy::{Deletes, Mode};
use crate::record::Step;
use crate::request::Request;
use crate::update::{is_active, matches_version};

impl App {
    pub(crate) async fn delete_inner(
        self: &Arc<Self>,
        r: &Request,
        ty: &str,
        id: &str,
        if_match: Option<u64>,
    ) -> Result<(), Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        let _held = self.shared.locks.lock(id).await;
        let stored = self.load_settled(kind, id, &r.call()).await?;
        matches_version(&stored, if_match)?;
        self.can_delete(kind, id)?;
        if stored.record.outside {
            return self.delete_outside(r, kind, id, &stored).await;
        }
        match self.deletes(r, kind) {
            Deletes::Hard => {}
            Deletes::Soft => return self.disable(r, kind, id, stored).await,
            Deletes::After(grace) => {
                self.disable(r, kind, id, stored).await?;
                // What the breaker holds is not deleted by the mere passing of time.
                let now = self.load(kind, id).await?;
                if now.is_some_and(|now| !is_active(&now.record.resource)) {
                    self.postpone(r, kind, id, grace).await?;
                }
                return Ok(());
            }
        }
        if self.policy.breaker.is_some() && !r.is_released() {
            let held = self.held(id).await?;
            if held.is_some_and(|held| held.action == Action::Delete) {
                return Ok(());
            }
            if let Verdict::Hold = self.admit(kind, id).await? {
                return self.hold(r, kind, id, &stored, Action::Delete).await;
            }
        }
        let anchor = stored.record.anchor.clone();
        let mut intent = Self::intent(
            r,
            kind,
            Step::Delete {
                anchor: anchor.clone(),
            },
        );
        intent.counts = self.policy.breaker.is_some();
        let unchanged = Commit::new().equals(self.keys.record(ty, id), stored.bytes.clone());
        self.begin(id, &intent, unchanged).await?;
        let deleted = self
            .write(
                r,
                "delete",
                self.connector
                    .delete(&r.call(), &kind.name, &anchor, &intent.request),
            )
            .await;
        match deleted {
            Ok(()) => {}
            // Somebody was quicker; what was asked for is so.
            Err(error) if error.fault() == Some(Fault::NotFound) => {}
            Err(error) => return Err(self.failed(kind, id, &intent.step, error).await),
        }
        self.unlink(kind, id, &stored, &r.told(Action::Delete))
            .await
    }

    /// What a DELETE does: where an account cannot be disabled, it deletes. An administrator who takes a create back
    /// means it.
    pub(crate) fn deletes(&self, r: &Request, kind: &Kind) -> Deletes {
        if kind.ty().name == "User"
            && kind.mapping.maps_active()
            && !r.is_undoing()
            && !r.falls_due()
        {
            self.policy.delete
        } else {
            Deletes::Hard
        }
    }

    pub(crate) fn can_delete(&self, kind: &Kind, id: &str) -> Result<(), Error> {
        if self.policy.mode == Mode::NoDelete {
            return Err(Error::Policy(format!(
                "app `{}` deletes nothing, so the {} `{id}` stays: its file says `[policy] mode = \"no-delete\"`",
                self.name,
                kind.ty().name
            )));
        }
        Ok(())
    }
}
