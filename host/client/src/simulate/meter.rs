//! Counts and times requests by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::kind::Kind;

/// One line of the closing table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was asked for.
    pub request: &'static str,
    /// How many times.
    pub count: usize,
    /// How many got no answer, or one that refuses.
    pub errors: usize,
    /// Half of them were quicker, in milliseconds.
    pub p50: f64,
    /// 99 in 100 were quicker, in milliseconds.
    pub p99: f64,
}

/// Durations by kind of request; four bytes each.
#[derive(Debug, Default)]
pub(crate) struct Meter(BTreeMap<Kind, Row>);

#[derive(Debug, Default)]
struct Row {
    micros: Vec<u32>,
    errors: usize,
}

impl Meter {
    pub(crate) fn add(&mut self, kind: Kind, took: Duration, error: bool) {
        let row = self.0.entry(kind).or_default();
        row.micros
            .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        row.errors += usize::from(error);
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let lines = self.0.iter().map(|(kind, row)| {
            let mut sorted = row.micros.clone();
            sorted.sort_unstable();
            Line {
                request: kind.name(),
                count: sorted.len(),
                errors: row.errors,
                p50: percentile(&sorted, 50),
                p99: percentile(&sorted, 99),
            }
        });
        lines.collect()
    }
}

/// The `p`-th percentile of sorted microseconds, in milliseconds.
fn percentile(sorted: &[u32], p: usize) -> f64 {
    let index = (sorted.len() * p).div_ceil(100).max(1) - 1;
    f64::from(sorted.get(index).copied().unwrap_or_default()) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_their_own_kind() {
        let mut meter = Meter::default();
        for n in 1..=100 {
            meter.add(Kind::GetUser, Duration::from_millis(n), n > 98);
        }
        meter.add(Kind::Probe, Duration::from_micros(1500), false);
        let lines = meter.lines();
        assert_eq!(
            (lines[0].request, lines[0].count, lines[0].p99),
            ("probe", 1, 1.5)
        );
        assert_eq!((lines[1].count, lines[1].errors), (100, 2));
        assert_eq!((lines[1].p50, lines[1].p99), (50.0, 99.0));
    }
}
