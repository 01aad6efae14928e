//! What readers see: the tree as it is on the disk.
//!
//! A group of commits is in sled's tree before it is on the disk. For that
//! while the values from before the group lie over the tree. Readers hold the
//! lock for the length of one read, so each read sees a group wholly or not.

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::RwLock;

use crate::{Bounds, Pair, Range, StoreError};

/// Values by key; `None` is "no such key".
pub(super) type Images = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

pub(super) struct View {
    tree: sled::Tree,
    before: RwLock<Images>,
}

impl View {
    pub(super) fn new(tree: sled::Tree) -> Self {
        Self {
            tree,
            before: RwLock::default(),
        }
    }

    /// The tree with what is not yet durable: for the committer.
    pub(super) fn tree(&self) -> &sled::Tree {
        &self.tree
    }

    /// From now on readers see `images` instead of the tree.
    pub(super) fn mask(&self, images: Images) {
        *self.before.write() = images;
    }

    /// What was masked is durable now.
    pub(super) fn unmask(&self) {
        let images = std::mem::take(&mut *self.before.write());
        drop(images);
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let before = self.before.read();
        if let Some(image) = before.get(key) {
            return Ok(image.clone());
        }
        let value = self.tree.get(key).map_err(read_error)?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    pub(super) fn scan(&self, range: &Range) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        self.walk(range, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
        })?;
        Ok(pairs)
    }

    pub(super) fn count(&self, range: &Range) -> Result<u64, StoreError> {
        let mut count = 0;
        self.walk(range, |_, _| count += 1)?;
        Ok(count)
    }

    /// Merges the tree with the images that lie over it.
    fn walk(&self, range: &Range, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        let Some(bounds) = range.bounds() else {
            return Ok(());
        };
        let mut left = range.max().unwrap_or(usize::MAX);
        let before = self.before.read();
        let reverse = range.is_reverse();
        let mut images = directed(before.range::<[u8], _>(borrowed(&bounds)), reverse).peekable();
        let mut stored = directed(self.tree.range(bounds.clone()), reverse).peekable();
        while left > 0 {
            let image_is_next = match (images.peek(), stored.peek()) {
                (None, None) => break,
                // A failure comes to light when its turn has come.
                (None, Some(_)) | (Some(_), Some(Err(_))) => false,
                (Some(_), None) => true,
                (Some((image, _)), Some(Ok((key, _)))) => {
                    let order = image.as_slice().cmp(key);
                    if order.is_eq() {
                        stored.next();
                        true
                    } else {
                        order.is_lt() != reverse
                    }
                }
            };
            if image_is_next {
                if let Some((key, Some(value))) = images.next() {
                    visit(key, value);
                    left -= 1;
                }
            } else if let Some(pair) = stored.next() {
                let (key, value) = pair.map_err(read_error)?;
                visit(&key, &value);
                left -= 1;
            }
        }
        Ok(())
    }
}

fn borrowed(bounds: &Bounds) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (
        bounds.0.as_ref().map(Vec::as_slice),
        bounds.1.as_ref().map(Vec::as_slice),
    )
}

/// One iterator type for both directions.
fn directed<I: DoubleEndedIterator>(mut iter: I, reverse: bool) -> impl Iterator<Item = I::Item> {
    std::iter::from_fn(move || {
        if reverse {
            iter.next_back()
        } else {
            iter.next()
        }
    })
}

pub(super) fn read_error(error: impl std::fmt::Display) -> StoreError {
    StoreError::Read {
        cause: error.to_string().into(),
    }
}
