//! What the store holds of one object: the mirror, as an administrator may look at it.
//!
//! Nothing is asked of the target and nothing changes. A password is never kept, so none can be shown.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tombolo_scim::resource::Resource;
use tombolo_store::Range;

use crate::app::App;
use crate::death;
use crate::error::Error;
use crate::held::Held;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::record::Intent;

/// One object, as it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Inspected {
    /// The resource type.
    pub kind: String,
    /// Its SCIM id.
    pub id: String,
    /// The target's key of it; none while its create is unfinished.
    pub anchor: Option<String>,
    /// How often it was changed.
    pub version: Option<u64>,
    /// When it was linked.
    pub created: Option<Timestamp>,
    /// When it was changed last.
    pub modified: Option<Timestamp>,
    /// So long ago the target said that it is so; none: not since this host was started.
    pub confirmed_seconds: Option<u64>,
    /// Its attributes.
    pub resource: Option<Value>,
    /// The ids of its members.
    pub members: Vec<String>,
    /// A write whose outcome is not known.
    pub unfinished: Option<Unfinished>,
    /// What the breaker holds.
    pub held: Option<Held>,
}

/// A write that has begun.
#[derive(Clone, Debug, Serialize)]
pub struct Unfinished {
    /// `create`, `update`, `delete`, `members`.
    pub write: &'static str,
    /// When.
    pub begun: Timestamp,
    /// By which host, where there are several.
    pub host: Option<String>,
    /// For which request.
    pub request: String,
}

impl From<Intent> for Unfinished {
    fn from(intent: Intent) -> Self {
        Self {
            write: death::of_step(&intent.step),
            begun: intent.begun,
            host: intent.host,
            request: intent.by.request,
        }
    }
}

impl App {
    /// The objects that are meant by an SCIM id, an anchor, or a unique value such as a user name.
    ///
    /// # Errors
    /// The store fails.
    pub async fn inspect(&self, wanted: &str) -> Result<Vec<Inspected>, Error> {
        let mut found = Vec::new();
        for kind in &self.kinds {
            let mut ids = vec![wanted.to_owned()];
            ids.extend(self.linked(kind, wanted).await?);
            ids.extend(self.holders(kind, wanted).await?);
            ids.sort();
            ids.dedup();
            for id in ids {
                found.extend(self.inspect_one(kind, id).await?);
            }
        }
        Ok(found)
    }

    /// Who has a unique value.
    async fn holders(&self, kind: &Kind, value: &str) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        for index in kind.indexed.iter().filter(|index| index.unique) {
            let mut asked = Resource::default();
            asked
                .as_map_mut()
                .insert(index.path.attribute.clone(), value.into());
            for value in index.values(&asked) {
                let claim = self.keys.unique(&kind.ty().name, &index.label, &value);
                let holder = self.store.get(&claim).await?;
                ids.extend(holder.map(|id| String::from_utf8_lossy(&id).into_owned()));
            }
        }
        Ok(ids)
    }

    async fn inspect_one(&self, kind: &Kind, id: String) -> Result<Option<Inspected>, Error> {
        let stored = self.load(kind, &id).await?;
        let intent = self.open_intent(&id).await?;
        let unfinished = intent.filter(|intent| intent.kind == kind.name);
        if stored.is_none() && unfinished.is_none() {
            return Ok(None);
        }
        let members = self
            .store
            .scan(Range::prefix(self.keys.members(&id)))
            .await?;
        let record = stored.map(|stored| stored.record);
        Ok(Some(Inspected {
            kind: kind.ty().name.clone(),
            anchor: record.as_ref().map(|record| record.anchor.clone()),
            version: record.as_ref().map(|record| record.version),
            created: record.as_ref().map(|record| record.created),
            modified: record.as_ref().map(|record| record.modified),
            confirmed_seconds: self.shared.age(&id).map(|age| age.as_secs()),
            resource: record.map(|record| Value::Object(record.resource.as_map().clone())),
            members: members.iter().map(|(key, _)| id_of(key)).collect(),
            unfinished: unfinished.map(Unfinished::from),
            held: self.held(&id).await?,
            id,
        }))
    }
}
