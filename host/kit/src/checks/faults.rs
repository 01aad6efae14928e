//! Chaos: host calls that are late, broken off, or done without an answer.
//!
//! Each operation is played once for every host call that it makes and every way in which that call can go wrong. After
//! a fault the kit does what the host does: it repeats the change with the same `request`, and where a create then finds
//! its name taken, it looks for the object. What is there at the end is compared with what was asked for.

use std::collections::BTreeMap;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Attribute, Comparison, EditKind, Entry, Fault, Node, Value};

use crate::case::{Played, cases};
use crate::chaos::{Dice, STRIKES};
use crate::describe::Kind;
use crate::evaluate;
use crate::play::{Asked, Play, skip};
use crate::values::{self, Show, edit, same, text};

cases! {
    Chaos Mandatory "chaos/create" create
        "a create whose host calls fail makes one object in the end, never two, never none";
        "wit/README.md, Abilities: a repeated create finds what the first one made";
        "derive the key from `request`, or let a unique value find what the first attempt made"
    Chaos Mandatory "chaos/update" update
        "an update whose host calls fail is done in the end, once";
        "wit/README.md, Failures: `unavailable`, `timeout`: after a write: outcome unknown";
        "say `unavailable` or `timeout` for what was lost on the way; make repeating safe"
    Chaos Mandatory "chaos/delete" delete
        "a delete whose host calls fail is done in the end";
        "wit/README.md, Failures"; "look for what is left to delete, not for what was there first"
    Chaos Mandatory "chaos/members" members
        "a change of members whose host calls fail is done in the end, once";
        "wit/exports.wit: adding who is there and removing who is not succeeds";
        "repeat single memberships safely"
    Chaos Mandatory "chaos/read" read
        "a read whose host calls fail says so: never `not-found`, never a part of the answer";
        "wit/README.md, Failures: `unavailable`: not reached, or lost on the way";
        "tell `the target did not answer` from `the target has no such object`; follow the target's cursors to their end"
    Chaos Mandatory "chaos/random" random
        "after many operations with faults at random, everything is as it should be";
        "wit/README.md, Failures"; "run again with the same --seed, and look at the first finding"
}

/// Most host calls of one operation that are struck one by one.
const STRUCK: usize = 40;

const NO_CALLS: &str = "it makes no host call that can be struck (files are below the host's hands; see retry/cut-off)";

/// A failure that is told for a lost connection must not be a verdict of the target.
fn honest<T: Show>(play: &Play<'_>, how: &str, asked: &Asked<T>) {
    let Err(error) = &asked.came else {
        return;
    };
    let honest = matches!(error, CallError::Failure(failure)
        if matches!(failure.fault, Fault::Unavailable | Fault::Timeout | Fault::Other | Fault::Busy));
    if !honest {
        play.wrong(
            format!("{} ({how})", asked.asked),
            "success, `unavailable`, `timeout`, `busy` or `other`",
            values::error(error),
        );
    }
}

/// Objects of a kind with this value of a unique attribute.
async fn with(play: &Play<'_>, kind: &Kind, name: &str, value: &Value) -> Played<Vec<Entry>> {
    let Value::Simple(scalar) = value else {
        return Ok(Vec::new());
    };
    let filter = [Node::Test((
        name.to_owned(),
        Comparison::Equal,
        scalar.clone(),
    ))];
    let found = play
        .walk(&kind.name, Some(&filter), 100)
        .await
        .supported("what has this value")?;
    match found {
        Some(found) => Ok(found),
        None => {
            let mut all = play.walk(&kind.name, None, 100).await.ok("a listing")?;
            all.retain(|entry| evaluate::passes(kind, entry, &filter));
            Ok(all)
        }
    }
}

/// The attribute by which the host finds an object again.
fn name_of(kind: &Kind, given: &[Attribute]) -> Option<(String, Value)> {
    let field = kind
        .attributes
        .iter()
        .find(|field| field.required && field.unique)?;
    let held = given.iter().find(|given| given.name == field.name)?;
    Some((field.name.clone(), held.values.first()?.clone()))
}

