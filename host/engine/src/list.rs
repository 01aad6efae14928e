//! Queries: Entra's match queries first, which are one index look-up.
//!
//! What the mirror does not have may still be in the target (an account that
//! somebody created by hand): a match query that finds nothing asks the target
//! too, and links what it answers. So Entra adopts existing accounts instead of
//! creating them a second time.
//!
//! Nothing but the page is held in memory: of a sorted list the keys besides.

mod cursor;
mod order;

use std::ops::ControlFlow;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tombolo_runtime::contract::{Fault, Query};
use tombolo_scim::filter::Filter;
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::render;
use tombolo_scim::schema::ResourceType;
use tombolo_store::Range;

use crate::app::App;
use crate::convert;
use crate::error::Error;
use crate::index::{Plan, plan};
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::decode;
use crate::request::Request;

/// Records read from the store at a time when all are looked at.
const CHUNK: usize = 1000;
/// What a match query asks the target for: more than one is an ambiguity that
/// the client has to see.
const MATCHES: u32 = 100;

impl App {
    /// A page of these kinds: those of the first, then those of the second,
    /// unless they are sorted.
    pub(crate) async fn list_kinds(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
    ) -> Result<Value, Error> {
        let types: Vec<&ResourceType> = kinds.iter().map(|kind| kind.ty()).collect();
        query.check(&types, &self.rules)?;
        let limits = &self.rules.limits;
        let count = query
            .count
            .unwrap_or(limits.page_size)
            .min(limits.max_page_size);
        if let Some(cursor) = &query.cursor {
            return self.page_at(r, kinds, query, cursor, count).await;
        }
        match kinds {
            [kind] => self.list_kind(r, kind, query, count).await,
            _ if query.sort_by.is_some() => self.page_in_order(r, kinds, query, count).await,
            _ => self.list_in_a_row(r, kinds, query, count).await,
        }
    }

    /// Several kinds' listings as one.
    async fn list_in_a_row(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
        count: u64,
    ) -> Result<Value, Error> {
        let start = query.start_index;
        let (mut total, mut resources) = (0, Vec::new());
        for kind in kinds {
            let mut part = query.clone();
            part.start_index = start.saturating_sub(total).max(1);
            let left = count.saturating_sub(resources.len() as u64);
            let mut listed = self.list_kind(r, kind, &part, left).await?;
            total += listed["totalResults"].as_u64().unwrap_or(0);
            if let Some(Value::Array(found)) = listed.get_mut("Resources").map(Value::take) {
                resources.extend(found.into_iter().filter_map(|resource| match resource {
                    Value::Object(resource) => Some(resource),
                    _ => None,
                }));
            }
        }
        Ok(render::list(total, start, resources))
    }

    async fn list_kind(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
    ) -> Result<Value, Error> {
        match self.candidates(r, kind, query.filter.as_ref()).await? {
            Some(found) => self.cut(r, kind, query, count, found).await,
            None if query.sort_by.is_some() => self.page_in_order(r, &[kind], query, count).await,
            None => match &query.filter {
                Some(filter) => self.page_of_matching(r, kind, query, count, filter).await,
                None => self.page(r, kind, query, count).await,
            },
        }
    }

