//! What can be ordered, and doing it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tombolo_engine::audit::{By, Search, summary};
use tombolo_engine::{App, Engine, Request, fold};
use uuid::Uuid;

use super::FlowOrder;
use super::import::Import;
use crate::flows::Flows;
use crate::registry::{Found, Registry};

/// What one write of an order may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// The audit records that are looked for, one item each.
    Audit {
        /// Which.
        search: Search,
        /// As Entra's provisioning log would show them.
        summary: bool,
    },
    /// Whether the audit's chain holds.
    AuditVerify {
        /// A seal that must be among those of the chain.
        anchor: Option<String>,
    },
    /// What the breakers hold, one item each.
    Held {
        /// Of this app only.
        app: Option<String>,
    },
    /// Does what is held, or drops it; one item each.
    Decide {
        /// In which app.
        app: String,
        /// Of which resources; none: of all.
        resources: Vec<String>,
        /// Do it.
        approve: bool,
        /// Although the resource has changed since.
        anyway: bool,
    },
    /// The first passwords that wait, one item each; no values.
    Passwords {
        /// Of this app only.
        app: Option<String>,
    },
    /// Hands a first password over.
    TakePassword {
        /// In which app.
        app: String,
        /// Whose, by SCIM id.
        resource: String,
    },
    /// Stops the writes of an app, or lets them through again.
    Pause {
        /// Which app.
        app: String,
        /// Stop them.
        pause: bool,
        /// Until then.
        until: Option<Timestamp>,
    },
    /// Has another first password set.
    RenewPassword {
        /// In which app.
        app: String,
        /// Whose, by SCIM id.
        resource: String,
    },
    /// What is known of an object of an app, one item each.
    Inspect {
        /// Of this app.
        app: String,
        /// An SCIM id, an anchor, or a unique value.
        object: String,
    },
    /// About flows.
    Flow(FlowOrder),
    /// Takes back what the audit tells of, or shows what that would do; one item each.
    Undo {
        /// Which records.
        search: Search,
        /// Do it.
        yes: bool,
        /// Although the resource has changed since.
        anyway: bool,
    },
    /// Imports, what they have found, and what is done about it.
    Import(Import),
}

/// A line of the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// One of many.
    Item(Value),
    /// The end, and what it came to.
    Done(Value),
    /// The end, for this reason.
    Failed(String),
}

/// Who does what is ordered.
pub(super) struct Hands<'a> {
    pub(super) engine: &'a Engine,
    /// None where no host runs.
    pub(super) registry: Option<&'a Registry>,
    /// None where no host runs.
    pub(super) flows: Option<&'a Flows>,
    /// Who gave the order.
    pub(super) operator: String,
}

impl Order {
    /// Whether only a running host can do it.
    pub(super) fn needs_apps(&self) -> bool {
        match self {
            Self::Audit { .. } | Self::AuditVerify { .. } => false,
            Self::Held { .. }
            | Self::Decide { .. }
            | Self::Passwords { .. }
            | Self::Pause { .. }
            | Self::TakePassword { .. }
            | Self::RenewPassword { .. }
            | Self::Inspect { .. }
            | Self::Import(_)
            | Self::Undo { .. } => true,
            Self::Flow(order) => order.needs_apps(),
        }
    }
}

