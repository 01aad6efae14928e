//! Dry run: what a request would do, and nothing of it done.
//!
//! The request goes the way of every other as far as the first thing that would be written. The target is asked, but
//! not changed; the store is read, and not written. Whoever asks sees the calls that the connector would get, the
//! attributes that would change, and what would go wrong.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tombolo_mapping::{EditKind, ObjectValue, Scalar};
use tombolo_runtime::contract::Fault;
use tombolo_scim::patch::{MemberEdit, PatchRequest};
use tombolo_scim::resource::{Document, Resource};
use tombolo_scim::schema::ResourceType;

use crate::app::App;
use crate::audit::{Action, Change, Members, Problem};
use crate::error::Error;
use crate::expressions::Surroundings;
use crate::journal::mapping;
use crate::kind::Kind;
use crate::policy::{Deletes, Mode, OutOfScope};
use crate::reconcile::Stored;
use crate::request::Request;
use crate::update::{action, is_active, matches_version};

/// A write that is only looked at.
#[derive(Clone, Copy, Debug)]
pub enum Intended<'a> {
    /// POST with this body.
    Create(&'a [u8]),
    /// PUT of this resource with this body.
    Replace(&'a str, &'a [u8]),
    /// PATCH of this resource with this body.
    Patch(&'a str, &'a [u8]),
    /// DELETE of this resource.
    Delete(&'a str),
}

/// What a write would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it comes to; none when it changes nothing.
    pub action: Option<Action>,
    /// The resource type.
    pub kind: String,
    /// The resource; none of one that would be new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The calls that the connector would get, in their order.
    pub calls: Vec<Value>,
    /// The attributes that would change, as they are.
    pub before: Map<String, Value>,
    /// The attributes that would change, as they would be.
    pub after: Map<String, Value>,
    /// Who would come and who would leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// Whether the app is not for it, so that nothing would be done in the target.
    #[serde(default)]
    pub out_of_scope: bool,
    /// Whether the breaker would hold it.
    pub held: bool,
    /// What would go wrong.
    pub problems: Vec<Problem>,
}

impl Plan {
    pub(crate) fn new(kind: &str, resource: Option<&str>) -> Self {
        Self {
            action: None,
            kind: kind.to_owned(),
            resource: resource.map(str::to_owned),
            calls: Vec::new(),
            before: Map::new(),
            after: Map::new(),
            members: None,
            out_of_scope: false,
            held: false,
            problems: Vec::new(),
        }
    }

    pub(crate) fn problem(&mut self, error: &Error) {
        let scim = error.to_scim();
        self.problems.push(Problem {
            status: scim.status,
            code: scim.scim_type.map(|code| code.as_str().to_owned()),
            detail: scim.detail,
        });
    }
}

impl App {
    /// Whether every write to it is only looked at.
    pub fn is_dry(&self) -> bool {
        self.policy.mode == Mode::DryRun
    }

    /// What a write would do. What would fail is in the plan.
    pub async fn plan(
        &self,
        r: &Request,
        ty: &ResourceType,
        intended: Intended<'_>,
        if_match: Option<u64>,
    ) -> Plan {
        let id = match intended {
            Intended::Create(_) => None,
            Intended::Replace(id, _) | Intended::Patch(id, _) | Intended::Delete(id) => Some(id),
        };
        let mut plan = Plan::new(&ty.name, id);
        if let Err(error) = self.plan_inner(r, ty, intended, if_match, &mut plan).await {
            plan.problem(&error);
        }
        plan
    }

