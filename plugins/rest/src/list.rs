//! Listings: the API's pages, in the pages that the host asks for.
//!
//! A cursor says which listing of several, where in it, and how much of that page has been given out already. It holds no more,
//! so that another instance goes on from it.

use crate::api::{Answer, Api};
use crate::object;
use crate::settings::{Kind, Listing, Paging};
use crate::template::Scope;
use serde_json::Value;
use std::collections::BTreeMap;
use tombolo_sdk::{Entry, Failure, Fault, Filter, Page, Query, Result};

/// Where a listing goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cursor {
    listing: usize,
    skip: usize,
    position: Option<String>,
}

impl Cursor {
    fn read(text: Option<&str>) -> Result<Self> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let read = || {
            let (listing, rest) = text.split_once(':')?;
            let (skip, position) = rest.split_once(':')?;
            Some(Self {
                listing: listing.parse().ok()?,
                skip: skip.parse().ok()?,
                position: (!position.is_empty()).then(|| position.to_owned()),
            })
        };
        read().ok_or_else(|| Failure::invalid("that is no cursor of this listing"))
    }

    fn write(&self) -> String {
        let position = self.position.as_deref().unwrap_or_default();
        format!("{}:{}:{position}", self.listing, self.skip)
    }
}

/// One page of the API.
struct Raw {
    items: Vec<Value>,
    next: Option<String>,
    total: Option<u64>,
}

/// Some items of a listing, and where it goes on.
pub struct Batch<'l> {
    /// The listing that they are of.
    pub listing: &'l Listing,
    /// The items, as the API says them.
    pub items: Vec<Value>,
    /// Where the next ones are.
    pub cursor: Option<String>,
    /// How many there are in all, where there is only one listing and it says so.
    pub total: Option<u64>,
}

/// At most `limit` items of these listings, after a cursor.
pub fn batch<'l>(
    api: &Api,
    listings: &[&'l Listing],
    scope: &Scope,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Batch<'l>> {
    let cursor = Cursor::read(cursor)?;
    let listing = *listings
        .get(cursor.listing)
        .ok_or_else(|| Failure::invalid("that is no cursor of this listing"))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    let raw = fetch(api, listing, scope, cursor.position.as_deref(), limit)?;
    let count = raw.items.len();
    let items: Vec<Value> = raw
        .items
        .into_iter()
        .skip(cursor.skip)
        .take(limit)
        .collect();
    let given = cursor.skip + items.len();
    let next = if given < count && !items.is_empty() {
        Some(Cursor {
            skip: given,
            ..cursor
        })
    } else if raw.next.is_some() {
        Some(Cursor {
            skip: 0,
            position: raw.next,
            ..cursor
        })
    } else {
        let listing = cursor.listing + 1;
        (listing < listings.len()).then(|| Cursor {
            listing,
            ..Cursor::default()
        })
    };
    Ok(Batch {
        listing,
        items,
        cursor: next.map(|cursor| cursor.write()),
        total: raw.total.filter(|_| listings.len() == 1),
    })
}

/// All items of one listing, for what has to be known whole.
pub fn all(api: &Api, listing: &Listing, scope: &Scope) -> Result<Vec<Value>> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let batch = batch(api, &[listing], scope, cursor.as_deref(), u32::MAX)?;
        items.extend(batch.items);
        match batch.cursor {
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            _ => return Ok(items),
        }
    }
}

fn fetch(
    api: &Api,
    listing: &Listing,
    scope: &Scope,
    position: Option<&str>,
    limit: usize,
) -> Result<Raw> {
    let number = |default: usize| {
        position.map_or(Ok(default), |text| {
            text.parse()
                .map_err(|_| Failure::invalid("that is no cursor of this listing"))
        })
    };
    // Numbered pages only fit together when all are of one size.
    let size = match listing.paging {
        Paging::Offset => limit.min(listing.page_size),
        _ => listing.page_size,
    };
    let mut scope = scope.clone();
    scope.insert("limit".to_owned(), size.into());
    let answer = match listing.paging {
        Paging::Offset => {
            scope.insert("offset".to_owned(), number(0)?.into());
            api.call("GET", &listing.call, &scope)?
        }
        Paging::Page => {
            scope.insert("page".to_owned(), number(listing.first_page)?.into());
            api.call("GET", &listing.call, &scope)?
        }
        Paging::Cursor => {
            if let Some(position) = position {
                scope.insert("cursor".to_owned(), position.into());
            }
            api.call("GET", &listing.call, &scope)?
        }
        Paging::Next | Paging::Link => match position {
            Some(link) => api.follow(link, &listing.call, &scope)?,
            None => api.call("GET", &listing.call, &scope)?,
        },
        Paging::None => api.call("GET", &listing.call, &scope)?,
    };
    let items: Vec<Value> = listing
        .items
        .all(&answer.tree)
        .into_iter()
        .cloned()
        .collect();
    let total: Option<u64> = listing
        .total
        .as_ref()
        .and_then(|path| path.text(&answer.tree)?.parse().ok());
    let enough = |before: usize| match total {
        Some(total) => !items.is_empty() && ((before + items.len()) as u64) < total,
        None => items.len() >= size,
    };
    let next = match listing.paging {
        Paging::None => None,
        Paging::Offset => {
            let offset = number(0)?;
            enough(offset).then(|| (offset + items.len()).to_string())
        }
        Paging::Page => {
            let page = number(listing.first_page)?;
            enough(page.saturating_sub(listing.first_page) * size).then(|| (page + 1).to_string())
        }
        Paging::Cursor | Paging::Next => {
            let next = listing
                .next
                .as_ref()
                .and_then(|path| path.text(&answer.tree));
            next.filter(|next| !next.is_empty() && Some(next.as_str()) != position)
        }
        Paging::Link => linked(&answer).filter(|next| Some(next.as_str()) != position),
    };
    Ok(Raw { items, next, total })
}

