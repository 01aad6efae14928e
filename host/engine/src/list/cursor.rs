//! Paging by cursor (RFC 9865): the page behind a resource.
//!
//! In the order of the ids a page costs what it shows, since a record is found by
//! its id. Counting them all is done for the first page only; the cursor carries
//! the number on.

use std::ops::ControlFlow;

use serde_json::Value;
use tombolo_scim::cursor::Position;
use tombolo_scim::error::Error as ScimError;
use tombolo_scim::query::ListQuery;
use tombolo_scim::render;

use super::order::Place;
use crate::app::App;
use crate::error::Error;
use crate::kind::Kind;
use crate::request::Request;

impl App {
    pub(super) async fn page_at(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
        cursor: &str,
        count: u64,
    ) -> Result<Value, Error> {
        let types: Vec<&str> = kinds.iter().map(|kind| kind.ty().name.as_str()).collect();
        let scope = format!("{} {}", self.name, types.join(" "));
        let position = Position::decode(cursor, &scope, query)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (mut places, total) = if query.sort_by.is_some() {
            self.behind_in_order(r, kinds, query, position.as_ref())
                .await?
        } else {
            self.behind(r, kinds, query, position.as_ref(), count)
                .await?
        };
        let more = places.len() > count;
        places.truncate(count);
        let next = match places.last() {
            Some((kind, after)) if more => Some(
                Position {
                    kind: u8::try_from(*kind).unwrap_or(u8::MAX),
                    after: after.clone(),
                    total,
                }
                .encode(&scope, query),
            ),
            _ => None,
        };
        let resources = self.at(r, kinds, &places, query).await?;
        Ok(render::page(total, next, resources))
    }

    /// Everything behind the position in a sorted list, and how many there are
    /// in all.
    async fn behind_in_order(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
        position: Option<&Position>,
    ) -> Result<(Vec<Place>, u64), Error> {
        let mut places = self.in_order(r, kinds, query).await?;
        let total = places.len() as u64;
        if let Some(position) = position {
            let at = places.iter().position(|(kind, id)| {
                *kind == usize::from(position.kind) && *id == position.after
            });
            let at = at.ok_or_else(|| {
                ScimError::expired_cursor(
                    "the resource at which the last page ended is gone; begin again with an empty `cursor`",
                )
            })?;
            places.drain(..=at);
        }
        Ok((places, total))
    }

    /// What is behind the position in the order of the ids: one more than `count`
    /// at most, so that it is known whether there is a next page.
    async fn behind(
        &self,
        r: &Request,
        kinds: &[&Kind],
        query: &ListQuery,
        position: Option<&Position>,
        count: usize,
    ) -> Result<(Vec<Place>, u64), Error> {
        let filter = query.filter.as_ref();
        let known = position.map(|position| position.total);
        let begin = position.map_or(0, |position| usize::from(position.kind));
        let (mut places, mut total): (Vec<Place>, u64) = (Vec::new(), 0);
        for (number, kind) in kinds.iter().enumerate().skip(begin) {
            if known.is_some() && places.len() > count {
                break;
            }
            let after = position
                .filter(|position| usize::from(position.kind) == number)
                .map(|position| position.after.as_str());
            if let Some(found) = self.candidates(r, kind, filter).await? {
                total += found.len() as u64;
                let behind = found
                    .into_iter()
                    .filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
                places.extend(behind.map(|(id, _)| (number, id)));
                continue;
            }
            let counts = known.is_none() && filter.is_some();
            if known.is_none() && filter.is_none() {
                total += self.total(kind).await?;
            }
            if places.len() > count && !counts {
                continue;
            }
            self.each_matching(r, kind, filter, after, |id, _| {
                if places.len() <= count {
                    places.push((number, id));
                }
                total += u64::from(counts);
                if places.len() > count && !counts {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .await?;
        }
        Ok((places, known.unwrap_or(total)))
    }
}
