//! Queries: Entra's match queries first, which are one index look-up.
//!
//! What the mirror does not have may still be in the target (an account that
//! somebody created by hand): a match query that finds nothing asks the target
//! too, and links what it answers. So Entra adopts existing accounts instead of
//! creating them a second time.

use std::cmp::Ordering;
use std::time::Instant;

use serde_json::{Map, Value};
use tombolo_runtime::contract::{Fault, Query};
use tombolo_scim::filter::Filter;
use tombolo_scim::path::AttributePath;
use tombolo_scim::project::Projection;
use tombolo_scim::query::ListQuery;
use tombolo_scim::render;
use tombolo_store::Range;

use crate::app::{App, Request};
use crate::convert;
use crate::error::Error;
use crate::index::{Plan, plan};
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::decode;

/// Resources a page when the client names no count.
pub(crate) const DEFAULT_COUNT: u64 = 100;
/// And at most, whatever it names.
pub(crate) const MAX_COUNT: u64 = 1000;
/// Records read from the store at a time when all are looked at.
const CHUNK: usize = 1000;
/// What a match query asks the target for: more than one is an ambiguity that
/// the client has to see.
const MATCHES: u32 = 100;

impl App {
    pub(crate) async fn list_kind(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
    ) -> Result<Value, Error> {
        let count = query.count.unwrap_or(DEFAULT_COUNT).min(MAX_COUNT);
        let Some(filter) = &query.filter else {
            self.imported(r, kind).await?;
            return match &query.sort_by {
                None => self.page(r, kind, query, count).await,
                Some(_) => self.page_of_all(r, kind, query, count, None).await,
            };
        };
        match plan(kind.ty(), &kind.indexed, filter) {
            Plan::Nothing => Ok(render::list(0, query.start_index, Vec::new())),
            Plan::Id(id) => {
                let found = match self.fresh(r, kind, &id).await {
                    Ok(stored) => vec![(id, stored)],
                    Err(Error::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(error),
                };
                let found = self.judged(r, kind, found, filter).await?;
                self.cut(r, kind, query, count, found).await
            }
            Plan::Index { label, value } => {
                let known = self.indexed(r, kind, &label, &value).await?;
                let mut found = self.judged(r, kind, known, filter).await?;
                if found.is_empty() {
                    let asked = self.ask_target(r, kind, filter).await?;
                    found = self.judged(r, kind, asked, filter).await?;
                }
                self.cut(r, kind, query, count, found).await
            }
            Plan::All => {
                self.imported(r, kind).await?;
                self.page_of_all(r, kind, query, count, Some(filter)).await
            }
        }
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
                return self.matching(r, kind, filter).await;
            }
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in &page.entries {
            found.extend(self.absorb(kind, entry, asked).await?);
        }
        Ok(found)
    }

    /// Every mirrored resource that the filter matches.
    async fn matching(
        &self,
        r: &Request,
        kind: &Kind,
        filter: &Filter,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        let wanted = needs(filter);
        loop {
            let mut range = Range::prefix(self.keys.records(&kind.ty().name)).limit(CHUNK);
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
                let rendered = self.rendered(r, kind, &id, &stored, &wanted).await?;
                if filter.matches(kind.ty(), &rendered) {
                    found.push((id, stored));
                }
                after = Some(key);
            }
            if !full {
                return Ok(found);
            }
            // A long look must not keep the others waiting.
            tokio::task::yield_now().await;
        }
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
        let total = match self.shared.count(ty) {
            Some(total) => total,
            None => {
                let total = self.store.count(&records).await?;
                self.shared.set_count(ty, total);
                total
            }
        };
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
    async fn page_of_all(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
        filter: Option<&Filter>,
    ) -> Result<Value, Error> {
        let every = Filter::Present(AttributePath::bare("id"));
        let found = self.matching(r, kind, filter.unwrap_or(&every)).await?;
        self.cut(r, kind, query, count, found).await
    }

    /// Those of a few candidates that really match.
    async fn judged(
        &self,
        r: &Request,
        kind: &Kind,
        found: Vec<(String, Stored)>,
        filter: &Filter,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let wanted = needs(filter);
        let mut matching = Vec::with_capacity(found.len());
        for (id, stored) in found {
            if filter.mentions("members") {
                self.fresh_members(r, kind, &id, &stored).await?;
            }
            let rendered = self.rendered(r, kind, &id, &stored, &wanted).await?;
            if filter.matches(kind.ty(), &rendered) {
                matching.push((id, stored));
            }
        }
        Ok(matching)
    }

    /// One page of what matches.
    async fn cut(
        &self,
        r: &Request,
        kind: &Kind,
        query: &ListQuery,
        count: u64,
        mut found: Vec<(String, Stored)>,
    ) -> Result<Value, Error> {
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.dedup_by(|(a, _), (b, _)| a == b);
        if let Some(path) = &query.sort_by {
            // A stable sort: equal values stay in the order of their ids.
            found.sort_by(|(_, a), (_, b)| by_value(path, a, b));
            if query.descending {
                found.reverse();
            }
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
fn needs(filter: &Filter) -> Projection {
    let left_out: Vec<&str> = ["members", "groups"]
        .into_iter()
        .filter(|attribute| !filter.mentions(attribute))
        .collect();
    Projection::parse(None, Some(&left_out.join(","))).unwrap_or_default()
}

fn by_value(path: &AttributePath, a: &Stored, b: &Stored) -> Ordering {
    let value = |stored: &Stored| {
        let map = stored.record.resource.as_map();
        let map = path
            .urn
            .as_ref()
            .and_then(|urn| map.get(urn))
            .and_then(Value::as_object)
            .unwrap_or(map);
        let value = map
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&path.attribute))
            .map(|(_, v)| v)?;
        let value = match &path.sub {
            Some(sub) => value
                .as_object()?
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(sub))
                .map(|(_, v)| v)?,
            None => value,
        };
        Some(match value {
            Value::String(text) => text.to_lowercase(),
            other => other.to_string(),
        })
    };
    match (value(a), value(b)) {
        // What has no value comes last (RFC 7644 section 3.4.2.3).
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (a, b) => a.cmp(&b),
    }
}
