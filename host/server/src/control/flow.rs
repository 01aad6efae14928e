//! Orders about flows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tombolo_engine::flow;

use super::Reply;
use super::order::Hands;

/// What can be ordered of flows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "flow-order", rename_all = "kebab-case")]
pub enum FlowOrder {
    /// The flows there are, one item each.
    List,
    /// What a run would come to.
    Plan {
        /// Which flow.
        flow: String,
        /// The clock is right.
        accept_clock: bool,
        /// The source has really shrunk.
        accept_shrink: bool,
    },
    /// Reads now, and waits until nothing is left that could be delivered.
    Run {
        /// Which flow.
        flow: String,
        /// Everything, even where the source tells of changes.
        full: bool,
        /// The source has really shrunk.
        accept_shrink: bool,
        /// The clock is right.
        accept_clock: bool,
        /// How long to wait for deliveries, in seconds.
        wait: u64,
    },
    /// Where flows stand, one item each.
    Status {
        /// This one only.
        flow: Option<String>,
    },
    /// Tries those again whom the sink has refused.
    Retry {
        /// Which flow.
        flow: String,
        /// These; none: all.
        keys: Vec<String>,
    },
}

impl FlowOrder {
    /// Whether only a running host can do it.
    pub(super) fn needs_apps(&self) -> bool {
        !matches!(self, Self::Status { .. })
    }
}

impl Hands<'_> {
    pub(super) async fn flow(
        &self,
        order: FlowOrder,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        match order {
            FlowOrder::List => self.list_flows(items).await,
            FlowOrder::Plan {
                flow,
                accept_clock,
                accept_shrink,
            } => {
                let order = flow::Order {
                    full: true,
                    accept_shrink,
                    accept_clock,
                };
                let plan = self.find_flow(&flow)?.plan(order).await;
                json_of(&plan.map_err(|why| why.to_string())?)
            }
            FlowOrder::Run {
                flow,
                full,
                accept_shrink,
                accept_clock,
                wait,
            } => {
                let flow = self.find_flow(&flow)?;
                let order = flow::Order {
                    full,
                    accept_shrink,
                    accept_clock,
                };
                let run = flow.run(order).await;
                let settled = flow.settled(Duration::from_secs(wait)).await;
                let settled = settled.map_err(|why| why.to_string())?;
                let standing = flow.standing().await.map_err(|why| why.to_string())?;
                Ok(json!({ "run": run, "settled": settled, "standing": standing }))
            }
            FlowOrder::Status { flow } => self.flow_status(flow.as_deref(), items).await,
            FlowOrder::Retry { flow, keys } => {
                let flow = self.find_flow(&flow)?;
                let keys = (!keys.is_empty()).then_some(keys);
                let count = flow.retry(keys.as_deref()).await;
                Ok(json!({ "retried": count.map_err(|why| why.to_string())? }))
            }
        }
    }

    fn find_flow(&self, name: &str) -> Result<std::sync::Arc<flow::Flow>, String> {
        match self.flows {
            Some(flows) => flows.find(name),
            None => Err("no host runs here".to_owned()),
        }
    }

    async fn list_flows(&self, items: &Sender<Reply>) -> Result<Value, String> {
        let listed = self
            .flows
            .map(crate::flows::Flows::list)
            .unwrap_or_default();
        let count = listed.len();
        for listed in listed {
            let gauges = listed.flow.as_ref().map(|flow| flow.gauges());
            let state = match (&gauges, listed.trouble.has_errors()) {
                (None, _) => "failed",
                (Some(_), true) => "stale",
                (Some(gauges), _) if gauges.held => "held",
                (Some(gauges), _) if !gauges.here => "elsewhere",
                (Some(_), _) => "running",
            };
            let trouble: Vec<String> = listed
                .trouble
                .0
                .iter()
                .map(crate::config::Diagnostic::line)
                .collect();
            let item = json!({
                "name": listed.name,
                "state": state,
                "source": listed.flow.as_ref().map(|flow| flow.definition().source.clone()),
                "sink": listed.flow.as_ref().map(|flow| flow.sink().identity()),
                "last-good": gauges.and_then(|gauges| gauges.last_good),
                "trouble": trouble,
            });
            if items.send(Reply::Item(item)).await.is_err() {
                break;
            }
        }
        Ok(json!({ "flows": count }))
    }

    async fn flow_status(
        &self,
        only: Option<&str>,
        items: &Sender<Reply>,
    ) -> Result<Value, String> {
        let mut standings = Vec::new();
        match self.flows {
            Some(flows) => {
                for listed in flows.list() {
                    if let Some(flow) = listed.flow {
                        standings.push(flow.standing().await.map_err(|why| why.to_string())?);
                    }
                }
            }
            None => {
                let all = self.engine.standings().await;
                standings.extend(all.map_err(|why| why.to_string())?);
            }
        }
        if let Some(only) = only {
            standings.retain(|standing| standing.flow == only);
            if standings.is_empty() {
                return Err(format!("there is no flow `{only}`, or it has never run"));
            }
        }
        let count = standings.len();
        for standing in standings {
            if items.send(Reply::Item(json_of(&standing)?)).await.is_err() {
                break;
            }
        }
        Ok(json!({ "flows": count }))
    }
}

fn json_of(value: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|why| why.to_string())
}
