//! Flows: what one app's target holds, carried into a sink whenever it changes there.
//!
//! A flow reads a source (an app of this host, through its connector), makes a record of each object, finds out what has
//! changed, and queues it; apart from that, the queue is emptied into the sink. The two meet in the store only: a watermark
//! moves in the commit that queues what it covers, and what is queued leaves the queue when the sink has it. So a crash
//! between any two steps loses nothing, and repeats only what a sink takes twice without harm.
//!
//! | module | idea |
//! |---|---|
//! | [`definition`] | what an operator says of a flow |
//! | [`form`] | from the source's object to the record that is sent |
//! | [`fact`] | what a source says of one person |
//! | `person` | what is known of one person |
//! | `change` | joiner, mover, leaver, rehire: decided from these two |
//! | `book` | the flow's part of the store |
//! | `keys` | its keys |
//! | `lease` | one host at a time |
//! | `source` | reading an app |
//! | `reading` | one pass over the source's entries |
//! | `scan`, `follow` | everything, or what has changed since |
//! | `promote` | from what a scan found to the queue |
//! | `guard` | what is too strange to be believed |
//! | [`sink`] | where records go |
//! | `app_sink` | another app of this host |
//! | `deliver` | from the queue to the sink |
//! | `receipts` | what the sink said of it |
//! | [`report`] | what is told of it |
//! | [`schedule`] | when |
//! | [`running`] | a flow at work |

mod app_sink;
mod book;
mod change;
pub mod definition;
mod deliver;
pub mod fact;
mod follow;
pub mod form;
mod guard;
mod keys;
mod lease;
mod person;
mod promote;
mod reading;
mod receipts;
pub mod report;
pub mod running;
mod scan;
pub mod schedule;
pub mod sink;
mod source;

#[cfg(test)]
mod tests;

pub use app_sink::AppSink;
pub use change::Change;
pub use definition::Definition;
pub use report::{Run, Standing};
pub use running::{Flow, Gauges, Order};
pub use source::Apps;

use tombolo_store::StoreError;

/// Why a flow cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The source cannot be read.
    #[error("the source cannot be read: {0}")]
    Source(String),
    /// The flow's file and what it joins do not fit.
    #[error("{0}")]
    Misfit(String),
    /// What was read is not believed.
    #[error("{reason}; {remedy}")]
    Held {
        /// What is strange.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// Another host runs the flow.
    #[error("another host runs this flow; give the order there")]
    Elsewhere,
    /// The flow is being stopped.
    #[error("the flow was stopped before the run was over; the next one goes on from there")]
    Stopped,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store holds cannot be read.
    #[error(
        "the store holds something unreadable of this flow: {0}; restore a backup, or rename the flow and let it begin anew"
    )]
    Corrupt(String),
}
