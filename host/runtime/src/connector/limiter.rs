//! Memory and tables of one instance, summed: a limit per memory would let two memories hold twice the grant.

use wasmtime::ResourceLimiter;

use crate::app::Limits;
use crate::guest::Exceeded;

/// The instance asked for more memory than it was granted.
#[derive(Debug, thiserror::Error)]
#[error("more than {limit} bytes of memory")]
pub(crate) struct OutOfMemory {
    pub(crate) limit: usize,
}

/// Most core instances of one component: a component made by an ordinary tool chain has fewer than ten.
const INSTANCES: usize = 64;
/// Most memories and tables of one instance.
const MEMORIES: usize = 16;
const TABLES: usize = 32;

/// Counts what one instance holds. Refusing ends the call (an error, not `-1`): what a guest does after a
/// failed `memory.grow` is to crash with a less helpful message.
pub(crate) struct Limiter {
    memory: usize,
    memory_limit: usize,
    elements: usize,
    elements_limit: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            memory_limit: limits.memory,
            elements: 0,
            elements_limit: limits.tables,
        }
    }

    /// Bytes of linear memory held now.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_limit {
            return Err(OutOfMemory {
                limit: self.memory_limit,
            }
            .into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .elements
            .saturating_sub(current)
            .saturating_add(desired);
        if wanted > self.elements_limit {
            return Err(Exceeded {
                what: "table elements",
                limit: self.elements_limit as u64,
            }
            .into());
        }
        self.elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}
