//! Bulk requests (RFC 7644, section 3.7), without doing any of them.
//!
//! A [`BulkRequest`] is read, a [`Run`] hands out one [`Task`] after the other and takes what came of it, and in the end
//! there is the answer:
//!
//! ```text
//! let mut run = BulkRequest::parse(&rules, body)?.begin(base_url);
//! while let Some(task) = run.next_task() {
//!     let outcome = …;                     // the task, as if it had come alone
//!     run.finish(&task, outcome);
//! }
//! run.answer()
//! ```
//!
//! An operation waits for those whose `bulkId` it names. Where they wait for each other (two users, each the other's
//! manager) the first of them is created without the reference, which a PATCH adds once the others are there
//! (section 3.7.1). Whatever else fails costs only the operations that need it; the answer is in the request's order.

mod operation;
mod order;
mod reference;
mod run;

pub use self::operation::{BulkRequest, Method};
pub use self::run::{Done, Run, Task};

/// The URN of a bulk request.
pub const REQUEST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The URN of its answer.
pub const RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
