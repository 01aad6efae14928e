//! A run: so many cycles of one source against one target, then everything is read back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::cycle::{CycleError, CycleReport, Simulation};
use super::escrow::Case;
use super::meter::Line;
use super::people::Population;
use super::source::{self, SourceError};
use super::state::StateError;
use super::tenant::Tenant;
use super::verify::Verified;
use super::wire::Unexpected;

/// Where the tenant comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files; each cycle reads them again.
    Directory(PathBuf),
    /// Generated; each cycle finds it changed.
    Generated(Population),
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Run {
    /// The source.
    pub source: Source,
    /// How many cycles.
    pub cycles: u64,
    /// Whether everything is read back at the end.
    pub verify: bool,
    /// Where links and watermark are kept.
    pub state: Option<PathBuf>,
    /// The first cycle finds the generated tenant as the last run left it: what a restart without a change is.
    pub unchanged: bool,
}

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A cycle could not begin.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// Links and watermark cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// In one word, what a run has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The target equals the source, and no answer was unexpected.
    Same,
    /// No answer was unexpected; nothing was read back.
    NotVerified,
    /// Answers that Entra's client would not accept.
    Unexpected,
    /// Objects that are not as the source has them.
    Differs,
    /// The job is in quarantine.
    Quarantined,
}

impl Verdict {
    /// Whether everything was as it should be.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Same | Self::NotVerified)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// In one word.
    pub verdict: Verdict,
    /// The target.
    pub url: String,
    /// The seed that repeats it.
    pub seed: u64,
    /// The dialect.
    pub dialect: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// Cycle by cycle.
    pub cycles: Vec<CycleReport>,
    /// Requests by kind.
    pub requests: Vec<Line>,
    /// Answers that asked to wait, and were obeyed.
    pub throttled: usize,
    /// Answers that Entra's client would not accept.
    pub unexpected: usize,
    /// The first of them.
    pub unexpected_answers: Vec<Unexpected>,
    /// What reading everything back has shown.
    pub verified: Option<Verified>,
    /// What is in escrow.
    pub escrow: Vec<Case>,
}

impl Simulation {
    /// Plays a run.
    pub async fn run(&mut self, run: &Run) -> Result<Report, RunError> {
        let began = Instant::now();
        let mut cycles = Vec::new();
        let mut tenant = Tenant::default();
        for n in 0..run.cycles {
            tenant = self.next(run, n)?;
            let cycle = self.cycle(&tenant).await;
            // Whatever came of it: what is linked stays linked.
            if let Some(path) = &run.state {
                self.state.save(path)?;
            }
            let cycle = cycle?;
            let disabled = cycle.disabled;
            cycles.push(cycle);
            if disabled {
                break;
            }
        }
        let verified = if run.verify && self.state.quarantine.is_none() {
            Some(
                self.verify(&tenant)
                    .await
                    .unwrap_or_else(|failure| Verified {
                        differences: 1,
                        examples: vec![format!("cannot be read back: {}", failure.reason)],
                        ..Verified::default()
                    }),
            )
        } else {
            None
        };
        Ok(self.report(began.elapsed(), cycles, verified))
    }

    fn next(&self, run: &Run, n: u64) -> Result<Tenant, RunError> {
        Ok(match &run.source {
            Source::Directory(directory) => source::read(directory, &self.settings.mapping)?,
            Source::Generated(population) => match self.state.tenant() {
                None => population.begin(),
                Some(tenant) if run.unchanged && n == 0 => tenant.clone(),
                Some(tenant) => population.later(tenant, self.state.cycles),
            },
        })
    }

    fn report(
        &self,
        took: Duration,
        cycles: Vec<CycleReport>,
        verified: Option<Verified>,
    ) -> Report {
        let (unexpected, unexpected_answers) = self.wire.unexpected();
        let differs = verified.as_ref().map(|verified| verified.differences > 0);
        let verdict = match (&self.state.quarantine, unexpected, differs) {
            (Some(_), _, _) => Verdict::Quarantined,
            (None, 1.., _) => Verdict::Unexpected,
            (None, 0, Some(true)) => Verdict::Differs,
            (None, 0, Some(false)) => Verdict::Same,
            (None, 0, None) => Verdict::NotVerified,
        };
        Report {
            verdict,
            url: self.state.url.clone(),
            seed: self.settings.seed,
            dialect: self.settings.dialects.to_string(),
            seconds: took.as_secs_f64(),
            cycles,
            requests: self.wire.lines(),
            throttled: self.wire.throttled(),
            unexpected,
            unexpected_answers,
            verified,
            escrow: self.state.escrow.cases().to_vec(),
        }
    }
}
