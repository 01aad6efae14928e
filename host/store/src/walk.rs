//! Everything in a store, page by page.

use crate::{Pair, StoreError};

/// Pairs a page.
pub(crate) const PAGE: usize = 256;

/// A walk over every pair, in the order of the keys.
#[async_trait::async_trait]
pub trait Walk: Send {
    /// The next pairs; none when all have been seen.
    async fn next(&mut self) -> Result<Vec<Pair>, StoreError>;
}
