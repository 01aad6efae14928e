//! Which revision of its connector an app gets: the file as it is, or the one that has proved itself.
//!
//! 1. A file that was taken back in this app is not tried again.
//! 2. A generation is built of it: load, grants, settings, trial, mapping.
//! 3. If another revision is in use, or was before a restart, the new one has to reach the target if that one does.
//! 4. It is served, on probation; the other one stays at hand.
//!
//! Where 1, 2 or 3 end in a refusal, the app's file is held against the revision that is in use or has proved itself. So
//! a bad connector's file neither keeps a new token from being valid nor a restarted host from serving.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tombolo_runtime::contract::Fault;
use tombolo_runtime::{Call, CallError, Connector};
use tracing::{info, warn};

use super::Generation;
use super::build::Builder;
use super::explain::{Revisions, build_error, rejection, short};
use super::kept::File;
use super::probation::Probation;
use crate::config::Diagnostic;
use crate::config::app::AppFile;
use crate::config::material::{Code, Material};
use crate::config::upgrade::Upgrade;

/// What a `check` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// When a revision that did not reach the target is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// What came of it.
pub(super) struct Choice {
    pub(super) outcome: Result<Arc<Generation>, Diagnostic>,
    /// Why the outcome is not of the file as it is.
    pub(super) refused: Option<Diagnostic>,
    /// When to try the file again.
    pub(super) again: Option<Instant>,
}

/// Why a revision is not taken over.
enum Refusal {
    /// Until a file changes.
    Unfit(Diagnostic),
    /// For now: it does not reach the target, which may pass.
    Unreachable(Diagnostic),
}

impl Builder {
    /// See the module. `problem` is what is wrong with the connector's file before anything of it was parsed.
    pub(super) async fn choose(
        &self,
        file: &AppFile,
        material: Material,
        problem: Option<Diagnostic>,
        running: Option<&Arc<Generation>>,
    ) -> Choice {
        let upgrade = file.upgrade.over(self.policy.upgrade);
        let problem = problem.or_else(|| rejection(file, &material, &self.policy.kept, upgrade));
        let tried = match problem {
            Some(problem) => Err(Refusal::Unfit(problem)),
            None => self.candidate(file, &material, running, upgrade).await,
        };
        let (refused, again) = match tried {
            Ok(generation) => {
                return Choice {
                    outcome: Ok(generation),
                    refused: None,
                    again: None,
                };
            }
            Err(Refusal::Unfit(problem)) => (problem, None),
            Err(Refusal::Unreachable(problem)) => (problem, Some(Instant::now() + AGAIN)),
        };
        match self.other(file, material, running, upgrade).await {
            Some(generation) => Choice {
                outcome: Ok(generation),
                refused: Some(refused),
                again,
            },
            None => Choice {
                outcome: Err(refused),
                refused: None,
                again,
            },
        }
    }

    /// A generation of exactly this material, on probation if another revision has proved itself.
    async fn candidate(
        &self,
        file: &AppFile,
        material: &Material,
        running: Option<&Arc<Generation>>,
        upgrade: Upgrade,
    ) -> Result<Arc<Generation>, Refusal> {
        let fingerprint = material.fingerprint();
        if let Some(running) = running.filter(|running| running.fingerprint == fingerprint) {
            return Ok(Arc::clone(running));
        }
        let digest = material.connector.hex();
        let previous = self
            .previous(file, material, running)
            .await
            .filter(|previous| previous.digest != digest);
        let in_use = previous.as_ref().map(|previous| Revisions {
            new: short(&digest).to_owned(),
            old: short(&previous.digest).to_owned(),
        });
        let mut generation = self
            .build(file, material.clone())
            .await
            .map_err(|why| Refusal::Unfit(build_error(file, &why, in_use.as_ref())))?;
        let is_new = running.is_none_or(|running| running.digest != digest);
        if let Some(previous) = previous {
            if upgrade.check && is_new {
                let (new, old) = (generation.app.connector(), previous.app.connector());
                gate(file, &digest, new, old).await?;
            }
            generation.probation = upgrade
                .rollback
                .then(|| Probation::begin(previous, upgrade));
        }
        self.policy.kept.keep(
            &digest,
            &File {
                bytes: material.connector.bytes.clone(),
                signature: material.connector.signature.clone(),
            },
        );
        if is_new {
            info!(app = file.name, connector = file.connector.value, revision = short(&digest), granted = %generation.app.connector().granted(), "what the connector may reach");
        }
        Ok(Arc::new(generation))
    }