    async fn plan_inner(
        &self,
        r: &Request,
        ty: &ResourceType,
        intended: Intended<'_>,
        if_match: Option<u64>,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let kind = self.kind_of(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        match intended {
            Intended::Create(body) => {
                let document = tombolo_scim::resource::read_with(&self.rules, ty, body)?;
                self.plan_create(r, kind, document, plan).await
            }
            Intended::Replace(id, body) => {
                let document = tombolo_scim::resource::read_with(&self.rules, ty, body)?;
                let stored = self.as_mirrored(kind, id, if_match).await?;
                let present = Self::believed(None, &stored.record);
                let wanted = tombolo_scim::resource::replace(ty, &present, document.resource)?;
                let edits: Vec<_> = document
                    .members
                    .map(MemberEdit::Replace)
                    .into_iter()
                    .collect();
                self.plan_change(r, kind, id, &stored, wanted, &edits, plan)
                    .await
            }
            Intended::Patch(id, body) => {
                let patch = PatchRequest::parse_with(&self.rules, body)?;
                let stored = self.as_mirrored(kind, id, if_match).await?;
                let patched = patch.apply(ty, &Self::believed(None, &stored.record))?;
                self.plan_change(
                    r,
                    kind,
                    id,
                    &stored,
                    patched.resource,
                    &patched.members,
                    plan,
                )
                .await
            }
            Intended::Delete(id) => {
                let stored = self.as_mirrored(kind, id, if_match).await?;
                self.plan_delete(r, kind, id, &stored, plan).await
            }
        }
    }

    /// The resource as the host knows it; its unfinished write, if it has one, is left as it is.
    pub(crate) async fn as_mirrored(
        &self,
        kind: &Kind,
        id: &str,
        if_match: Option<u64>,
    ) -> Result<Stored, Error> {
        if self.open_intent(id).await?.is_some() {
            return Err(Self::unsettled(kind, id));
        }
        let stored = self.load(kind, id).await?.ok_or_else(|| Error::NotFound {
            kind: kind.ty().name.clone(),
            id: id.to_owned(),
        })?;
        matches_version(&stored, if_match)?;
        Ok(stored)
    }

    pub(crate) async fn plan_create(
        &self,
        r: &Request,
        kind: &Kind,
        document: Document,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let mut resource = document.resource;
        let members = document.members.unwrap_or_default();
        let password = self.take_password(kind, &mut resource)?;
        self.check_active(kind, None, &resource)?;
        self.known_members(kind, &members).await?;
        let shown = kind.without_secrets(&resource);
        if !kind.in_scope(&shown) {
            plan.out_of_scope = true;
            return Ok(());
        }
        let references = self.references_of_resource(kind, &shown).await?;
        let object = self
            .new_object(kind, &shown, &references, &r.call())
            .await?;
        plan.action = Some(Action::Create);
        plan.after.clone_from(shown.as_map());
        let attributes: Map<_, _> = object
            .iter()
            .map(|(name, values)| (name.to_owned(), readable(values)))
            .collect();
        plan.calls
            .push(json!({ "call": "create", "kind": kind.name, "attributes": attributes }));
        if password.is_some() {
            plan.calls.push(json!({ "call": "set-password" }));
        }
        if !members.is_empty() {
            let added: Vec<_> = members.iter().map(|member| member.value.clone()).collect();
            plan.calls
                .push(json!({ "call": "change-members", "add": added }));
            plan.members = Some(Members {
                added,
                removed: Vec::new(),
            });
        }
        // A password that is an attribute among others may be required, and is not shown.
        let references = self.references_of_resource(kind, &resource).await?;
        let whole = self
            .new_object(kind, &resource, &references, &r.call())
            .await?;
        kind.mapping.require(&whole).map_err(mapping)?;
        self.free(kind, &resource).await?;
        if self.find(kind, &object, &r.call()).await?.is_some() {
            return Err(Error::Taken {
                message: "the target already has an object with these unique values".to_owned(),
            });
        }
        Ok(())
    }

    /// Whether nobody in the mirror has one of the unique values.
    async fn free(&self, kind: &Kind, resource: &Resource) -> Result<(), Error> {
        for index in kind.indexed.iter().filter(|index| index.unique) {
            for value in index.values(resource) {
                let claim = self.keys.unique(&kind.ty().name, &index.label, &value);
                if self.store.get(&claim).await?.is_some() {
                    return Err(Error::Taken {
                        message: format!(
                            "another {} already has the {} `{value}`",
                            kind.ty().name,
                            index.label
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what a change is made of")]
    pub(crate) async fn plan_change(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        mut wanted: Resource,
        edits: &[MemberEdit],
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let old = &stored.record.resource;
        let password = self.take_password(kind, &mut wanted)?;
        let wanted = kind.without_secrets(&wanted);
        let members = self.plan_members(kind, id, edits).await?;
        self.check_active(kind, Some(old), &wanted)?;
        let anchor = &stored.record.anchor;
        plan.out_of_scope = !kind.in_scope(&wanted);
        if plan.out_of_scope || stored.record.outside {
            return self.plan_scope(r, kind, id, stored, &wanted, plan).await;
        }
        if wanted != *old {
            let references = self.references_of_resource(kind, &wanted).await?;
            let before = self.references_of_resource(kind, old).await?;
            let update = kind
                .mapping
                .update((old, &before), (&wanted, &references), &Surroundings::new())
                .map_err(mapping)?;
            let edits: Vec<_> = update
                .edits
                .iter()
                .map(|edit| {
                    let how = match edit.kind {
                        EditKind::Put => "put",
                        EditKind::Add => "add",
                        EditKind::Remove => "remove",
                    };
                    json!({ "attribute": edit.name, how: readable(&edit.values) })
                })
                .collect();
            let change = Change::between(old, &wanted);
            plan.action = Some(action(old, &wanted));
            plan.before = change.before;
            plan.after = change.after;
            if !edits.is_empty() {
                plan.calls.push(
                    json!({ "call": "update", "kind": kind.name, "anchor": anchor, "edits": edits }),
                );
            }
        }
        if !members.is_empty() {
            let (added, removed) = members.ids();
            plan.calls.push(
                json!({ "call": "change-members", "anchor": anchor, "add": added, "remove": removed }),
            );
            plan.action.get_or_insert(Action::Members);
            plan.members = Some(Members { added, removed });
        }
        if password.is_some() {
            plan.calls
                .push(json!({ "call": "set-password", "anchor": anchor }));
            plan.action.get_or_insert(Action::Password);
        }
        if is_active(old) && !is_active(&wanted) {
            plan.held = self.would_hold(r, kind, id).await?;
        }
        if plan.action.is_some() {
            self.is_there(r, kind, id, stored).await?;
        }
        Ok(())
    }

    pub(crate) async fn plan_delete(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        self.can_delete(kind, id)?;
        if stored.record.outside {
            plan.out_of_scope = true;
            return Ok(());
        }
        if self.deletes(r, kind) != Deletes::Hard {
            let mut wanted = stored.record.resource.clone();
            wanted
                .as_map_mut()
                .insert("active".to_owned(), false.into());
            return self
                .plan_change(r, kind, id, stored, wanted, &[], plan)
                .await;
        }
        plan.action = Some(Action::Delete);
        plan.before.clone_from(stored.record.resource.as_map());
        plan.calls
            .push(json!({ "call": "delete", "kind": kind.name, "anchor": stored.record.anchor }));
        plan.held = self.would_hold(r, kind, id).await?;
        self.is_there(r, kind, id, stored).await
    }

    /// What becomes of one that is, or was, out of scope.
    async fn plan_scope(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        wanted: &Resource,
        plan: &mut Plan,
    ) -> Result<(), Error> {
        let anchor = &stored.record.anchor;
        if !plan.out_of_scope {
            plan.action = Some(Action::Create);
            plan.after.clone_from(wanted.as_map());
            plan.calls
                .push(json!({ "call": "create", "kind": kind.name }));
            return Ok(());
        }
        let disables = self.policy.out_of_scope == OutOfScope::Disable
            && kind.ty().name == "User"
            && kind.mapping.maps_active()
            && !stored.record.outside
            && is_active(&stored.record.resource);
        if disables {
            plan.action = Some(Action::Disable);
            plan.calls
                .push(json!({ "call": "update", "kind": kind.name, "anchor": anchor }));
            plan.held = self.would_hold(r, kind, id).await?;
        }
        Ok(())
    }

    /// Asks the target whether it still has the object.
    async fn is_there(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
    ) -> Result<(), Error> {
        let found = self
            .connector
            .get(&r.call(), &kind.name, &stored.record.anchor, &[])
            .await
            .map_err(|error| self.target(error));
        match found {
            Ok(_) => Ok(()),
            Err(error) if error.fault() == Some(Fault::NotFound) => Err(Error::NotFound {
                kind: kind.ty().name.clone(),
                id: id.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }
}

/// Values as people read them.
fn readable(values: &[ObjectValue]) -> Value {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => json!(text),
        Scalar::Boolean(truth) => json!(truth),
        Scalar::Integer(number) => json!(number),
        Scalar::Bytes(bytes) => json!(format!("{} bytes", bytes.len())),
    };
    let one = |value: &ObjectValue| match value {
        ObjectValue::Simple(simple) => scalar(simple),
        ObjectValue::Complex(parts) => parts
            .iter()
            .map(|(name, values)| (name.clone(), values.iter().map(scalar).collect::<Value>()))
            .collect::<Map<_, _>>()
            .into(),
    };
    match values {
        [value] => one(value),
        many => many.iter().map(one).collect(),
    }
}
