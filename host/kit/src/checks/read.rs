//! Reading: one object and listings.

use std::collections::BTreeSet;

use tombolo_runtime::contract::{Entry, Fault, Query, Value};

use super::write::STRANGERS;
use crate::case::{Played, cases};
use crate::describe::{Kind, Type};
use crate::play::Play;
use crate::values::{self, is_of};

cases! {
    Nothing Mandatory "read/get" get
        "what a listing shows, `get` shows as well, and twice the same";
        "wit/exports.wit: `get`";
        "make entries in one place for both"
    Nothing Mandatory "read/attributes" attributes
        "a selection of attributes gives those and no others, in `get` and in `search`";
        "wit/exports.wit: `attributes` empty means every attribute";
        "leave out what is not asked for, and never the anchor or the version"
    Nothing Mandatory "read/types" types
        "every value is of a described attribute and has its type; what is single has one, what is required is there";
        "wit/README.md, Kinds: entries use the names of the description; an attribute without a value is absent";
        "convert the target's values to the described type, and show nothing that is not described"
    Nothing Mandatory "read/unknown" unknown
        "an unknown anchor is `not-found`, whatever is written in it";
        "wit/exports.wit: unknown anchor: `not-found`";
        "treat an anchor as opaque text: bind it, escape it, compare it whole"
    Nothing Mandatory "read/anchors" anchors
        "anchors are unique, in a kind and over all kinds that a group may have as members";
        "wit/README.md, Kinds: unique within its kind, and over all the kinds that a group may have as members";
        "prefix the anchor with the kind where the target's keys are not unique"
    Nothing Mandatory "read/instances" instances
        "another instance, kept or new, shows the same";
        "wit/README.md, Abilities: every call may find a fresh instance";
        "keep nothing in the instance: what must live longer belongs into the target or into `state`"
}

async fn get(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let listed = play.walk(&kind.name, None, 100).await.ok("a listing")?;
        for entry in crowd.iter().take(10) {
            let asked = format!("get {} {}, and its listing", kind.name, entry.anchor);
            let Some(listed) = listed.iter().find(|listed| listed.anchor == entry.anchor) else {
                play.wrong(asked, "it is listed", "it is not");
                continue;
            };
            for _ in 0..2 {
                let got = play.now(kind, &entry.anchor).await?;
                play.alike(kind, &asked, listed, &got);
            }
        }
    }
    Ok(())
}

async fn attributes(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let readable: Vec<&str> = kind
            .attributes
            .iter()
            .filter(|field| field.is_readable())
            .map(|field| field.name.as_str())
            .collect();
        let Some(first) = readable.first() else {
            continue;
        };
        let last = readable.last().unwrap_or(first);
        for wanted in [vec![*first], vec![*last], vec![*first, *last]] {
            for whole in crowd.iter().take(4) {
                let asked = play.get(&kind.name, &whole.anchor, &wanted).await;
                let said = asked.asked.clone();
                let entry = asked.ok("the object, these attributes of it")?;
                selected(play, kind, &said, whole, &entry, &wanted);
            }
            let query = Query {
                filter: None,
                attributes: wanted.iter().map(|name| (*name).to_owned()).collect(),
                cursor: None,
                limit: 100,
            };
            let asked = play.search(&kind.name, query).await;
            let said = format!("{}, only {}", asked.asked, wanted.join(", "));
            for entry in asked.ok("a page")?.entries {
                if let Some(whole) = crowd.iter().find(|whole| whole.anchor == entry.anchor) {
                    selected(play, kind, &said, whole, &entry, &wanted);
                }
            }
        }
    }
    Ok(())
}

fn selected(
    play: &Play<'_>,
    kind: &Kind,
    asked: &str,
    whole: &Entry,
    part: &Entry,
    wanted: &[&str],
) {
    let more: Vec<&str> = part
        .attributes
        .iter()
        .map(|held| held.name.as_str())
        .filter(|name| !wanted.contains(name))
        .collect();
    if !more.is_empty() {
        play.wrong(
            asked,
            format!("only {}", wanted.join(", ")),
            format!("also {}", more.join(", ")),
        );
    }
    let mut expected = whole.clone();
    expected
        .attributes
        .retain(|held| wanted.contains(&held.name.as_str()));
    play.alike(kind, asked, &expected, part);
}

