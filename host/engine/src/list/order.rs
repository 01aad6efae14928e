//! Lists in the order of an attribute.

use std::ops::ControlFlow;

use serde_json::{Map, Value, json};
use tombolo_scim::path::AttributePath;
use tombolo_scim::query::ListQuery;
use tombolo_scim::render;
use tombolo_scim::sort::{self, Key};

use crate::app::App;
use crate::error::Error;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::request::Request;

/// One resource of a sorted list: the number of its kind, and its id.
pub(super) type Place = (usize, String);

/// Sorts by what `key` gives; equal ones keep their order.
pub(super) fn sort<T>(items: &mut Vec<T>, descending: bool, key: impl Fn(&T) -> Option<Key>) {
    let mut keyed: Vec<(Option<Key>, T)> = items.drain(..).map(|item| (key(&item), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| sort::compare(a.as_ref(), b.as_ref(), descending));
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

/// What a resource is sorted by.
pub(super) fn key(kind: &Kind, id: &str, stored: &Stored, path: &AttributePath) -> Option<Key> {
    let record = &stored.record;
    let is = |name: &str| path.attribute.eq_ignore_ascii_case(name);
    // The server's own attributes are not in the record's resource.
    let own: Map<String, Value> = if is("id") {
        Map::from_iter([("id".to_owned(), id.into())])
    } else if is("meta") {
        let meta = json!({
            "resourceType": kind.ty().name,
            "created": record.created.to_string(),
            "lastModified": record.modified.to_string(),
            "version": record.meta().etag(),
        });
        Map::from_iter([("meta".to_owned(), meta)])
    } else {
        return sort::key(kind.ty(), record.resource.as_map(), path);
    };
    sort::key(kind.ty(), &own, path)
}

impl App {
    /// Every resource of these kinds that matches, in the query's order. Only the
    /// keys are held.
    pub(super) async fn in_order(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
    ) -> Result<Vec<Place>, Error> {
        let mut places: Vec<(Option<Key>, Place)> = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let mut take = |id: String, stored: &Stored| {
                let path = query.sort_by.as_ref();
                let key = path.and_then(|path| key(kind, &id, stored, path));
                places.push((key, (number, id)));
            };
            match self.candidates(r, kind, query.filter.as_ref()).await? {
                Some(found) => found.into_iter().for_each(|(id, stored)| take(id, &stored)),
                None => {
                    self.each_matching(r, kind, query.filter.as_ref(), None, |id, stored| {
                        take(id, &stored);
                        ControlFlow::Continue(())
                    })
                    .await?;
                }
            }
        }
        sort(&mut places, query.descending, |(key, _)| key.clone());
        Ok(places.into_iter().map(|(_, place)| place).collect())
    }

    /// The resources at these places; one that has gone meanwhile is left out.
    pub(super) async fn at(
        &self,
        r: &Request,
        kinds: &[&Kind],
        places: &[Place],
        query: &ListQuery,
    ) -> Result<Vec<Map<String, Value>>, Error> {
        let mut resources = Vec::with_capacity(places.len());
        for (number, id) in places {
            let Some(kind) = kinds.get(*number) else {
                continue;
            };
            if let Some(stored) = self.load(kind, id).await? {
                resources.push(self.one(r, kind, id, &stored, &query.projection).await?);
            }
        }
        Ok(resources)
    }

    /// One page by number of a sorted list.
    pub(super) async fn page_in_order(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
        count: u64,
    ) -> Result<Value, Error> {
        let places = self.in_order(r, kinds, query).await?;
        let most = places.len();
        let skip = usize::try_from(query.start_index - 1).map_or(most, |skip| skip.min(most));
        let take = usize::try_from(count).map_or(most, |count| count.min(most - skip));
        let resources = self.at(r, kinds, &places[skip..skip + take], query).await?;
        Ok(render::list(most as u64, query.start_index, resources))
    }
}