/// The target of `rel="next"` in the header field `Link` (RFC 8288 section 3).
fn linked(answer: &Answer) -> Option<String> {
    link_next(answer.header("Link")?)
}

fn link_next(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (target, after) = rest.get(rest.find('<')? + 1..)?.split_once('>')?;
        let end = after
            .find(",<")
            .or_else(|| after.find(", <"))
            .unwrap_or(after.len());
        let parameters = &after[..end];
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_whitespace()
                    .any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = &after[end..];
    }
}

/// One page of a kind's objects that pass the query's filter.
pub fn search(api: &Api, kind: &Kind, query: &Query) -> Result<Page> {
    let filter = query.filter.as_deref().map(Filter::read).transpose()?;
    let (listings, scope) = match &filter {
        None => (kind.list.as_slice().iter().collect(), Scope::new()),
        Some(filter) => narrowed(kind, filter)?,
    };
    let found = batch(api, &listings, &scope, query.cursor.as_deref(), query.limit)?;
    let schema = kind.schema();
    let mut entries = Vec::new();
    for item in &found.items {
        let Some(entry) = listed(api, kind, found.listing, item)? else {
            continue;
        };
        if filter
            .as_ref()
            .is_none_or(|filter| filter.matches(&schema, &entry))
        {
            entries.push(entry.keep(&query.attributes));
        }
    }
    Ok(Page {
        entries,
        cursor: found.cursor,
        total: found.total.filter(|_| filter.is_none()),
    })
}

/// An item of a listing as an entry; none when it has gone meanwhile.
fn listed(api: &Api, kind: &Kind, listing: &Listing, item: &Value) -> Result<Option<Entry>> {
    let entry = object::entry(kind, item, &listing.known)?;
    if !listing.each {
        return Ok(Some(entry));
    }
    match get(api, kind, &entry.anchor) {
        Ok((entry, _)) => Ok(Some(entry)),
        Err(failure) if failure.is(Fault::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The request that finds what a filter's equality asks for; the rest of the filter is for the caller.
fn narrowed<'k>(kind: &'k Kind, filter: &Filter) -> Result<(Vec<&'k Listing>, Scope)> {
    let tests = match filter {
        Filter::All(children) => children.iter().filter_map(Filter::equality).collect(),
        other => other.equality().into_iter().collect::<Vec<_>>(),
    };
    for (name, scalar) in tests {
        let rule = kind.find.iter().find(|find| find.attribute == name);
        if let (Some(find), Some(attribute)) = (rule, kind.attribute(name)) {
            let value = object::given(attribute, &tombolo_sdk::Value::Simple(scalar.clone()));
            let scope = Scope::from_iter([("value".to_owned(), value)]);
            return Ok((vec![&find.listing], scope));
        }
    }
    Err(Failure::unsupported(
        "no `find` in [settings] answers this filter",
    ))
}

/// The object with this key: as an entry, and as the API says it.
pub fn get(api: &Api, kind: &Kind, anchor: &str) -> Result<(Entry, Value)> {
    let scope = Scope::from_iter([("id".to_owned(), Value::from(anchor))]);
    let answer = api.call("GET", &kind.get.call, &scope)?;
    let object = kind
        .get
        .object
        .first(&answer.tree)
        .ok_or_else(|| Failure::not_found(format!("there is no {} `{anchor}`", kind.kind)))?;
    Ok((
        object::entry(kind, object, &BTreeMap::new())?,
        object.clone(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            listing: 2,
            skip: 7,
            position: Some("/a?b=c:d".to_owned()),
        };
        assert_eq!(
            Cursor::read(Some(&cursor.write())).expect("a cursor"),
            cursor
        );
        assert!(Cursor::read(Some("x")).is_err());
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let header = "</u?page=1>; rel=\"prev\", </u?a=1,2&page=3>; title=\"x\"; rel=\"last next\"";
        assert_eq!(link_next(header).as_deref(), Some("/u?a=1,2&page=3"));
        assert_eq!(link_next("</u>; rel=prev"), None);
    }
}
