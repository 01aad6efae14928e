//! Paged searches between two pages.
//!
//! The cookie of the paged results control (RFC 2696) is worth something on its
//! own connection only, while a connector's next page may be asked for by another
//! instance. So the host keeps the connection, for a short while and under a
//! random name: the cursor. A cursor is good for one page.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rand::Rng as _;
use tokio::time::{Duration, Instant};

use super::client::Search;
use super::connect::Connection;

/// Long enough for a slow reader between two pages, short enough for a server's patience.
const KEEP: Duration = Duration::from_mins(2);

/// A search that has more pages.
pub(super) struct Listing {
    pub(super) connection: Connection,
    /// The server's.
    pub(super) cookie: Vec<u8>,
    /// What was asked: a cursor continues its own search and no other.
    search: Search,
}

struct Kept {
    cursor: [u8; 16],
    since: Instant,
    listing: Listing,
}

/// The listings of one target, oldest first.
pub(super) struct Listings {
    most: usize,
    kept: Mutex<Vec<Kept>>,
}

impl Listings {
    /// Keeps up to `most` listings; one more ends the oldest.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            kept: Mutex::new(Vec::new()),
        })
    }

    /// Keeps a listing, and names it.
    pub(super) fn keep(
        self: &Arc<Self>,
        connection: Connection,
        cookie: Vec<u8>,
        search: &Search,
    ) -> Vec<u8> {
        let mut cursor = [0_u8; 16];
        rand::rng().fill_bytes(&mut cursor);
        let search = Search {
            cursor: None,
            ..search.clone()
        };
        let listing = Listing {
            connection,
            cookie,
            search,
        };
        {
            let mut kept = self.kept.lock();
            while kept.len() >= self.most {
                kept.remove(0);
            }
            kept.push(Kept {
                cursor,
                since: Instant::now(),
                listing,
            });
        }
        let listings: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(KEEP).await;
            if let Some(listings) = listings.upgrade() {
                listings
                    .kept
                    .lock()
                    .retain(|kept| kept.since.elapsed() < KEEP);
            }
        });
        cursor.to_vec()
    }

    /// The listing under `cursor`, if it is still there and is of this search.
    pub(super) fn take(&self, cursor: &[u8], search: &Search) -> Option<Listing> {
        let mut kept = self.kept.lock();
        let position = kept
            .iter()
            .position(|kept| kept.cursor == cursor && kept.listing.search.continues(search))?;
        let mut listing = kept.remove(position).listing;
        listing.connection.is_alive().then_some(listing)
    }
}
