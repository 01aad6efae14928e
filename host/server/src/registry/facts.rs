//! What an app's connector is and may, in the end: for `tombolo app show`, `/readyz` and the status file. No secret is
//! in it, and no setting: the operator has both in the app's file.

use serde::{Deserialize, Serialize};
use tombolo_runtime::{Connector, Granted, Manifest, Reuse};

use crate::config::trust::Signed;

/// One connector, bound.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// Its name in the app's file.
    pub connector: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Whose signature it has; none when no key is trusted, or none is needed.
    pub signed: Option<Signed>,
    /// What it says of itself and wants, but for the schema of its settings.
    pub manifest: Manifest,
    /// The interfaces of the contract that it exports.
    pub abilities: Vec<String>,
    /// Whether its instances are kept: `fresh` or `warm`.
    pub instances: String,
    /// What it may reach and use.
    pub granted: Granted,
}

impl Facts {
    /// Of a connector under the name that the app's file has for it.
    pub fn of(name: &str, connector: &Connector, signed: Option<Signed>) -> Self {
        let component = connector.component();
        let mut manifest = component.manifest().clone();
        manifest.settings = None;
        Self {
            connector: name.to_owned(),
            sha256: component.digest().to_string(),
            signed,
            manifest,
            abilities: connector.abilities().names().map(str::to_owned).collect(),
            instances: match connector.cost().reuse {
                Reuse::Fresh => "fresh",
                Reuse::Auto | Reuse::Warm => "warm",
            }
            .to_owned(),
            granted: connector.granted().clone(),
        }
    }
}
