//! What is left of a round, and giving it out.

use std::collections::VecDeque;

use super::syncrepl::Stream;
use super::token::Binding;
use super::{Bounds, Change, Deletions};
use crate::capability::ldap::client::Directory;
use crate::capability::ldap::error::Error;

/// Where more comes from.
pub(super) enum Source {
    /// From the server.
    Stream(Box<Stream>),
    /// All has come.
    Over {
        /// The server's, for what follows.
        cookie: Vec<u8>,
        /// None: the server has more, for another exchange.
        ends: Option<Deletions>,
    },
}

/// Changes that a caller has not got yet.
pub(super) struct Round {
    pub(super) binding: Binding,
    /// The server's cookie at its beginning.
    pub(super) since: Vec<u8>,
    /// What came and was not given out.
    pub(super) rest: VecDeque<Change>,
    pub(super) source: Source,
}

impl Round {
    /// As many changes as there is room for, or all to the end when they are not wanted.
    pub(super) async fn give(
        &mut self,
        directory: &Directory,
        bounds: Bounds,
        keep: bool,
    ) -> Result<Vec<Change>, Error> {
        let mut given: Vec<Change> = Vec::new();
        let mut size = 0;
        loop {
            if !keep {
                self.rest.clear();
            }
            while let Some(next) = self.rest.front() {
                let weight = next.size();
                let full = given.len() >= bounds.limit || size + weight > bounds.max_answer;
                if full && given.is_empty() {
                    return Err(Error::TooLarge(bounds.max_answer));
                }
                if full {
                    return Ok(given);
                }
                size += weight;
                given.extend(self.rest.pop_front());
            }
            match &mut self.source {
                Source::Over { .. } => return Ok(given),
                Source::Stream(stream) => {
                    if let Some(over) = stream
                        .read(directory, &self.since, &mut self.rest, bounds.max_answer)
                        .await?
                    {
                        // The connection is free for others.
                        let Source::Stream(stream) = std::mem::replace(&mut self.source, over)
                        else {
                            return Ok(given);
                        };
                        stream.end(directory);
                    }
                }
            }
        }
    }
}
