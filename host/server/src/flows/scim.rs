//! A SCIM server as a sink, Entra's own SCIM API among them.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use tombolo_engine::flow::definition::Leave;
use tombolo_engine::flow::sink::{Delivery, Receipt, Shape, Sink, SinkError};
use tombolo_inbound::scim::{Done, Entry, Kind, Members, Server, Stop, Wanted};
use tombolo_inbound::session::Session;
use url::Url;

use super::checked::ty_of;
use crate::config::sink::Objects;

/// Deliveries at a time: whoever leaves waits for one batch at most.
const BATCH: usize = 50;
/// When to look again at what somebody has to put right first.
const BY_HAND: Duration = Duration::from_mins(1);

/// A SCIM server.
pub(super) struct ScimSink {
    pub(super) identity: String,
    pub(super) object: Objects,
    pub(super) server: Reach,
}

/// How the server is reached.
pub(super) enum Reach {
    /// It is known what it can.
    Known(Box<Server>),
    /// It is asked what it can when it is first needed.
    Asked(Box<(Session, Url, OnceCell<Server>)>),
}

impl ScimSink {
    async fn server(&self) -> Result<&Server, SinkError> {
        match &self.server {
            Reach::Known(server) => Ok(server),
            Reach::Asked(asked) => {
                let (session, url, server) = &**asked;
                let connect = || Server::connect(session.clone(), url.clone());
                server
                    .get_or_try_init(connect)
                    .await
                    .map_err(|stop| stopped(&stop))
            }
        }
    }

    fn entry(&self, delivery: &Delivery) -> (Entry, Vec<String>) {
        let users = self.object == Objects::Users;
        let (mut body, lacks) = delivery.referring();
        let members = body.remove("members");
        let members = members.as_ref().and_then(|members| members.as_array());
        let ids = members
            .into_iter()
            .flatten()
            .filter_map(|member| member.get("value")?.as_str().map(str::to_owned));
        let ids: Vec<String> = ids.collect();
        let none = delivery.record.cleared.iter().any(|path| path == "members");
        let has_members = members.is_some() || none;
        let wanted = if !delivery.is_in && (delivery.leave == Leave::Delete || !users) {
            Wanted::Absent
        } else {
            let mut resource = delivery.record.with_nulls(body);
            resource.remove("members");
            resource.insert("externalId".to_owned(), delivery.key.as_str().into());
            Wanted::Present {
                resource,
                members: has_members.then_some(Members::Exactly(ids)),
            }
        };
        let entry = Entry {
            key: delivery.key.clone(),
            kind: if users { Kind::User } else { Kind::Group },
            id: delivery.sink.clone(),
            wanted,
        };
        (entry, lacks)
    }
}

fn stopped(stop: &Stop) -> SinkError {
    let until = stop
        .retry_at()
        .map(|at| at.duration_since(Timestamp::now()));
    SinkError {
        reason: stop.to_string(),
        after: until.map_or(BY_HAND, |wait| Duration::try_from(wait).unwrap_or_default()),
    }
}

#[async_trait::async_trait]
impl Sink for ScimSink {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn shape(&self) -> Result<Shape, String> {
        Ok(Shape {
            ty: ty_of(self.object),
            open: true,
            explicit_active: false,
        })
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn deliver(&self, batch: &[Delivery]) -> Result<Vec<Receipt>, SinkError> {
        let server = self.server().await?;
        let (mut entries, mut lacking) = (Vec::new(), HashMap::new());
        for delivery in batch {
            let (entry, lacks) = self.entry(delivery);
            entries.push(entry);
            lacking.insert(delivery.key.clone(), lacks);
        }
        let applied = server.apply(entries).await;
        let stop = applied.stopped.as_ref().map(stopped);
        let mut receipts = HashMap::new();
        for (key, done) in applied.done {
            let id = match done {
                Done::Created { id } | Done::Updated { id } | Done::Unchanged { id } => Some(id),
                Done::Deleted => None,
            };
            let lacks = lacking.remove(&key).unwrap_or_default();
            receipts.insert(key, Receipt::Done { id, lacks });
        }
        for refused in applied.refused {
            let reason = refused.why;
            receipts.insert(refused.key, Receipt::Refused { reason });
        }
        match stop {
            Some(stop) if receipts.is_empty() => Err(stop),
            stop => Ok(batch
                .iter()
                .map(|delivery| {
                    receipts
                        .remove(&delivery.key)
                        .unwrap_or_else(|| Receipt::Retry {
                            after: stop.as_ref().map_or(BY_HAND, |stop| stop.after),
                            reason: stop.as_ref().map_or_else(
                                || "it was not tried".to_owned(),
                                |stop| stop.reason.clone(),
                            ),
                        })
                })
                .collect()),
        }
    }
}