impl Hands<'_> {
    /// Does it; items go out while it works.
    pub(super) async fn carry_out(
        &self,
        order: Order,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        match order {
            Order::Audit {
                search,
                summary: as_summary,
            } => {
                let found = self
                    .engine
                    .search_audit(&search)
                    .await
                    .map_err(|why| why.to_string())?;
                let count = found.len();
                for account in found {
                    let item = if as_summary {
                        summary(&account)
                    } else {
                        serde_json::to_value(&account).map_err(|why| why.to_string())?
                    };
                    // Whoever asked has gone away: nothing is left to do.
                    if items.send(Reply::Item(item)).await.is_err() {
                        break;
                    }
                }
                Ok(json!({ "records": count }))
            }
            Order::AuditVerify { anchor } => {
                let verdict = self
                    .engine
                    .verify_audit(anchor.as_deref())
                    .await
                    .map_err(|why| why.to_string())?;
                serde_json::to_value(verdict).map_err(|why| why.to_string())
            }
            Order::Flow(order) => Box::pin(self.flow(order, items)).await,
            Order::Held { app } => self.held(app.as_deref(), items).await,
            Order::Decide {
                app,
                resources,
                approve,
                anyway,
            } => {
                let app = self.app(&app)?;
                self.decide(&app, resources, approve, anyway, items).await
            }
            Order::Passwords { app } => self.passwords(app.as_deref(), items).await,
            Order::TakePassword { app, resource } => self.take_password(&app, &resource).await,
            Order::Pause { app, pause, until } => {
                let order = Uuid::now_v7().to_string();
                let (app, r) = (self.app(&app)?, self.request(&order));
                let ordered = if pause {
                    app.pause(&r, until).await
                } else {
                    app.resume(&r).await
                };
                ordered.map_err(|why| why.to_scim().detail)?;
                let closed = app.closed().await.map_err(|why| why.to_scim().detail)?;
                let opens = closed.as_ref().and_then(|closed| closed.opens);
                Ok(json!({ "closed": closed.is_some(), "opens": opens, "request": order }))
            }
            Order::RenewPassword { app, resource } => {
                let order = Uuid::now_v7().to_string();
                let (app, r) = (self.app(&app)?, self.request(&order));
                app.renew_password(&r, &resource)
                    .await
                    .map_err(|why| why.to_scim().detail)?;
                Ok(json!({ "resource": resource, "request": order }))
            }
            Order::Inspect { app, object } => {
                let found = self.app(&app)?.inspect(&object).await;
                let found = found.map_err(|why| why.to_string())?;
                let count = found.len();
                for one in found {
                    let item = serde_json::to_value(one).map_err(|why| why.to_string())?;
                    if items.send(Reply::Item(item)).await.is_err() {
                        break;
                    }
                }
                Ok(json!({ "objects": count }))
            }
            Order::Undo {
                search,
                yes,
                anyway,
            } => self.undo(&search, yes, anyway, items).await,
            Order::Import(order) => Box::pin(self.import(order, items)).await,
        }
    }

    /// The app of this name, if it is served.
    pub(super) fn app(&self, name: &str) -> Result<Arc<App>, String> {
        match self.registry.map(|registry| registry.find(name)) {
            Some(Found::Serving(generation)) => Ok(Arc::clone(&generation.app)),
            Some(Found::Down) => Err(format!(
                "app `{name}` is not served: `tombolo app list` says why"
            )),
            Some(Found::Absent) => Err(format!("there is no app `{name}`")),
            None => Err("no host runs here".to_owned()),
        }
    }

    /// An order as a request: all that it does has its id.
    pub(super) fn request(&self, id: &str) -> Request {
        let by = By {
            request: id.to_owned(),
            operator: Some(self.operator.clone()),
            ..By::default()
        };
        Request::new(String::new(), Instant::now() + PATIENCE, by)
    }

    /// The apps that an order is about: the one that it names, or all that are served.
    fn apps(&self, only: Option<&str>) -> Result<Vec<(String, Arc<App>)>, String> {
        if let Some(name) = only {
            return Ok(vec![(name.to_owned(), self.app(name)?)]);
        }
        let names: Vec<String> = match self.registry {
            Some(registry) => registry.apps().keys().cloned().collect(),
            None => Vec::new(),
        };
        let served = |name: String| self.app(&name).ok().map(|app| (name, app));
        Ok(names.into_iter().filter_map(served).collect())
    }

    async fn held(&self, only: Option<&str>, items: &Sender<Reply>) -> Result<Value, String> {
        let mut count = 0;
        for (name, app) in self.apps(only)? {
            for held in app.all_held().await.map_err(|why| why.to_string())? {
                count += 1;
                let item = json!({ "app": name, "held": held });
                if items.send(Reply::Item(item)).await.is_err() {
                    break;
                }
            }
        }
        Ok(json!({ "held": count }))
    }

    async fn passwords(&self, only: Option<&str>, items: &Sender<Reply>) -> Result<Value, String> {
        let mut count = 0;
        for (name, app) in self.apps(only)? {
            for waits in app.passwords().await.map_err(|why| why.to_string())? {
                count += 1;
                let item = json!({
                    "app": name, "resource": waits.id, "kind": waits.kind, "name": waits.name,
                    "at": waits.at, "refused": waits.refused,
                });
                if items.send(Reply::Item(item)).await.is_err() {
                    break;
                }
            }
        }
        Ok(json!({ "passwords": count }))
    }

    async fn take_password(&self, app: &str, resource: &str) -> Result<Value, String> {
        let order = Uuid::now_v7().to_string();
        let r = self.request(&order);
        let taken = self.app(app)?.hand_over(&r, resource).await;
        let (whose, password) = taken.map_err(|why| why.to_scim().detail)?;
        Ok(json!({
            "resource": resource, "name": whose.name, "since": whose.at, "request": order,
            "password": password.expose_secret(),
        }))
    }

    async fn decide(
        &self,
        app: &Arc<App>,
        mut resources: Vec<String>,
        approve: bool,
        anyway: bool,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        if resources.is_empty() {
            let all = app.all_held().await.map_err(|why| why.to_string())?;
            resources = all.into_iter().map(|held| held.id).collect();
        }
        let order = Uuid::now_v7().to_string();
        let (mut done, mut failed) = (0, 0);
        for id in resources {
            let r = self.request(&order);
            let outcome = if approve {
                app.approve(&r, &id, anyway).await
            } else {
                app.reject(&r, &id).await
            };
            let item = match outcome {
                Ok(held) => {
                    done += 1;
                    json!({ "resource": id, "name": held.name, "action": held.action, "done": true })
                }
                Err(why) => {
                    failed += 1;
                    json!({ "resource": id, "done": false, "why": why.to_scim().detail })
                }
            };
            // Whoever gave the order may go away: it is carried out all the same.
            let _ = items.send(Reply::Item(item)).await;
        }
        Ok(json!({ "done": done, "failed": failed, "request": order }))
    }

    async fn undo(
        &self,
        search: &Search,
        yes: bool,
        anyway: bool,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let found = self.engine.search_audit(search).await;
        let accounts = fold(found.map_err(|why| why.to_string())?);
        let order = Uuid::now_v7().to_string();
        let (mut done, mut failed) = (0, 0);
        for account in accounts {
            let app = self.app(&account.app)?;
            let r = self.request(&order);
            let plan = app.plan_undo(&r, &account, anyway).await;
            let mut item = json!({
                "record": account.id,
                "app": account.app,
                "name": account.name,
                "undoes": account.action,
                "plan": plan,
            });
            let outcome = if yes {
                app.undo(&r, &account, anyway)
                    .await
                    .map_err(|why| why.to_scim().detail)
            } else {
                plan.problems
                    .first()
                    .map_or(Ok(()), |problem| Err(problem.detail.clone()))
            };
            match outcome {
                Ok(()) => done += 1,
                Err(why) => {
                    failed += 1;
                    item["why"] = why.into();
                }
            }
            let _ = items.send(Reply::Item(item)).await;
        }
        Ok(json!({ "done": done, "failed": failed, "request": order, "dry": !yes }))
    }
}
