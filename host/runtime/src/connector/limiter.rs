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

/// Most memories and tables of one instance.
pub(super) const MEMORIES: usize = 16;
pub(super) const TABLES: usize = 32;

/// Counts what one instance holds. Refusing ends the call (an error, not `-1`): what a guest does after a
/// failed `memory.grow` is to crash with a less helpful message.
pub(crate) struct Limiter {
    memory: usize,
    memory_limit: usize,
    /// What the growth under way adds: taken back when the machine refuses it.
    growing: usize,
    elements: usize,
    elements_limit: usize,
    instances_limit: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            growing: 0,
            memory_limit: limits.memory,
            elements: 0,
            elements_limit: limits.tables,
            instances_limit: limits.instances,
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
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // More than the memory's own maximum: an ordinary failure of the guest's, which costs nothing.
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_limit {
            return Err(OutOfMemory {
                limit: self.memory_limit,
            }
            .into());
        }
        self.growing = wanted.saturating_sub(self.memory);
        self.memory = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory -= std::mem::take(&mut self.growing);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|most| desired > most) {
            return Ok(false);
        }
        let wanted = self
            .elements
            .saturating_sub(current)
            .saturating_add(desired);
        if wanted > self.elements_limit {
            return Err(Exceeded {
                what: "table elements of one instance, `limits.tables`",
                limit: self.elements_limit as u64,
            }
            .into());
        }
        self.elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_limit
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 64 << 10;

    fn limiter() -> Limiter {
        Limiter::new(&Limits {
            memory: 4 * PAGE,
            tables: 10,
            ..Limits::default()
        })
    }

    #[test]
    fn two_memories_share_one_limit() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(limiter.memory_growing(0, PAGE, None).unwrap());
        assert!(limiter.memory_growing(PAGE, 2 * PAGE, None).unwrap());
        let error = limiter
            .memory_growing(2 * PAGE, 3 * PAGE, None)
            .unwrap_err();
        assert_eq!(error.downcast_ref::<OutOfMemory>().unwrap().limit, 4 * PAGE);
        assert_eq!(limiter.memory(), 4 * PAGE);
    }

    #[test]
    fn growth_that_fails_costs_nothing() {
        let mut limiter = limiter();
        assert!(limiter.memory_growing(0, PAGE, Some(PAGE)).unwrap());
        for _ in 0..9 {
            assert!(!limiter.memory_growing(PAGE, 2 * PAGE, Some(PAGE)).unwrap());
            assert!(limiter.memory_growing(0, 3 * PAGE, None).unwrap());
            limiter
                .memory_grow_failed(wasmtime::Error::msg("no memory"))
                .unwrap();
        }
        assert_eq!(limiter.memory(), PAGE);
    }

    #[test]
    fn tables_share_one_limit_too() {
        let mut limiter = limiter();
        assert!(limiter.table_growing(0, 6, None).unwrap());
        assert!(!limiter.table_growing(6, 9, Some(8)).unwrap());
        assert!(limiter.table_growing(0, 4, None).unwrap());
        assert!(limiter.table_growing(4, 5, None).is_err());
    }
}