/// Repeats a create until it is done, as the host does.
async fn until_made(
    play: &Play<'_>,
    kind: &Kind,
    given: &[Attribute],
    request: &str,
    first: Asked<Entry>,
    how: &str,
) -> Played<Option<String>> {
    let mut asked = first;
    for _ in 0..4 {
        match &asked.came {
            Ok(entry) => return Ok(Some(entry.anchor.clone())),
            Err(CallError::Failure(failure)) if failure.fault == Fault::AlreadyExists => {
                let Some((name, value)) = name_of(kind, given) else {
                    return Ok(None);
                };
                let found = with(play, kind, &name, &value).await?;
                if let [only] = found.as_slice() {
                    play.made(&kind.name, &only.anchor);
                    return Ok(Some(only.anchor.clone()));
                }
                play.wrong(
                    format!("{} ({how}), repeated", asked.asked),
                    "one object with its unique value",
                    format!("{} of them", found.len()),
                );
                for entry in found {
                    play.made(&kind.name, &entry.anchor);
                }
                return Ok(None);
            }
            Err(_) => asked = play.create(&kind.name, given, request).await,
        }
    }
    play.wrong(
        format!("{} ({how}), repeated without a fault", asked.asked),
        "the object",
        asked
            .came
            .map_or_else(|error| values::error(&error), |entry| entry.show()),
    );
    Ok(None)
}

async fn create(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let struck = play.on(&stage.struck);
    let mut played = false;
    for kind in stage.kinds() {
        // What the target refuses of samples is learnt first, and who is referred to made.
        play.full(kind).await?;
        stage.plan.quiet();
        struck.full(kind).await?;
        let (calls, _) = stage.plan.end();
        for at in 0..calls.min(STRUCK) {
            for (words, strike) in STRIKES {
                played = true;
                let given = play.everything(kind).await?;
                let request = stage.sampler.request();
                stage.plan.once(at, strike);
                let asked = struck.create(&kind.name, &given, &request).await;
                let (_, hit) = stage.plan.end();
                let how = hit.first().map_or(words.to_owned(), Clone::clone);
                honest(play, &how, &asked);
                let said = format!("{} ({how})", asked.asked);
                let anchor = until_made(play, kind, &given, &request, asked, &how).await?;
                if let Some((name, value)) = name_of(kind, &given) {
                    let found = with(play, kind, &name, &value).await?;
                    if found.len() != 1 {
                        play.wrong(
                            &said,
                            "one object in the end",
                            format!("{} of them", found.len()),
                        );
                        for entry in &found {
                            play.made(&kind.name, &entry.anchor);
                        }
                    }
                }
                if let Some(anchor) = anchor {
                    let now = play.now(kind, &anchor).await?;
                    play.holds(kind, &now, &given, &said);
                    play.delete(&kind.name, &anchor).await.ok("it is deleted")?;
                }
            }
        }
    }
    play.take_over(&struck);
    if played { Ok(()) } else { skip(NO_CALLS) }
}

async fn update(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let struck = play.on(&stage.struck);
    let mut played = false;
    for kind in stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let (entry, _, _) = play.full(kind).await?;
        let mut before = play.now(kind, &entry.anchor).await?;
        let put = |values: Vec<Value>| [edit(EditKind::Put, &field.name, values)];
        stage.plan.quiet();
        let wanted = play.values(kind, field, stage.sampler.next()).await?;
        struck
            .update(&kind.name, &entry.anchor, &put(wanted), None)
            .await
            .ok("the object, changed")?;
        let (calls, _) = stage.plan.end();
        for at in 0..calls.min(STRUCK) {
            for (words, strike) in STRIKES {
                played = true;
                let wanted = play.values(kind, field, stage.sampler.next()).await?;
                let edits = put(wanted.clone());
                let request = stage.sampler.request();
                stage.plan.once(at, strike);
                let asked = struck
                    .update_as(&kind.name, &entry.anchor, &edits, None, &request)
                    .await;
                let (_, hit) = stage.plan.end();
                let how = hit.first().map_or(words.to_owned(), Clone::clone);
                honest(play, &how, &asked);
                let said = format!("{} ({how})", asked.asked);
                if asked.came.is_err() {
                    let again = play
                        .update_as(&kind.name, &entry.anchor, &edits, None, &request)
                        .await;
                    play.go_on(again.ok("the object, changed, when it is repeated"))?;
                }
                let now = play.now(kind, &entry.anchor).await?;
                let held = values::of(&now, &field.name);
                if !same(field, &wanted, held) {
                    play.wrong(
                        &said,
                        format!("{} is {} in the end", field.name, values::list(&wanted)),
                        values::list(held),
                    );
                }
                let mut expected = before.clone();
                expected.attributes.retain(|held| held.name != field.name);
                expected
                    .attributes
                    .push(values::attribute(&field.name, held.to_vec()));
                play.alike(kind, &said, &expected, &now);
                before = now;
            }
        }
    }
    play.take_over(&struck);
    if played { Ok(()) } else { skip(NO_CALLS) }
}

