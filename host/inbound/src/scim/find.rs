//! Which resource of the server is it? By `externalId`, and if nobody has that, by the name that must be unique.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

use super::entry::Kind;
use super::{Server, Trouble, member, refused};
use crate::auth::below;

/// A resource that was found: as the server shows it.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) resource: Value,
}

impl Server {
    /// The resource of this key, or with these names, if there is one.
    pub(super) async fn find(
        &self,
        kind: Kind,
        key: &str,
        wanted: Option<&Map<String, Value>>,
    ) -> Result<Option<Found>, Trouble> {
        // Entra's groups have no `externalId`.
        if !(self.is_entra() && kind == Kind::Group)
            && let Some(found) = self.query(kind, "externalId", key).await?
        {
            return Ok(Some(found));
        }
        let name = match kind {
            Kind::User => "userName",
            Kind::Group => "displayName",
        };
        let Some(value) = wanted.and_then(|wanted| wanted.get(name)?.as_str()) else {
            return Ok(None);
        };
        let Some(found) = self.query(kind, name, value).await? else {
            return Ok(None);
        };
        let other = member(&found.resource, "externalId").as_str();
        if let Some(other) = other.filter(|other| !other.is_empty() && *other != key) {
            return Err(Trouble::Refused(format!(
                "the {name} `{value}` belongs to another record of the server, with the externalId `{other}`"
            )));
        }
        Ok(Some(found))
    }

    async fn query(
        &self,
        kind: Kind,
        attribute: &str,
        value: &str,
    ) -> Result<Option<Found>, Trouble> {
        let mut url = below(&self.base, &[self.endpoint(kind)]);
        // A JSON string is a filter's literal (RFC 7644, section 3.4.2.2).
        let filter = format!("{attribute} eq {}", Value::from(value));
        url.query_pairs_mut().append_pair("filter", &filter);
        if kind == Kind::Group && !self.is_entra() {
            url.query_pairs_mut()
                .append_pair("excludedAttributes", "members");
        }
        let answer = self.send_to(Method::GET, url, None).await?;
        match answer.status {
            StatusCode::OK => {}
            // Not a filter that it knows, or its way of saying "nobody".
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => {
                return Ok(None);
            }
            _ => return Err(refused(&answer)),
        }
        let body = answer.json();
        let hits: &[Value] = member(&body, "Resources")
            .as_array()
            .map_or(&[], Vec::as_slice);
        // A server that ignores the filter answers with everybody.
        let mut hits = hits.iter().filter(|hit| {
            let has = member(hit, attribute).as_str();
            has.is_none_or(|has| has.eq_ignore_ascii_case(value))
        });
        let (Some(hit), more) = (hits.next(), hits.count()) else {
            return Ok(None);
        };
        if more > 0 {
            return Err(Trouble::Refused(format!(
                "the server has {} resources with {attribute} `{value}`; it must be unique",
                more + 1
            )));
        }
        let id = member(hit, "id").as_str().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| {
            Trouble::Refused("the server answered with a resource that has no `id`".to_owned())
        })?;
        Ok(Some(Found {
            id: id.to_owned(),
            resource: hit.clone(),
        }))
    }
}
