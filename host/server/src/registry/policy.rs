//! What holds for the connectors of every app.

use std::sync::Arc;

use super::kept::Kept;
use super::pull::Puller;
use crate::config::app::AppFile;
use crate::config::material::{Code, Material};
use crate::config::origin::Origin;
use crate::config::secret::Providers;
use crate::config::trust::Trust;
use crate::config::upgrade::Upgrade;
use crate::config::{Diagnostic, HostFile, Layout};

/// What `tombolo.toml` says of connectors, and what the host remembers of them.
#[derive(Debug)]
pub struct Policy {
    /// Whose are let in.
    pub trust: Trust,
    /// How new revisions are taken over, where an app's file does not say it.
    pub upgrade: Upgrade,
    /// The revisions that have proved themselves.
    pub kept: Kept,
    /// Who has secrets.
    pub secrets: Arc<Providers>,
    /// Connectors out of registries.
    puller: Puller,
}

impl Policy {
    /// As the host's file has it.
    pub fn new(layout: &Layout, host: &HostFile) -> Self {
        let secrets = Arc::new(Providers::new(layout, &host.secret_providers));
        Self {
            trust: Trust::new(&host.connectors, layout.dir()),
            upgrade: host.upgrade,
            kept: Kept::new(&layout.dir().join(&host.store)),
            puller: Puller::new(layout, host, Arc::clone(&secrets)),
            secrets,
        }
    }

    /// Fetches the connector of an app that has it from a registry, and judges it like any file.
    pub(super) async fn fetch(
        &self,
        file: &AppFile,
        material: &mut Material,
    ) -> Result<(), Diagnostic> {
        let Origin::Registry(reference) = &file.origin else {
            return Ok(());
        };
        let shown = file.shown_connector();
        let pulled = self.puller.fetch(reference).await.map_err(|why| {
            let message = format!("`{shown}`: {why}");
            let found = Diagnostic::error(&file.source, file.connector.span.clone(), message);
            found.hint(why.hint())
        })?;
        material.connector =
            Code::judge(&self.trust, file, &shown, pulled.bytes, pulled.signature)?;
        Ok(())
    }
}
