//! Another app of this host as a sink: through the engine's own writes, so that its mapping, journal, breaker, policies and
//! audit hold for a flow as for any client.
//!
//! Who is there already is found by the app's matching rules, and linked by the id that the app knows him by. A record is
//! laid over what is there, so what the flow does not name stays, and what is so already costs the target nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tombolo_scim::filter::Filter;
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::path::{self, Path};
use tombolo_scim::resource::{Document, Resource};
use tombolo_scim::schema::ResourceType;

use super::definition::Leave;
use super::form::Record;
use super::sink::{Delivery, Receipt, Shape, Sink, SinkError};
use super::source::Apps;
use crate::app::App;
use crate::audit::{Action, By};
use crate::error::Error;
use crate::kind::Kind;
use crate::request::Request;

/// Deliveries at once.
const TOGETHER: usize = 16;
/// Deliveries a batch: whoever leaves waits for one batch at most.
const BATCH: usize = 64;
/// What one delivery may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// When to ask again for an app that is not served.
const AWAY: Duration = Duration::from_secs(5);
/// By what people are found where the app's mapping names nothing. Two people may have one display name.
const PEOPLE: [&str; 2] = ["externalId", "userName"];
/// And groups, and whatever has no user name.
const OTHERS: [&str; 2] = ["externalId", "displayName"];

/// See the module.
pub struct AppSink {
    apps: Arc<dyn Apps>,
    app: String,
    kind: String,
    flow: String,
}

