//! What is written at once, and under which conditions.

use std::collections::BTreeMap;

use crate::CommitError;

/// Values by key; `None` is "no such key".
pub(crate) type Images = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A set of writes that happens wholly or not at all, and only if every check
/// holds at that moment. A key written twice keeps the last write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Conditions, looked at before the first write.
    pub checks: Vec<Check>,
    /// Writes, in order.
    pub writes: Vec<Write>,
}

/// A condition on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The key has no value.
    Absent(Vec<u8>),
    /// The key has exactly this value.
    Equals(Vec<u8>, Vec<u8>),
    /// The key has some value.
    Exists(Vec<u8>),
}

/// A change to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value.
    Put(Vec<u8>, Vec<u8>),
    /// Removes the key; removing an absent key is no error.
    Delete(Vec<u8>),
}

impl Commit {
    /// An empty commit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if `key` has no value.
    #[must_use]
    pub fn absent(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.checks.push(Check::Absent(key.into()));
        self
    }

    /// Only if `key` has exactly `value`.
    #[must_use]
    pub fn equals(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.checks.push(Check::Equals(key.into(), value.into()));
        self
    }

    /// Only if `key` has some value.
    #[must_use]
    pub fn exists(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.checks.push(Check::Exists(key.into()));
        self
    }

    /// Sets `key` to `value`.
    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Put(key.into(), value.into()));
        self
    }

    /// Removes `key`.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.writes.push(Write::Delete(key.into()));
        self
    }

    /// Checks this commit against those staged before it and, where they say nothing of a key, against what `holds`
    /// knows; then stages its writes. How engines make one group of many commits.
    pub(crate) fn stage(
        &self,
        staged: &mut Images,
        mut holds: impl FnMut(&Check) -> Result<bool, CommitError>,
    ) -> Result<(), CommitError> {
        for check in &self.checks {
            let key = check.key();
            let good = match staged.get(key) {
                Some(value) => check.holds(value.as_deref()),
                None => holds(check)?,
            };
            if !good {
                return Err(CommitError::Conflict { key: key.to_vec() });
            }
        }
        for write in &self.writes {
            match write {
                Write::Put(key, value) => staged.insert(key.clone(), Some(value.clone())),
                Write::Delete(key) => staged.insert(key.clone(), None),
            };
        }
        Ok(())
    }

    /// How many bytes it carries.
    pub(crate) fn bytes(&self) -> usize {
        let written = self.writes.iter().map(|write| match write {
            Write::Put(key, value) => key.len() + value.len(),
            Write::Delete(key) => key.len(),
        });
        written.sum()
    }

    /// Nothing to check and nothing to write.
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.writes.is_empty()
    }
}

impl Check {
    /// The key that the condition is about.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Absent(key) | Self::Equals(key, _) | Self::Exists(key) => key,
        }
    }

    /// Whether the condition holds for the value that the key has now.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Absent(_) => value.is_none(),
            Self::Equals(_, wanted) => value == Some(wanted.as_slice()),
            Self::Exists(_) => value.is_some(),
        }
    }
}

impl Write {
    /// The key that is written.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}
