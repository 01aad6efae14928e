//! Orders about imports.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Sender};
use tombolo_engine::audit::By;
use tombolo_engine::import::Order as Wanted;
use tombolo_engine::import::finding::Sought;
use tombolo_engine::{App, Error, Request};
use uuid::Uuid;

use super::Reply;
use super::order::Hands;

/// How often it is told how far an import is.
const TELL: Duration = Duration::from_millis(500);

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "import", rename_all = "kebab-case")]
pub enum Import {
    /// Imports now; how far it is comes as items.
    Run {
        /// Which app.
        app: String,
        /// This kind only.
        kind: Option<String>,
        /// Everything.
        full: bool,
        /// What is missing is gone, however much it is.
        accept: bool,
    },
    /// How the imports of an app, or of all, stand; one item a kind.
    Status {
        /// Of this app only.
        app: Option<String>,
    },
    /// What imports have found; one item each.
    Report {
        /// In which app.
        app: String,
        /// Of this kind only.
        kind: Option<String>,
        /// Only this.
        sought: Option<Sought>,
    },
    /// Writes again what has drifted, or shows what that would be; one item each.
    Repair {
        /// In which app.
        app: String,
        /// Of these resources; none: of all.
        resources: Vec<String>,
        /// Do it.
        yes: bool,
    },
    /// Makes local accounts a client's, or shows which could be; one item each.
    Adopt {
        /// In which app.
        app: String,
        /// These resources; none: all.
        resources: Vec<String>,
        /// Do it.
        yes: bool,
    },
}

impl Hands<'_> {
    pub(super) async fn import(
        &self,
        order: Import,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        match order {
            Import::Run {
                app,
                kind,
                full,
                accept,
            } => self.run_import(&app, kind, full, accept, items).await,
            Import::Status { app } => self.import_status(app.as_deref(), items).await,
            Import::Report { app, kind, sought } => {
                self.report(&app, kind.as_deref(), sought, items).await
            }
            Import::Repair {
                app,
                resources,
                yes,
            } => self.repair(&app, resources, yes, items).await,
            Import::Adopt {
                app,
                resources,
                yes,
            } => self.adopt(&app, resources, yes, items).await,
        }
    }

    async fn run_import(
        &self,
        app: &str,
        kind: Option<String>,
        full: bool,
        accept: bool,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let app = self.app(app)?;
        let order = Wanted {
            kind,
            full,
            accept,
            by: By {
                operator: Some(self.operator.clone()),
                ..By::default()
            },
        };
        let work = app.import(order);
        tokio::pin!(work);
        let mut told = Value::Null;
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(TELL) => {
                    let running: Vec<Value> = app
                        .imports_known()
                        .into_iter()
                        .filter_map(|known| {
                            Some(json!({ "kind": known.kind, "running": known.running? }))
                        })
                        .collect();
                    let now = Value::Array(running);
                    if now != told {
                        told = now.clone();
                        // Whoever asked may go away: the import goes on.
                        let _ = items.send(Reply::Item(now)).await;
                    }
                }
            }
        };
        let done = done.map_err(|why| why.to_scim().detail)?;
        let kinds: Vec<Value> = done
            .into_iter()
            .map(|(kind, ended)| json!({ "kind": kind, "import": ended }))
            .collect();
        Ok(json!({ "kinds": kinds }))
    }

    async fn import_status(
        &self,
        only: Option<&str>,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let names: Vec<String> = match (only, self.registry) {
            (Some(name), _) => vec![name.to_owned()],
            (None, Some(registry)) => registry.apps().keys().cloned().collect(),
            (None, None) => Vec::new(),
        };
        let mut count = 0;
        for name in names {
            let app = match self.app(&name) {
                Ok(app) => app,
                Err(why) if only.is_some() => return Err(why),
                Err(_) => continue,
            };
            let known = app.import_status(None).await;
            for status in known.map_err(|why| why.to_string())? {
                count += 1;
                let item = json!({ "app": name, "status": status });
                if items.send(Reply::Item(item)).await.is_err() {
                    break;
                }
            }
        }
        Ok(json!({ "kinds": count }))
    }

    async fn report(
        &self,
        app: &str,
        kind: Option<&str>,
        sought: Option<Sought>,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let app = self.app(app)?;
        let (findings, mut found) = mpsc::channel(64);
        let look = async {
            let looked = app.findings(kind, sought, &findings).await;
            drop(findings);
            looked
        };
        let pass = async {
            let mut count = 0;
            while let Some(finding) = found.recv().await {
                let Ok(item) = serde_json::to_value(&finding) else {
                    continue;
                };
                if items.send(Reply::Item(item)).await.is_err() {
                    break;
                }
                count += 1;
            }
            // Nobody takes more: whoever looks is told so.
            found.close();
            while found.recv().await.is_some() {}
            count
        };
        let (looked, count) = tokio::join!(look, pass);
        looked.map_err(|why| why.to_scim().detail)?;
        Ok(json!({ "findings": count }))
    }

    async fn repair(
        &self,
        app: &str,
        mut resources: Vec<String>,
        yes: bool,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let app = self.app(app)?;
        if resources.is_empty() {
            let all = app.drifted_ids().await;
            resources = all.map_err(|why| why.to_string())?;
        }
        Ok(self.each(&app, What::Repair, resources, yes, items).await)
    }

    async fn adopt(
        &self,
        app: &str,
        mut resources: Vec<String>,
        yes: bool,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let app = self.app(app)?;
        if resources.is_empty() {
            let all = app.local_ids().await;
            resources = all.map_err(|why| why.to_string())?;
        }
        Ok(self.each(&app, What::Adopt, resources, yes, items).await)
    }

    /// Does it to each, and counts what went well; one item each.
    async fn each(
        &self,
        app: &Arc<App>,
        what: What,
        resources: Vec<String>,
        yes: bool,
        items: &Sender<Reply>,
    ) -> Value {
        let order = Uuid::now_v7().to_string();
        let (mut done, mut failed) = (0, 0);
        for id in resources {
            let acted = what.done(app, &self.request(&order), &id, yes).await;
            let (good, item) = acted.unwrap_or_else(|why| {
                let item = json!({ "resource": id, "why": why.to_scim().detail });
                (false, item)
            });
            *if good { &mut done } else { &mut failed } += 1;
            let _ = items.send(Reply::Item(item)).await;
        }
        json!({ "done": done, "failed": failed, "request": order, "dry": !yes })
    }
}

/// What is done to each resource of an order.
#[derive(Clone, Copy)]
enum What {
    Repair,
    Adopt,
}

impl What {
    /// Whether it went well, and the item that tells of it.
    async fn done(
        self,
        app: &Arc<App>,
        r: &Request,
        id: &str,
        yes: bool,
    ) -> Result<(bool, Value), Error> {
        match self {
            Self::Repair => {
                let repair = app.repair(r, id, yes).await?;
                Ok((true, json!({ "resource": id, "repair": repair })))
            }
            Self::Adopt => {
                let adoption = app.adopt_local(r, id, yes).await?;
                let item = json!({ "resource": id, "adoption": adoption });
                Ok((adoption.why.is_none(), item))
            }
        }
    }
}