/// Why a delivery came to nothing.
enum Failed {
    Engine(Error),
    Refused(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<tombolo_scim::error::Error> for Failed {
    fn from(error: tombolo_scim::error::Error) -> Self {
        Self::Refused(error.detail)
    }
}

impl AppSink {
    /// The objects of this kind of an app; `flow` is whose doing its writes are.
    pub fn new(apps: Arc<dyn Apps>, app: &str, kind: &str, flow: &str) -> Self {
        Self {
            apps,
            app: app.to_owned(),
            kind: kind.to_owned(),
            flow: flow.to_owned(),
        }
    }

    fn request(&self, delivery: &Delivery) -> Request {
        let by = By {
            request: uuid::Uuid::now_v7().to_string(),
            activity: Some(delivery.request.clone()),
            credential: Some(format!("flow {}", self.flow)),
            operator: None,
        };
        Request::new(String::new(), Instant::now() + PATIENCE, by)
    }

    async fn one(&self, app: &Arc<App>, delivery: &Delivery) -> Receipt {
        match self.carry_out(app, delivery).await {
            Ok(receipt) => receipt,
            Err(Failed::Refused(reason)) => Receipt::Refused { reason },
            Err(Failed::Engine(error)) => {
                let reason = error.to_scim().detail;
                // Gone meanwhile: the next try looks for him anew.
                if let Error::NotFound { .. } = error {
                    let after = Duration::from_secs(1);
                    return Receipt::Retry { after, reason };
                }
                match error.retry_after() {
                    Some(after) => Receipt::Retry { after, reason },
                    None => Receipt::Refused { reason },
                }
            }
        }
    }

    async fn carry_out(&self, app: &Arc<App>, delivery: &Delivery) -> Result<Receipt, Failed> {
        let r = self.request(delivery);
        let kind = app.kind_of_name(&self.kind)?;
        let (document, lacks) = document(app, kind.ty(), delivery)?;
        let found = self
            .find(&r, app, kind, delivery, &document.resource)
            .await?;
        let done = |id| Receipt::Done {
            id,
            lacks: lacks.clone(),
        };
        let Some(id) = found else {
            if !delivery.is_in || !delivery.actions.create {
                return Ok(done(None));
            }
            let id = create(&r, app, kind, document).await?;
            return Ok(done(Some(id)));
        };
        if !delivery.is_in {
            let disables = kind.ty().name == "User" && kind.mapping.maps_active();
            if delivery.leave == Leave::Delete || !disables {
                delete(&r, app, kind, &id).await?;
                return Ok(done(None));
            }
        } else if !delivery.actions.update {
            return Ok(done(Some(id)));
        }
        let Some(stored) = app.load(kind, &id).await? else {
            return Err(Failed::Engine(Error::NotFound {
                kind: kind.ty().name.clone(),
                id,
            }));
        };
        let members = members(&document, &delivery.record);
        let wanted = laid_over(
            kind.ty(),
            stored.record.resource,
            document.resource,
            &delivery.record.cleared,
        );
        write(&r, app, kind, &id, wanted, members).await?;
        Ok(done(Some(id)))
    }

    /// Whom the sink has of this name: by its own id, else by the app's matching rules.
    async fn find(
        &self,
        r: &Request,
        app: &Arc<App>,
        kind: &Kind,
        delivery: &Delivery,
        resource: &Resource,
    ) -> Result<Option<String>, Failed> {
        if let Some(id) = &delivery.sink
            && app.load(kind, id).await?.is_some()
        {
            return Ok(Some(id.clone()));
        }
        let mut paths = kind.mapping.matching();
        if paths.is_empty() {
            let people = kind.ty().schema.attribute("userName").is_some();
            paths.extend(if people { PEOPLE } else { OTHERS });
        }
        for written in paths {
            let Ok(path) = Path::parse(written) else {
                continue;
            };
            let values = path::get(kind.ty(), resource, &path);
            let Some(value) = values.first().filter(|value| !value.is_null()) else {
                continue;
            };
            let text = format!("{written} eq {value}");
            let filter = Filter::parse(&text).map_err(|why| Failed::Refused(why.to_string()))?;
            let found = app.candidates(r, kind, Some(&filter)).await?;
            match found.unwrap_or_default().as_slice() {
                [] => {}
                [(id, stored)] => {
                    let other = stored.record.resource.get("externalId");
                    let other = other.and_then(Value::as_str);
                    if let Some(other) = other.filter(|other| *other != delivery.key) {
                        return Err(Failed::Refused(format!(
                            "app `{}` has `{text}` already, of somebody with the key `{other}`",
                            self.app
                        )));
                    }
                    return Ok(Some(id.clone()));
                }
                several => {
                    return Err(Failed::Refused(format!(
                        "app `{}` has {} of `{text}`, and nobody can say which is meant",
                        self.app,
                        several.len()
                    )));
                }
            }
        }
        Ok(None)
    }
}

/// The record as the app reads a client's body, with its own ids for those whom it refers to; and the keys that it has no
/// id for.
fn document(
    app: &App,
    ty: &ResourceType,
    delivery: &Delivery,
) -> Result<(Document, Vec<String>), Failed> {
    let (mut body, lacks) = delivery.referring();
    let extensions: Vec<String> = body
        .keys()
        .filter(|key| key.contains(':'))
        .cloned()
        .collect();
    let schemas = std::iter::once(ty.schema.id.clone()).chain(extensions);
    body.insert("schemas".to_owned(), schemas.collect());
    if ty.schema.attribute("externalId").is_some() {
        body.insert("externalId".to_owned(), delivery.key.as_str().into());
    }
    let bytes = serde_json::to_vec(&body).map_err(|why| Failed::Refused(why.to_string()))?;
    let document = tombolo_scim::resource::read_with(&app.rules, ty, &bytes)?;
    if let Some(ignored) = document.ignored.first() {
        return Err(Failed::Refused(format!(
            "app `{}` has no attribute `{ignored}`",
            app.name
        )));
    }
    Ok((document, lacks))
}

/// The members that a group is to have.
fn members(document: &Document, record: &Record) -> Vec<MemberEdit> {
    let none = record.cleared.iter().any(|path| path == "members");
    match &document.members {
        Some(members) => vec![MemberEdit::Replace(members.clone())],
        None if none => vec![MemberEdit::Replace(Vec::new())],
        None => Vec::new(),
    }
}

/// The record over what is there: what it does not name stays, also of an e-mail address that it names by its type.
fn laid_over(
    ty: &ResourceType,
    present: Resource,
    record: Resource,
    cleared: &[String],
) -> Resource {
    let mut wanted = present;
    overlay(wanted.as_map_mut(), record.into_map());
    for path in cleared {
        if let Ok(path) = Path::parse(path) {
            // What the app does not have is cleared by that.
            let _ = path::remove(ty, &mut wanted, &path);
        }
    }
    wanted
}

fn overlay(present: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new {
        match (present.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => overlay(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => elements(old, new),
            (_, value) => {
                present.insert(name, value);
            }
        }
    }
}

/// Elements that say their type are told apart by it; a list of others is replaced.
fn elements(old: &mut Vec<Value>, new: Vec<Value>) {
    let typed = |value: &Value| value.get("type").is_some();
    if !new.iter().all(typed) {
        *old = new;
        return;
    }
    for element in new {
        let same = old
            .iter_mut()
            .find(|known| known.get("type") == element.get("type"));
        match (same, element) {
            (Some(Value::Object(known)), Value::Object(parts)) => overlay(known, parts),
            (Some(known), element) => *known = element,
            (None, element) => old.push(element),
        }
    }
}

async fn create(
    r: &Request,
    app: &Arc<App>,
    kind: &Kind,
    document: Document,
) -> Result<String, Error> {
    let r = r.operation();
    let told = r.told(Action::Create);
    let (of, ty) = (Arc::clone(app), kind.ty().name.clone());
    let work = async move { of.create_inner(&r, &ty, document).await };
    let (id, _) = app.to_its_end(told, kind.ty(), None, work).await?;
    Ok(id)
}

async fn write(
    r: &Request,
    app: &Arc<App>,
    kind: &Kind,
    id: &str,
    wanted: Resource,
    members: Vec<MemberEdit>,
) -> Result<(), Error> {
    let r = r.operation();
    let told = r.told(Action::Update);
    let (of, ty, of_id) = (Arc::clone(app), kind.ty().name.clone(), id.to_owned());
    let work = async move { of.write_inner(&r, &ty, &of_id, wanted, &members).await };
    app.to_its_end(told, kind.ty(), Some(id), work).await
}

async fn delete(r: &Request, app: &Arc<App>, kind: &Kind, id: &str) -> Result<(), Error> {
    let r = r.operation();
    let told = r.told(Action::Delete);
    let (of, ty, of_id) = (Arc::clone(app), kind.ty().name.clone(), id.to_owned());
    let work = async move { of.delete_inner(&r, &ty, &of_id, None).await };
    match app.to_its_end(told, kind.ty(), Some(id), work).await {
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}

#[async_trait::async_trait]
impl Sink for AppSink {
    fn identity(&self) -> String {
        format!("app {} {}", self.app, self.kind)
    }

    fn shape(&self) -> Result<Shape, String> {
        let app = self.apps.app(&self.app)?;
        let kind = app
            .kind_of_name(&self.kind)
            .map_err(|why| why.to_string())?;
        Ok(Shape {
            ty: kind.ty().clone(),
            open: false,
            explicit_active: false,
        })
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn is_audited(&self) -> bool {
        true
    }

    async fn deliver(&self, batch: &[Delivery]) -> Result<Vec<Receipt>, SinkError> {
        let app = self.apps.app(&self.app).map_err(|reason| SinkError {
            reason,
            after: AWAY,
        })?;
        let work: Vec<_> = batch
            .iter()
            .map(|one| self.one(&app, one).boxed())
            .collect();
        Ok(futures::stream::iter(work)
            .buffered(TOGETHER)
            .collect()
            .await)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn what_the_record_does_not_name_stays() {
        let present = Resource::from_map(map(json!({
            "userName": "ana", "title": "Boss", "nickName": "An",
            "emails": [{"type": "home", "value": "h@x.test"}, {"type": "work", "value": "old@x.test", "primary": true}],
        })));
        let record = Resource::from_map(map(json!({
            "userName": "ana.r", "emails": [{"type": "work", "value": "new@x.test"}],
        })));
        let wanted = laid_over(
            &ResourceType::user(),
            present,
            record,
            &["title".to_owned()],
        );
        assert_eq!(
            Value::Object(wanted.into_map()),
            json!({
                "userName": "ana.r", "nickName": "An",
                "emails": [{"type": "home", "value": "h@x.test"}, {"type": "work", "value": "new@x.test", "primary": true}],
            })
        );
    }
}
