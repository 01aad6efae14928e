//! `ldap`: directories by name.
//!
//! A guest says what to search or change; where the directory is, whom it trusts and
//! as whom it is bound are the operator's. Texts that reach a guest name no address.
//!
//! | module | idea |
//! |---|---|
//! | `imports` | the interfaces of the contract |
//! | `client` | one target: its operations, and which of them may be tried again |
//! | `search`, `operation`, `sync` | what is asked: entries, one answer, changes |
//! | `pool` | bound connections between calls |
//! | `shelf` | what goes on over several calls |
//! | `connect` | from the operator's target to a bound connection |
//! | `guard`, `ber` | what a server may not do to the host |
//! | `escape`, `render` | RFC 4515 text that no value can break out of |
//! | `entry`, `error` | what came back |

mod ber;
mod client;
mod connect;
mod entry;
mod error;
mod escape;
mod guard;
mod imports;
mod operation;
mod pool;
mod render;
mod search;
mod shelf;
mod sync;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

pub(crate) use client::Directory;

/// Runs a call into the LDAP library; none if it panicked, which it does on
/// answers that are not well formed.
async fn guarded<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        },
    )
    .await
}
