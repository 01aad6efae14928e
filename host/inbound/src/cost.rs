//! What a service that charges by the request has charged: Entra's SCIM API takes USD 0.002 for each request that it
//! answers with 2xx or 404.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::shared::{Shared, SharedError, update};

/// Of one request, in thousandths of a US dollar.
pub const MILLS_PER_REQUEST: u64 = 2;

/// What was charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The month of the last request, in UTC: `2026-11`.
    pub month: String,
    /// Requests charged in it.
    pub this_month: u64,
    /// Requests charged in all.
    pub total: u64,
}

impl Cost {
    /// This month's bill in US dollars, as text.
    pub fn dollars(&self) -> String {
        let mills = self.this_month * MILLS_PER_REQUEST;
        format!("{}.{:03}", mills / 1000, mills % 1000)
    }

    fn add(&mut self, now: Timestamp) {
        let month = now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        if self.month != month {
            self.month = month;
            self.this_month = 0;
        }
        self.this_month += 1;
        self.total += 1;
    }
}

/// Counts over restarts and over hosts. Cheap to clone.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<dyn Shared>,
    name: String,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Meter {
    /// The meter of this name.
    pub fn new(shared: Arc<dyn Shared>, name: &str) -> Self {
        Self {
            shared,
            name: name.to_owned(),
        }
    }

    /// Whether such an answer is charged.
    pub fn charges(status: StatusCode) -> bool {
        status.is_success() || status == StatusCode::NOT_FOUND
    }

    /// One request was charged.
    pub(crate) async fn count(&self, now: Timestamp) -> Result<(), SharedError> {
        update(&*self.shared, &self.name, |mut cost: Cost| {
            cost.add(now);
            (Some(cost), ())
        })
        .await
    }

    /// What was charged so far.
    pub async fn read(&self) -> Result<Cost, SharedError> {
        update(&*self.shared, &self.name, |cost: Cost| (None, cost)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_nothing_and_the_total_goes_on() {
        let mut cost = Cost::default();
        for day in [
            "2026-11-30T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2026-12-02T00:00:00Z",
        ] {
            cost.add(day.parse().unwrap());
        }
        assert_eq!(
            (cost.month.as_str(), cost.this_month, cost.total),
            ("2026-12", 2, 3)
        );
        assert_eq!(cost.dollars(), "0.004");
    }
}