    /// The revision to return to: what is in use and has proved itself, or what had before a restart.
    async fn previous(
        &self,
        file: &AppFile,
        material: &Material,
        running: Option<&Arc<Generation>>,
    ) -> Option<Arc<Generation>> {
        let connector = &file.connector.value;
        let Some(running) = running else {
            let digest = self.policy.kept.proved(&file.name, connector)?;
            if digest == material.connector.hex() {
                return None;
            }
            let material = self.with_kept(file, material.clone(), &digest)?;
            return self.build(file, material).await.ok().map(Arc::new);
        };
        if running.connector != *connector {
            return None;
        }
        match &running.probation {
            Some(probation) => probation.previous().or_else(|| Some(Arc::clone(running))),
            None => Some(Arc::clone(running)),
        }
    }

    /// A generation of the app's file and another revision than the connector's file is.
    async fn other(
        &self,
        file: &AppFile,
        material: Material,
        running: Option<&Arc<Generation>>,
        upgrade: Upgrade,
    ) -> Option<Arc<Generation>> {
        let connector = &file.connector.value;
        let digest = match running {
            Some(running) if running.connector == *connector => running.digest.clone(),
            Some(_) => return None,
            None => self.policy.kept.proved(&file.name, connector)?,
        };
        if digest == material.connector.hex() {
            return None;
        }
        let material = self.with_kept(file, material, &digest)?;
        // What is wrong with this one too is not what the operator has to hear of.
        self.candidate(file, &material, running, upgrade).await.ok()
    }

    /// The material with a kept revision's file for the connector's, if that one may be used.
    fn with_kept(&self, file: &AppFile, mut material: Material, digest: &str) -> Option<Material> {
        let kept = self.policy.kept.file(digest)?;
        let name = format!("revision {}", short(digest));
        let trust = &self.policy.trust;
        material.connector = Code::judge(trust, file, &name, kept.bytes, kept.signature)
            .inspect_err(|why| {
                warn!(
                    app = file.name,
                    "not used in place of the connector's file: {}",
                    why.line()
                );
            })
            .ok()?;
        Some(material)
    }
}

/// A new revision has to reach the target if the old one does. If neither does, it is the target that is down.
async fn gate(
    file: &AppFile,
    digest: &str,
    new: &Connector,
    old: &Connector,
) -> Result<(), Refusal> {
    let Err(why) = check(new).await else {
        return Ok(());
    };
    let connector = &file.connector.value;
    let revision = short(digest);
    if !why.blames_connector() && check(old).await.is_err() {
        warn!(app = file.name, connector, revision, %why, "the target is not reached, neither by the new revision nor by the old one: taken over all the same");
        return Ok(());
    }
    let message = format!(
        "`{}` (revision {revision}) fails its check, and the revision in use does not: {why}",
        file.shown_connector()
    );
    let found = Diagnostic::error(&file.source, file.connector.span.clone(), message).hint(
        "it is tried again every minute; to take it over all the same, set `check = false` under `[upgrade]`",
    );
    Err(Refusal::Unreachable(found))
}

async fn check(connector: &Connector) -> Result<(), CallError> {
    let call = Call {
        request_id: format!("check-{}", uuid::Uuid::now_v7()),
        deadline: Instant::now() + PATIENCE,
    };
    match connector.check(&call).await {
        // It has no way to tell.
        Err(CallError::Failure(failure)) if failure.fault == Fault::Unsupported => Ok(()),
        other => other,
    }
}
