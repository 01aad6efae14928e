//! `tombolo audit undo`: takes back what the audit tells of; without `--yes` it shows what that would do.

use serde_json::{Value, json};

use super::Outcome;
use super::held::code;
use super::order::give;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::Order;

pub(super) async fn run(layout: &Layout, order: Order, output: Output) -> Outcome {
    let mut items = Vec::new();
    let end = give(layout, order, |item| {
        if output == Output::Text {
            show(&item);
        }
        items.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&json!({ "items": items, "end": end }))?;
        return Ok(code(&end));
    }
    let dry = end["dry"] == true;
    println!(
        "{} {}, {} cannot be",
        end["done"],
        if dry {
            "can be taken back"
        } else {
            "taken back"
        },
        end["failed"]
    );
    if dry {
        println!("nothing was changed; `--yes` does it");
    }
    Ok(code(&end))
}

fn show(item: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    println!(
        "{}: undo {} of {} ({})",
        text(&item["app"]),
        text(&item["undoes"]),
        text(&item["name"]),
        text(&item["record"])
    );
    if let Some(why) = item["why"].as_str() {
        println!("  no: {why}");
        return;
    }
    for call in item["plan"]["calls"].as_array().into_iter().flatten() {
        println!("  {call}");
    }
}