    /// Those that match, in the order of their ids, when there is a way to find
    /// them; none when every resource has to be looked at, which then are all
    /// mirrored.
    pub(crate) async fn candidates(
        &self,
        r: &Request,
        kind: &Kind,
        filter: Option<&Filter>,
    ) -> Result<Option<Vec<(String, Stored)>>, Error> {
        let Some(filter) = filter else {
            self.imported(r, kind).await?;
            return Ok(None);
        };
        let mut found = match plan(kind.ty(), &kind.indexed, filter) {
            Plan::Nothing => Vec::new(),
            Plan::Id(id) => {
                let found = match self.fresh(r, kind, &id).await {
                    Ok(stored) => vec![(id, stored)],
                    Err(Error::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(error),
                };
                self.judged(r, kind, found, filter).await?
            }
            Plan::Index { label, value } => {
                let known = self.indexed(r, kind, &label, &value).await?;
                let mut found = self.judged(r, kind, known, filter).await?;
                if found.is_empty() {
                    let asked = self.ask_target(r, kind, filter).await?;
                    found = self.judged(r, kind, asked, filter).await?;
                }
                found
            }
            Plan::All => {
                self.imported(r, kind).await?;
                return Ok(None);
            }
        };
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.dedup_by(|(a, _), (b, _)| a == b);
        Ok(Some(found))
    }

    /// Those that the index names, as fresh as the app asks for.
    async fn indexed(
        &self,
        r: &Request,
        kind: &Kind,
        label: &str,
        value: &str,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let prefix = self.keys.indexed(&kind.ty().name, label, value);
        let mut found = Vec::new();
        for (key, _) in self.store.scan(Range::prefix(prefix)).await? {
            let id = id_of(&key);
            match self.fresh(r, kind, &id).await {
                Ok(stored) => found.push((id, stored)),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Asks the target with the filter in its own terms, and links the answer. A
    /// filter on what the host keeps itself finds nothing that the mirror lacks.
    async fn ask_target(
        &self,
        r: &Request,
        kind: &Kind,
        filter: &Filter,
    ) -> Result<Vec<(String, Stored)>, Error> {
        if self.closed().await?.is_some() {
            return Ok(Vec::new());
        }
        let references = self.references_of_filter(kind, filter).await?;
        let Some(translated) = kind.mapping.translate_with(filter, &references) else {
            return Ok(Vec::new());
        };
        let asked = Instant::now();
        let query = Query {
            filter: Some(convert::filter(&translated.filter)),
            attributes: Vec::new(),
            cursor: None,
            limit: MATCHES,
        };
        let page = match self
            .connector
            .search(&r.call(), &kind.name, query)
            .await
            .map_err(|e| self.target(e))
        {
            Ok(page) => page,
            Err(error) if error.fault() == Some(Fault::Unsupported) => {
                self.imported(r, kind).await?;
                let mut found = Vec::new();
                self.each_matching(r, kind, Some(filter), None, |id, stored| {
                    found.push((id, stored));
                    ControlFlow::Continue(())
                })
                .await?;
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in &page.entries {
            found.extend(self.absorb(kind, entry, asked).await?);
        }
        Ok(found)
    }

    /// Shows every mirrored resource behind `after` that the filter matches, in
    /// the order of the ids, until it is told to stop.
    async fn each_matching(
        &self,
        r: &Request,
        kind: &Kind,
        filter: Option<&Filter>,
        after: Option<&str>,
        mut show: impl FnMut(String, Stored) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let ty = &kind.ty().name;
        let mut after = after.map(|id| self.keys.record(ty, id).into_bytes());
        loop {
            let mut range = Range::prefix(self.keys.records(ty)).limit(CHUNK);
            if let Some(after) = after.take() {
                range = range.after(after);
            }
            let chunk = self.store.scan(range).await?;
            let full = chunk.len() == CHUNK;
            for (key, bytes) in chunk {
                let id = id_of(&key);
                let stored = Stored {
                    record: decode("a record", &bytes)?,
                    bytes,
                };
                let matches = match filter {
                    Some(filter) => self.matches(r, kind, &id, &stored, filter).await?,
                    None => true,
                };
                if matches && show(id, stored).is_break() {
                    return Ok(());
                }
                after = Some(key);
            }
            if !full {
                return Ok(());
            }
            // A long look must not keep the others waiting.
            tokio::task::yield_now().await;
        }
    }

    /// Does a resource really match? Of a group's members only those are looked
    /// at that the filter names: a group of 50,000 is not read for one of them.
    async fn matches(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        filter: &Filter,
    ) -> Result<bool, Error> {
        let named = filter.named_members();
        let rendered = match &named {
            None => {
                self.rendered(r, kind, id, stored, &needs(filter, false))
                    .await?
            }
            Some(members) => {
                let mut rendered = self
                    .rendered(r, kind, id, stored, &needs(filter, true))
                    .await?;
                if !members.is_empty() && kind.ty().has_members() {
                    let mut present = Vec::new();
                    for member in members {
                        let key = self.keys.member(id, member);
                        if self.store.get(&key).await?.is_some() {
                            present.push(json!({"value": member}));
                        }
                    }
                    rendered.insert("members".into(), Value::Array(present));
                }
                rendered
            }
        };
        Ok(filter.matches(kind.ty(), &rendered))
    }

    /// How many resources of the kind are mirrored.
    async fn total(&self, kind: &Kind) -> Result<u64, Error> {
        let ty = &kind.ty().name;
        // What other hosts add and remove is in the store only.
        let counted = self.shared.count(ty).filter(|_| !self.hosts.many());
        if let Some(total) = counted {
            return Ok(total);
        }
        let total = self.store.count(&self.keys.records(ty)).await?;
        self.shared.set_count(ty, total);
        Ok(total)
    }

    /// One page of everything, in the order of the ids.
    async fn page(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
    ) -> Result<Value, Error> {
        let ty = &kind.ty().name;
        let records = self.keys.records(ty);
        let total = self.total(kind).await?;
        let skip = query.start_index - 1;
        if count == 0 || skip >= total {
            return Ok(render::list(total, query.start_index, Vec::new()));
        }
        let (from, mut range) = match self.shared.nearest(ty, skip) {
            Some((index, id)) => (
                index,
                Range::prefix(&records).after(self.keys.record(ty, &id)),
            ),
            None => (0, Range::prefix(&records)),
        };
        let ahead = usize::try_from(skip - from + count).unwrap_or(usize::MAX);
        range = range.limit(ahead);
        let pairs = self.store.scan(range).await?;
        let page = pairs
            .into_iter()
            .skip(usize::try_from(skip - from).unwrap_or(usize::MAX));
        let mut resources = Vec::new();
        let mut last = None;
        for (key, bytes) in page {
            let id = id_of(&key);
            let stored = Stored {
                record: decode("a record", &bytes)?,
                bytes,
            };
            resources.push(self.one(r, kind, &id, &stored, &query.projection).await?);
            last = Some(id);
        }
        if let Some(last) = last {
            self.shared
                .bookmark(ty, skip + resources.len() as u64, &last);
        }
        Ok(render::list(total, query.start_index, resources))
    }

    /// One page of those that the filter matches, when there may be many.
    async fn page_of_matching(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
        filter: &Filter,
    ) -> Result<Value, Error> {
        let skip = query.start_index - 1;
        let (mut total, mut page) = (0, Vec::new());
        self.each_matching(r, kind, Some(filter), None, |id, stored| {
            if total >= skip && (page.len() as u64) < count {
                page.push((id, stored));
            }
            total += 1;
            ControlFlow::Continue(())
        })
        .await?;
        let mut resources = Vec::with_capacity(page.len());
        for (id, stored) in &page {
            resources.push(self.one(r, kind, id, stored, &query.projection).await?);
        }
        Ok(render::list(total, query.start_index, resources))
    }

    /// Those of a few candidates that really match.
    async fn judged(
        &self,
        r: &Request,
        kind: &Kind,
        found: Vec<(String, Stored)>,
        filter: &Filter,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let mut matching = Vec::with_capacity(found.len());
        for (id, stored) in found {
            if filter.mentions("members") {
                self.fresh_members(r, kind, &id, &stored).await?;
            }
            if self.matches(r, kind, &id, &stored, filter).await? {
                matching.push((id, stored));
            }
        }
        Ok(matching)
    }

    /// One page of the few that match.
    async fn cut(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
        mut found: Vec<(String, Stored)>,
    ) -> Result<Value, Error> {
        if let Some(path) = &query.sort_by {
            order::sort(&mut found, query.descending, |(id, stored)| {
                order::key(kind, id, stored, path)
            });
        }
        let total = found.len() as u64;
        let skip = usize::try_from(query.start_index - 1).unwrap_or(usize::MAX);
        let take = usize::try_from(count).unwrap_or(usize::MAX);
        let mut resources = Vec::new();
        for (id, stored) in found.iter().skip(skip).take(take) {
            resources.push(self.one(r, kind, id, stored, &query.projection).await?);
        }
        Ok(render::list(total, query.start_index, resources))
    }

    async fn one(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        projection: &Projection,
    ) -> Result<Map<String, Value>, Error> {
        if projection.wants(kind.ty(), "members") {
            self.fresh_members(r, kind, id, stored).await?;
        }
        let mut body = self.rendered(r, kind, id, stored, projection).await?;
        projection.apply(kind.ty(), &mut body);
        Ok(body)
    }
}

/// What has to be rendered for `filter` to be judged: members and groups are
/// dear, and mostly nobody asks.
fn needs(filter: &Filter, without_members: bool) -> Projection {
    let left_out: Vec<&str> = ["members", "groups"]
        .into_iter()
        .filter(|attribute| {
            !filter.mentions(attribute) || (without_members && *attribute == "members")
        })
        .collect();
    Projection::parse(None, Some(&left_out.join(","))).unwrap_or_default()
}
