//! What the connector says about itself under these settings.

use tombolo_sdk::schema::{Description, Kind as Described};

use crate::model::{Kind, Model};

/// The whole document.
pub fn description(model: &Model) -> Description {
    let description = Description::new("sql", env!("CARGO_PKG_VERSION"));
    model
        .kinds
        .iter()
        .map(kind)
        .fold(description, Description::kind)
}

/// One kind.
pub fn kind(kind: &Kind) -> Described {
    let (resource, endpoint, schema) = &kind.resource;
    let mut described = Described::resource(&kind.name, resource, "", "");
    described.endpoint.clone_from(endpoint);
    described.schema.clone_from(schema);
    described.members = kind
        .members
        .iter()
        .map(|membership| membership.member.to.clone())
        .collect();
    for attribute in &kind.attributes {
        described = described.field(attribute.field.clone());
    }
    described
}
