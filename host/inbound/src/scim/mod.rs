//! Users and groups into any SCIM 2.0 server, or into Entra's SCIM API, which takes and charges otherwise.
//!
//! What is wanted is compared with what is there, and only the difference is written: a second run writes nothing. Where
//! the server has `/Bulk`, what need not be compared goes by it, and whatever fails there is done again alone.
//!
//! | module | idea |
//! |---|---|
//! | `entry` | what is wanted of one user or group, and what came of it |
//! | `abilities` | `/ServiceProviderConfig` |
//! | `find` | which resource is it? |
//! | `one` | one entry, alone |
//! | `difference` | what is wanted against what is there |
//! | `members` | who is in a group |
//! | `bulk` | many entries in one request |

mod abilities;
mod bulk;
mod difference;
mod entry;
mod find;
mod members;
mod one;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

pub use self::abilities::{Abilities, BulkLimits};
pub use self::entry::{Applied, Done, Entry, Kind, Members, Refused, Stop, Wanted};
use crate::auth::{Endpoints, below};
use crate::cost::Meter;
use crate::session::Session;
use crate::wire::{Answer, Request, SCIM_JSON};

/// The URN of a PATCH.
const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// A SCIM server. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    session: Session,
    base: Url,
    service: Service,
}

/// Whose SCIM it is.
#[derive(Clone, Debug)]
enum Service {
    /// As the RFCs have it, as far as the server says.
    Standard(Abilities),
    /// Entra's: no PUT, no `/Bulk`, cursors, few filters, small member changes, and a bill.
    Entra(Meter),
}

/// Whether the rest is tried.
enum Trouble {
    /// This entry cannot be.
    Refused(String),
    /// Nothing can.
    Stop(Stop),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Server {
    /// Any SCIM 2.0 server; asks it what it can.
    pub async fn connect(session: Session, base: Url) -> Result<Self, Stop> {
        let mut server = Self {
            session,
            base,
            service: Service::Standard(Abilities::default()),
        };
        let answer = server
            .send(Method::GET, &["ServiceProviderConfig"], None)
            .await?;
        server.service = Service::Standard(abilities::read(&answer)?);
        Ok(server)
    }

    /// Entra's SCIM API, with the meter that counts what it charges.
    pub fn entra(session: Session, endpoints: &Endpoints, meter: Meter) -> Self {
        Self {
            session,
            base: endpoints.scim(),
            service: Service::Entra(meter),
        }
    }

    /// What the server can.
    pub fn abilities(&self) -> Abilities {
        match &self.service {
            Service::Standard(abilities) => *abilities,
            Service::Entra(_) => Abilities {
                patch: true,
                bulk: None,
            },
        }
    }

    fn is_entra(&self) -> bool {
        matches!(self.service, Service::Entra(_))
    }

    /// Makes the server as it is wanted, entry by entry, in order.
    pub async fn apply(&self, entries: Vec<Entry>) -> Applied {
        let mut applied = Applied::default();
        let mut left = entries;
        if let Some(limits) = self.abilities().bulk
            && left.len() > 1
        {
            left = self.in_bulk(left, limits, &mut applied).await;
        }
        let mut left = left.into_iter();
        while applied.stopped.is_none()
            && let Some(entry) = left.next()
        {
            match self.one(&entry).await {
                Ok(done) => applied.done.push((entry.key, done)),
                Err(Trouble::Refused(why)) => applied.refused.push(Refused {
                    key: entry.key,
                    why,
                }),
                Err(Trouble::Stop(stop)) => {
                    applied.left.push(entry);
                    applied.stopped = Some(stop);
                }
            }
        }
        applied.left.extend(left);
        applied
    }

    /// One request below the base; an answer that nobody can be blamed for is a stop.
    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, Stop> {
        self.send_to(method, below(&self.base, path), body).await
    }

    async fn send_to(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, Stop> {
        let request = Request {
            method,
            url,
            body: body.map(|body| (SCIM_JSON, body.to_string().into_bytes())),
            accept: SCIM_JSON,
        };
        let answer = self.session.ask(&request).await?;
        if let Service::Entra(meter) = &self.service
            && Meter::charges(answer.status)
        {
            meter.count(self.session.clock.now()).await?;
        }
        if answer.status == StatusCode::FORBIDDEN {
            let rights = match self.service {
                Service::Entra(_) => {
                    "; grant the application `User.ReadWrite.All` and `Group.ReadWrite.All` of Microsoft Graph as *application* permissions, with admin consent"
                }
                Service::Standard(_) => "",
            };
            return Err(Stop::Forbidden(format!("{}{rights}", answer.said())));
        }
        Ok(answer)
    }

    /// `Users`, which Entra writes small.
    fn endpoint(&self, kind: Kind) -> &'static str {
        match (kind, self.is_entra()) {
            (Kind::User, false) => "Users",
            (Kind::Group, false) => "Groups",
            (Kind::User, true) => "users",
            (Kind::Group, true) => "groups",
        }
    }
}

/// A member of an object, whatever the case of its name: Entra answers with `resources`.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value
        .as_object()
        .and_then(|object| {
            object
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
        })
        .map_or(&Value::Null, |(_, value)| value)
}

/// What an unwanted answer comes to.
fn refused(answer: &Answer) -> Trouble {
    Trouble::Refused(format!("{}: {}", answer.status, answer.said()))
}