async fn types(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let crowd = play.crowd(kind).await?;
        for entry in crowd.iter() {
            let asked = format!("get {} {}", kind.name, entry.anchor);
            let wrong = |expected: String, came: String| play.wrong(&asked, expected, came);
            let mut names = BTreeSet::new();
            for held in &entry.attributes {
                let name = &held.name;
                if !names.insert(name) {
                    wrong(format!("{name} once"), "it is there twice".to_owned());
                }
                let Some(field) = kind.field(name) else {
                    wrong(
                        "described attributes".to_owned(),
                        format!("{name}, which is not described"),
                    );
                    continue;
                };
                if held.values.is_empty() {
                    wrong(
                        format!("{name} is absent, for it has no value"),
                        "it is there, empty".to_owned(),
                    );
                }
                if !field.multi && held.values.len() > 1 {
                    wrong(
                        format!("one value of {name}"),
                        format!("{} of them", held.values.len()),
                    );
                }
                for value in &held.values {
                    let fits = match value {
                        Value::Simple(scalar) => is_of(field.data, scalar) && readable(scalar),
                        Value::Complex(parts) => {
                            field.data == Type::Complex
                                && parts.iter().all(|part| {
                                    let described =
                                        field.parts.iter().find(|known| known.name == part.name);
                                    described.is_some_and(|known| {
                                        part.values.iter().all(|scalar| {
                                            is_of(known.data, scalar) && readable(scalar)
                                        })
                                    })
                                })
                        }
                    };
                    if !fits {
                        wrong(
                            format!("{name} of type {:?}", field.data),
                            values::list(std::slice::from_ref(value)),
                        );
                    }
                }
            }
            for field in kind
                .attributes
                .iter()
                .filter(|field| field.required && field.is_readable())
            {
                if values::of(entry, &field.name).is_empty() {
                    wrong(
                        format!("{}, which is required", field.name),
                        "it is absent".to_owned(),
                    );
                }
            }
        }
    }
    Ok(())
}

/// Is a decimal a number, and an instant RFC 3339 in UTC?
fn readable(scalar: &tombolo_runtime::contract::Scalar) -> bool {
    use tombolo_runtime::contract::Scalar;
    match scalar {
        Scalar::Decimal(_) => crate::evaluate::number(scalar).is_some(),
        Scalar::Instant(text) => {
            let utc = text.ends_with(['Z', 'z']) || text.ends_with("+00:00");
            utc && crate::evaluate::instant(text).is_some()
        }
        _ => true,
    }
}

async fn unknown(play: &Play<'_>) -> Played {
    let long = "x".repeat(4096);
    for kind in play.stage.kinds() {
        for anchor in STRANGERS.iter().copied().chain([long.as_str(), ""]) {
            let asked = play.get(&kind.name, anchor, &[]).await;
            play.go_on(asked.refused(&[Fault::NotFound]))?;
        }
    }
    Ok(())
}

async fn anchors(play: &Play<'_>) -> Played {
    let mut seen: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let shared: BTreeSet<&str> = play
        .stage
        .description
        .kinds
        .iter()
        .filter(|kind| kind.is_group() && kind.members().len() > 1)
        .flat_map(|kind| kind.members().iter().map(String::as_str))
        .collect();
    for kind in play.stage.kinds() {
        play.crowd(kind).await?;
        let listed = play.walk(&kind.name, None, 100).await;
        let said = listed.asked.clone();
        let mut own = BTreeSet::new();
        for entry in listed.ok("a listing")? {
            if !own.insert(entry.anchor.clone()) {
                play.wrong(&said, "each anchor once", format!("{} twice", entry.anchor));
            }
            if shared.contains(kind.name.as_str())
                && let Some(other) = seen.insert(entry.anchor.clone(), kind.name.clone())
            {
                play.wrong(
                    &said,
                    format!("anchors that no {other} has"),
                    entry.anchor.clone(),
                );
            }
        }
    }
    Ok(())
}

async fn instances(play: &Play<'_>) -> Played {
    let stage = play.stage;
    for kind in stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let warm = play.on(&stage.warm);
        for entry in crowd.iter().take(5) {
            for (how, on) in [("a kept instance", &warm), ("a new instance", play)] {
                let came = on.now(kind, &entry.anchor).await?;
                play.alike(
                    kind,
                    &format!("get {} {} on {how}", kind.name, entry.anchor),
                    entry,
                    &came,
                );
            }
        }
        play.take_over(&warm);
    }
    Ok(())
}
