//! GET by id: from the mirror while it is fresh, else from the target.

use std::time::Instant;

use serde_json::{Map, Value, json};
use tombolo_runtime::contract::Fault;
use tombolo_scim::project::Projection;
use tombolo_scim::render;
use tombolo_scim::resource::Resource;
use tombolo_store::Range;

use crate::app::{Answer, App, Freshness};
use crate::audit::{Action, Told};
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::members::members_mark;
use crate::reconcile::Stored;
use crate::request::Request;

impl App {
    pub(crate) async fn read_one(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        projection: &Projection,
    ) -> Result<Answer, Error> {
        let stored = self.fresh(r, kind, id).await?;
        if !projection.wants(kind.ty(), "members") || !kind.ty().has_members() {
            return self.answer(r, kind, id, &stored, projection).await;
        }
        self.fresh_members(r, kind, id, &stored).await?;
        // Reading the members may have counted as a change of the group.
        let stored = self.load(kind, id).await?.unwrap_or(stored);
        self.answer(r, kind, id, &stored, projection).await
    }

    /// The record of `id`, no older than the app allows.
    ///
    /// # Errors
    /// 404 when there is none, or when the target has it no more; 503 when the
    /// target had to be asked and cannot be.
    pub(crate) async fn fresh(&self, r: &Request, kind: &Kind, id: &str) -> Result<Stored, Error> {
        let missing = || Error::NotFound {
            kind: kind.ty().name.clone(),
            id: id.to_owned(),
        };
        let stored = self.load(kind, id).await?.ok_or_else(missing)?;
        let as_it_is = stored.record.outside || self.closed().await?.is_some();
        let fresh = self.is_fresh(id) || self.is_listed(kind);
        if as_it_is || (fresh && self.open_intent(id).await?.is_none()) {
            return Ok(stored);
        }
        self.asked(r, kind, id, stored).await
    }

    /// The record of `id` after the target was asked for it.
    pub(crate) async fn asked(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<Stored, Error> {
        let missing = || Error::NotFound {
            kind: kind.ty().name.clone(),
            id: id.to_owned(),
        };
        if stored.record.outside {
            return Ok(stored);
        }
        let asked = Instant::now();
        let entry = self
            .connector
            .get(&r.call(), &kind.name, &stored.record.anchor, &[])
            .await;
        match entry.map_err(|error| self.target(error)) {
            Ok(entry) => match self.absorb(kind, &entry, asked).await? {
                Some((now, stored)) if now == id => Ok(stored),
                _ => Err(missing()),
            },
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                // A write may have moved or removed it: its outcome decides.
                if self.open_intent(id).await?.is_some() {
                    let after = self.after_unfinished(kind, id.to_owned(), stored).await?;
                    return after.map(|(_, stored)| stored).ok_or_else(missing);
                }
                match self.load(kind, id).await? {
                    Some(now)
                        if self.shared.confirmed_since(id, asked) || now.bytes != stored.bytes =>
                    {
                        Ok(now)
                    }
                    Some(_) => {
                        self.unlink(kind, id, &stored, &Told::by_host(Action::Vanish))
                            .await?;
                        tracing::info!(
                            app = self.name,
                            kind = kind.name,
                            id,
                            "the target no longer has this object; its link ends"
                        );
                        Err(missing())
                    }
                    None => Err(missing()),
                }
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn is_fresh(&self, mark: &str) -> bool {
        match self.freshness {
            Freshness::Live => false,
            Freshness::Bounded(bound) => self.shared.age(mark).is_some_and(|age| age <= bound),
            Freshness::Mirror => true,
        }
    }

    /// Makes the mirrored members of a group as fresh as the app asks for.
    pub(crate) async fn fresh_members(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
    ) -> Result<(), Error> {
        let mark = members_mark(id);
        let known = self.freshness == Freshness::Mirror && self.shared.age(&mark).is_some();
        let asks = self.connector.abilities().members && !stored.record.outside;
        if !kind.ty().has_members() || !asks || self.closed().await?.is_some() {
            return Ok(());
        }
        if known || (self.freshness != Freshness::Mirror && self.is_fresh(&mark)) {
            return Ok(());
        }
        match self
            .read_members(
                kind,
                id,
                &stored.record.anchor,
                Instant::now(),
                &r.call(),
                None,
            )
            .await
        {
            // Somebody changed the group meanwhile: what he wrote is newer.
            Err(Error::Contended) => Ok(()),
            // The group, or else a fault of the target's: it is asked which.
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                self.asked(r, kind, id, stored.clone()).await?;
                Err(error)
            }
            other => other,
        }
    }

    /// The resource as the client asked to see it.
    pub(crate) async fn answer(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Answer, Error> {
        let mut body = self.rendered(r, kind, id, stored, projection).await?;
        projection.apply(kind.ty(), &mut body);
        Ok(Answer {
            id: id.to_owned(),
            location: format!("{}/{}/{id}", r.base_url, kind.ty().endpoint),
            version: stored.record.version,
            body: Value::Object(body),
        })
    }

    /// The whole resource, with members or groups when `projection` wants them.
    pub(crate) async fn rendered(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Map<String, Value>, Error> {
        let ty = kind.ty();
        let members = if ty.has_members() && projection.wants(ty, "members") {
            Some(self.rendered_members(r, id).await?)
        } else {
            None
        };
        let shows_groups = ty.name == "User" && ty.schema.attribute("groups").is_some();
        let groups = if shows_groups && projection.wants(ty, "groups") {
            Some(self.rendered_groups(r, id).await?)
        } else {
            None
        };
        Ok(render::resource(
            ty,
            &r.base_url,
            id,
            &stored.record.resource,
            &stored.record.meta(),
            members,
            groups,
        ))
    }

    async fn rendered_members(&self, r: &Request, group: &str) -> Result<Vec<Value>, Error> {
        let pairs = self
            .store
            .scan(Range::prefix(self.keys.members(group)))
            .await?;
        Ok(pairs
            .iter()
            .map(|(key, ty)| {
                let id = id_of(key);
                let ty = String::from_utf8_lossy(ty);
                let endpoint = self
                    .catalog
                    .by_name(&ty)
                    .map_or("Users", |ty| ty.endpoint.as_str());
                json!({"value": id, "$ref": format!("{}/{endpoint}/{id}", r.base_url), "type": ty})
            })
            .collect())
    }

    async fn rendered_groups(&self, r: &Request, member: &str) -> Result<Vec<Value>, Error> {
        let Some(kind) = self.kinds.iter().find(|kind| kind.ty().has_members()) else {
            return Ok(Vec::new());
        };
        let mut groups = Vec::new();
        for (key, _) in self
            .store
            .scan(Range::prefix(self.keys.groups_of(member)))
            .await?
        {
            let id = id_of(&key);
            let Some(stored) = self.load(kind, &id).await? else {
                continue;
            };
            let name = |r: &Resource| {
                r.as_map()
                    .get("displayName")
                    .cloned()
                    .unwrap_or(Value::Null)
            };
            groups.push(json!({
                "value": id,
                "$ref": format!("{}/{}/{id}", r.base_url, kind.ty().endpoint),
                "display": name(&stored.record.resource),
                "type": "direct",
            }));
        }
        Ok(groups)
    }
}
