//! `tombolo simulate inbound`: Entra's receiving side, for whoever pushes identities into it.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tombolo_client::stand_in::{Limits, Settings, StandIn};

use super::Outcome;
use super::output::{self, Output};
use crate::config::value;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How much faster time passes there: with 60, an hour takes a minute.
    #[arg(long, default_value_t = 1.0, value_parser = factor)]
    factor: f64,
    /// Time between two cycles of the job, by its own clock.
    #[arg(long, default_value = "40m", value_parser = value::duration)]
    cycle: Duration,
    /// How late rows of the provisioning log appear at most, by its own clock; half of it at least.
    #[arg(long, default_value = "10m", value_parser = value::duration)]
    lag: Duration,
    /// bulkUpload calls in 5 seconds.
    #[arg(long, default_value_t = 40, value_name = "CALLS")]
    burst: usize,
    /// bulkUpload calls in 24 hours.
    #[arg(long, default_value_t = 6_000, value_name = "CALLS")]
    daily: usize,
    /// "Flow null values": what is null or left out is cleared.
    #[arg(long, default_value_t = false, action = ArgAction::SetTrue)]
    flow_null_values: bool,
    /// A verified domain; any, if none is given. May be repeated.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err(format!("must be a number above 0, not `{text}`")),
    }
}

pub(super) async fn run(arguments: Arguments, output: Output) -> Outcome {
    let settings = Settings {
        factor: arguments.factor,
        cycle: arguments.cycle.max(Duration::from_secs(1)),
        lag: (arguments.lag / 2, arguments.lag),
        limits: Limits {
            burst: arguments.burst,
            day: arguments.daily,
        },
        flow_null: arguments.flow_null_values,
        domains: arguments.domains,
        ..Settings::default()
    };
    let stand_in = StandIn::start(arguments.listen, settings).await?;
    let (url, (tenant, principal, job)) = (stand_in.url(), stand_in.ids());
    let (client_id, secret) = stand_in.client();
    match output {
        // Made up for this process, and of no use elsewhere: showing them is what it is for.
        Output::Json => output::json(&json!({
            "url": url,
            "tenant": tenant,
            "client-id": client_id,
            "client-secret": secret.expose_secret(),
            "service-principal": principal,
            "job": job,
            "control": format!("{url}/control"),
        }))?,
        Output::Text => {
            println!("login and graph    {url}");
            println!("tenant             {tenant}");
            println!("client id          {client_id}");
            println!("client secret      {}", secret.expose_secret());
            println!("service principal  {principal}");
            println!("job                {job}");
            println!("control            {url}/control, {url}/control/state");
        }
    }
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}
