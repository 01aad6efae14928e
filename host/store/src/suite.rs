//! The tests that any engine must pass.
//!
//! An engine's own tests call [`all`] with a way to open it (each call on the
//! same data) and [`kill`] with a way to run itself as a child process.

mod history;
mod kill;
mod outage;
mod rules;

pub use history::linearizable_under_concurrency;
pub use kill::{KillPlan, kill, work_until_killed};
pub use outage::{Outage, keeps_its_word};
pub use rules::*;

use std::future::Future;
use std::sync::Arc;

use crate::Store;

/// An engine under test: opening it again gives the same data.
pub trait Bench: Send + Sync {
    /// Opens the store. The one opened before has been dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// Every rule but the kill, each on keys of its own.
pub async fn all(bench: &impl Bench) {
    {
        let store = bench.open().await;
        a_commit_is_all_or_nothing(&*store).await;
        absent_equals_and_exists_decide(&*store).await;
        checks_see_only_what_was_before(&*store).await;
        the_last_write_of_a_key_stands(&*store).await;
        scans_are_ordered_by_bytes(&*store).await;
        pages_join_without_gap_or_overlap(&*store).await;
        bounds_and_prefixes_are_exact(&*store).await;
        large_values_are_kept(&*store).await;
        a_walk_sees_everything(&*store).await;
        concurrent_increments_lose_nothing(store.clone()).await;
        one_winner_takes_an_absent_key(store.clone()).await;
        a_scan_sees_commits_whole(store.clone()).await;
        blind_writes_have_one_order(store.clone()).await;
        linearizable_under_concurrency(&[store]).await;
    }
    reopening_keeps_everything(bench).await;
}