async fn delete(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let struck = play.on(&stage.struck);
    let mut played = false;
    for kind in stage.kinds() {
        let entry = play.small(kind).await?;
        stage.plan.quiet();
        struck
            .delete(&kind.name, &entry.anchor)
            .await
            .ok("it is deleted")?;
        let (calls, _) = stage.plan.end();
        for at in 0..calls.min(STRUCK) {
            for (words, strike) in STRIKES {
                played = true;
                let entry = play.small(kind).await?;
                let request = stage.sampler.request();
                stage.plan.once(at, strike);
                let asked = struck.delete_as(&kind.name, &entry.anchor, &request).await;
                let (_, hit) = stage.plan.end();
                let how = hit.first().map_or(words.to_owned(), Clone::clone);
                honest(play, &how, &asked);
                if asked.came.is_err() {
                    let again = play.delete_as(&kind.name, &entry.anchor, &request).await;
                    if again.came.is_err() {
                        play.go_on(again.refused(&[Fault::NotFound]))?;
                    }
                }
                let asked = play.get(&kind.name, &entry.anchor, &[]).await;
                play.go_on(asked.refused(&[Fault::NotFound]))?;
            }
        }
    }
    play.take_over(&struck);
    if played { Ok(()) } else { skip(NO_CALLS) }
}

async fn members(play: &Play<'_>) -> Played {
    let stage = play.stage;
    if !stage.component.abilities().members {
        return skip("it does not export `members`");
    }
    let Some(kind) = stage.kinds().into_iter().find(|kind| kind.is_group()) else {
        return skip("it describes no kind that has members");
    };
    let Some(member) = stage.description.kind(kind.member_kind()) else {
        return skip("the kind of its members is not described");
    };
    let struck = play.on(&stage.struck);
    let group = play.small(kind).await?.anchor;
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(play.small(member).await?.anchor);
    }
    people.sort();
    stage.plan.quiet();
    struck
        .change_members(&group, &people[..2], &people[2..])
        .await
        .ok("two come")?;
    let (calls, _) = stage.plan.end();
    let mut turn = false;
    for at in 0..calls.min(STRUCK) {
        for (words, strike) in STRIKES {
            turn = !turn;
            // Those who are in it go, and the others come.
            let (low, high) = people.split_at(2);
            let (add, remove) = if turn { (high, low) } else { (low, high) };
            stage.plan.once(at, strike);
            let asked = struck.change_members(&group, add, remove).await;
            let (_, hit) = stage.plan.end();
            let how = hit.first().map_or(words.to_owned(), Clone::clone);
            honest(play, &how, &asked);
            let said = format!("{} ({how})", asked.asked);
            if asked.came.is_err() {
                let again = play.change_members(&group, add, remove).await;
                play.go_on(again.ok("it is done, when it is repeated"))?;
            }
            let mut found = play.members(&group, 100).await.ok("the members")?;
            found.sort();
            if found != add {
                play.wrong(said, add.to_vec().show(), found.show());
            }
        }
    }
    play.take_over(&struck);
    if calls > 0 { Ok(()) } else { skip(NO_CALLS) }
}

async fn read(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let struck = play.on(&stage.struck);
    let mut played = false;
    for kind in stage.kinds() {
        let crowd = play.crowd(kind).await?;
        let known = &crowd[0];
        stage.plan.quiet();
        struck
            .get(&kind.name, &known.anchor, &[])
            .await
            .ok("the object")?;
        let (calls, _) = stage.plan.end();
        for at in 0..calls.min(STRUCK) {
            for (words, strike) in STRIKES {
                played = true;
                stage.plan.once(at, strike);
                let asked = struck.get(&kind.name, &known.anchor, &[]).await;
                let (_, hit) = stage.plan.end();
                let how = hit.first().map_or(words.to_owned(), Clone::clone);
                honest(play, &how, &asked);
                if let Ok(entry) = &asked.came {
                    play.alike(kind, &format!("{} ({how})", asked.asked), known, entry);
                }
            }
        }
        let whole = play.walk(&kind.name, None, 10).await.ok("a listing")?;
        stage.plan.quiet();
        struck.walk(&kind.name, None, 10).await.ok("a listing")?;
        let (calls, _) = stage.plan.end();
        for at in 0..calls.min(STRUCK) {
            for (words, strike) in STRIKES {
                played = true;
                stage.plan.once(at, strike);
                let asked = struck.walk(&kind.name, None, 10).await;
                let (_, hit) = stage.plan.end();
                let how = hit.first().map_or(words.to_owned(), Clone::clone);
                honest(play, &how, &asked);
                if let Ok(found) = &asked.came {
                    let anchors = |entries: &[Entry]| {
                        entries
                            .iter()
                            .map(|entry| entry.anchor.clone())
                            .collect::<Vec<_>>()
                    };
                    if anchors(found) != anchors(&whole) {
                        play.wrong(
                            format!("{} ({how})", asked.asked),
                            format!("the {} objects, or a failure", whole.len()),
                            format!("{} objects", found.len()),
                        );
                    }
                }
            }
        }
    }
    play.take_over(&struck);
    if played { Ok(()) } else { skip(NO_CALLS) }
}

