//! The links that a conversion needs, looked up before it: the mapping itself
//! asks nobody.

use tombolo_mapping::{Object, Reference, References};
use tombolo_scim::filter::Filter;
use tombolo_scim::resource::Resource;

use crate::app::App;
use crate::error::Error;
use crate::kind::Kind;

impl App {
    /// The anchors of the resources that `resource` refers to. One that the host
    /// does not know is left out: the conversion names it.
    pub(crate) async fn references_of_resource(
        &self,
        kind: &Kind,
        resource: &Resource,
    ) -> Result<References, Error> {
        self.links_of(kind.mapping.reference_ids(resource)).await
    }

    /// The anchors of the resources that a filter compares with.
    pub(crate) async fn references_of_filter(
        &self,
        kind: &Kind,
        filter: &Filter,
    ) -> Result<References, Error> {
        self.links_of(kind.mapping.filter_references(filter)).await
    }

    async fn links_of(&self, ids: Vec<Reference>) -> Result<References, Error> {
        let mut references = References::new();
        for reference in ids {
            let Some(other) = self.kinds.iter().find(|k| k.name == reference.kind) else {
                continue;
            };
            if let Some(anchor) = self.anchor_of(other, &reference.value).await? {
                references.link(&reference.kind, &reference.value, &anchor);
            }
        }
        Ok(references)
    }

    /// The ids of the objects that `object` refers to, as far as they are linked.
    pub(crate) async fn references_of_object(
        &self,
        kind: &Kind,
        object: &Object,
    ) -> Result<References, Error> {
        let mut references = References::new();
        for reference in kind.mapping.reference_anchors(object) {
            let Some(other) = self.kinds.iter().find(|k| k.name == reference.kind) else {
                continue;
            };
            if let Some(id) = self.linked(other, &reference.value).await? {
                references.link(&reference.kind, &id, &reference.value);
            }
        }
        Ok(references)
    }
}
