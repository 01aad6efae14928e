//! Orders to the host that runs on a configuration directory, or to its store.

use serde_json::Value;

use crate::config::Layout;
use crate::control::{Order, ask};

/// Gives an order and hands over the items as they come; answers what it came to.
pub(super) async fn give(
    layout: &Layout,
    order: Order,
    item: impl FnMut(Value) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    Box::pin(ask(layout, order, item)).await
}