/// Operations at random, and of a hundred host calls how many are struck.
const STEPS: usize = 60;
const PERCENT: u64 = 15;

async fn random(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let seed = stage.settings.seed;
    let struck = play.on(&stage.struck);
    let mut dice = Dice(seed);
    let mut hits = 0;
    for kind in stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let before = play
            .walk(&kind.name, None, 100)
            .await
            .ok("a listing")?
            .len();
        let mut model: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for step in 0..STEPS {
            let said = format!("step {step} of seed {seed}");
            let which = usize::try_from(dice.roll()).unwrap_or(step) % model.len().max(1);
            let chosen = model.keys().nth(which).cloned();
            let request = stage.sampler.request();
            let value = vec![text(format!("{}-{step}", stage.sampler.prefix()))];
            let value = if field.data == crate::describe::Type::Text
                && crate::sample::Sampler::is_free(field)
            {
                value
            } else {
                play.values(kind, field, dice.roll() % 1_000).await?
            };
            stage.plan.random(dice.roll(), PERCENT);
            match (dice.roll() % 5, chosen) {
                (0 | 1, _) | (_, None) => {
                    let mut given = play.required(kind);
                    given.push(values::attribute(&field.name, value.clone()));
                    let asked = struck.create(&kind.name, &given, &request).await;
                    hits += stage.plan.end().1.len();
                    if let Some(anchor) =
                        until_made(play, kind, &given, &request, asked, &said).await?
                    {
                        model.insert(anchor, value);
                    }
                }
                (2 | 3, Some(anchor)) => {
                    let edits = [edit(EditKind::Put, &field.name, value.clone())];
                    let asked = struck
                        .update_as(&kind.name, &anchor, &edits, None, &request)
                        .await;
                    hits += stage.plan.end().1.len();
                    if asked.came.is_err() {
                        let again = play
                            .update_as(&kind.name, &anchor, &edits, None, &request)
                            .await;
                        play.go_on(again.ok("the object, changed, when it is repeated"))?;
                    }
                    model.insert(anchor, value);
                }
                (_, Some(anchor)) => {
                    let asked = struck.delete_as(&kind.name, &anchor, &request).await;
                    hits += stage.plan.end().1.len();
                    if asked.came.is_err() {
                        drop(play.delete_as(&kind.name, &anchor, &request).await);
                    }
                    model.remove(&anchor);
                }
            }
        }
        let all = play.walk(&kind.name, None, 100).await.ok("a listing")?;
        let said = format!(
            "search {} after {STEPS} operations with faults (seed {seed})",
            kind.name
        );
        if all.len() != before + model.len() {
            play.wrong(
                &said,
                format!("{} objects", before + model.len()),
                format!("{}", all.len()),
            );
        }
        for (anchor, expected) in &model {
            match all.iter().find(|entry| entry.anchor == *anchor) {
                None => play.wrong(&said, format!("{anchor} is there"), "it is not"),
                Some(entry) => {
                    let held = values::of(entry, &field.name);
                    if !same(field, expected, held) {
                        play.wrong(
                            &said,
                            format!("{} of {anchor} is {}", field.name, values::list(expected)),
                            values::list(held),
                        );
                    }
                }
            }
        }
    }
    play.take_over(&struck);
    if hits == 0 {
        return skip(NO_CALLS);
    }
    play.note(format!("{hits} faults, seed {seed}"));
    Ok(())
}
