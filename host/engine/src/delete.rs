//! DELETE: the object leaves the target, then the link and the mirror.

use std::sync::Arc;

use tombolo_runtime::contract::Fault;
use tombolo_store::Commit;

use crate::app::{App, Request};
use crate::error::Error;
use crate::record::Step;
use crate::update::matches_version;

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
        let _held = self.shared.locks.lock(id).await;
        let stored = self.load_settled(kind, id, &r.call()).await?;
        matches_version(&stored, if_match)?;
        let anchor = stored.record.anchor.clone();
        let intent = Self::intent(
            kind,
            Step::Delete {
                anchor: anchor.clone(),
            },
        );
        let unchanged = Commit::new().equals(self.keys.record(ty, id), stored.bytes.clone());
        self.begin(id, &intent, unchanged).await?;
        let deleted = self
            .write(
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
        self.unlink(kind, id, &stored).await
    }
}
