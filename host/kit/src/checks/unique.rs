//! Unique values.

use futures::future::join_all;
use tombolo_runtime::CallError;
use tombolo_runtime::contract::{EditKind, Failure, Fault, Scalar, Value};

use crate::case::{Played, cases};
use crate::describe::{Field, Kind, Type};
use crate::play::{Play, skip};
use crate::values::{self, edit, text};

cases! {
    Write Mandatory "unique/create" create
        "a second object with a unique value is refused as `already-exists`, and the failure names the attribute";
        "wit/README.md, Failures: `already-exists`: a unique value is taken; name the `attribute`";
        "look for the value, or let the target's own constraint refuse it, and translate its refusal"
    Write Mandatory "unique/case" case
        "a unique value that differs only by case is the same value, unless the attribute is `caseExact`";
        "wit/README.md, Filters: text compares without case unless the description says `caseExact`";
        "compare folded text, or describe the attribute as `caseExact`"
    Write Mandatory "unique/update" update
        "an update cannot take another object's unique value, and changes nothing when it tries";
        "wit/README.md, Failures: `already-exists`";
        "look for the value in updates too"
    Write Mandatory "unique/freed" freed
        "a unique value is free again when its object is deleted";
        "wit/describe.schema.json: the target holds each value once within the kind";
        "forget the value with its object"
    Write Mandatory "unique/race" race
        "of several creates with one unique value at a time, one succeeds";
        "wit/describe.schema.json: the target holds each value once within the kind";
        "let the target's own constraint decide, use `put-if` on state, or set `\"writes\": \"serial\"` in the manifest"
}

/// The unique attributes that the kit can make values of.
fn uniques(kind: &Kind) -> Vec<&Field> {
    let fields = kind.attributes.iter().filter(|field| {
        field.unique && field.is_creatable() && field.data != Type::Reference && !field.is_place()
    });
    fields.collect()
}

fn named(play: &Play<'_>, asked: &str, field: &Field, failure: &Failure) {
    if failure.attribute.as_deref() != Some(field.name.as_str()) {
        play.wrong(
            asked,
            format!("the failure names the attribute {}", field.name),
            format!("it names {:?}", failure.attribute),
        );
    }
}

async fn twice(play: &Play<'_>, change: fn(&Field, &Value) -> Option<Value>) -> Played<bool> {
    let mut played = false;
    for kind in play.stage.kinds() {
        for field in uniques(kind) {
            let mut given = play.required(kind);
            let n = play.stage.sampler.next();
            let Some(value) = play.stage.sampler.value(field, n) else {
                continue;
            };
            let Some(again) = change(field, &value) else {
                continue;
            };
            played = true;
            given.retain(|given| given.name != field.name);
            given.push(values::attribute(&field.name, vec![value]));
            let request = play.stage.sampler.request();
            let asked = play.create(&kind.name, &given, &request).await;
            asked.ok("an object with a value that nobody has")?;
            let mut second = play.required(kind);
            second.retain(|given| given.name != field.name);
            second.push(values::attribute(&field.name, vec![again]));
            let request = play.stage.sampler.request();
            let asked = play.create(&kind.name, &second, &request).await;
            let said = asked.asked.clone();
            if let Some(failure) = play.go_on(asked.refused(&[Fault::AlreadyExists]))? {
                named(play, &said, field, &failure);
            }
        }
    }
    Ok(played)
}

async fn create(play: &Play<'_>) -> Played {
    let played = twice(play, |_, value| Some(value.clone())).await?;
    if played {
        Ok(())
    } else {
        skip("it describes no unique attribute")
    }
}

async fn case(play: &Play<'_>) -> Played {
    let played = twice(play, |field, value| match value {
        Value::Simple(Scalar::Text(word)) if !field.case_exact => Some(text(word.to_uppercase())),
        _ => None,
    })
    .await?;
    if played {
        Ok(())
    } else {
        skip("it has no unique attribute that compares without case")
    }
}

async fn update(play: &Play<'_>) -> Played {
    let mut played = false;
    for kind in play.stage.kinds() {
        for field in uniques(kind)
            .into_iter()
            .filter(|field| field.is_changeable())
        {
            let (one, _, _) = play.full(kind).await?;
            let (two, _, _) = play.full(kind).await?;
            let taken = values::of(&one, &field.name).to_vec();
            if taken.is_empty() {
                continue;
            }
            played = true;
            let edits = [edit(EditKind::Put, &field.name, taken)];
            let asked = play.update(&kind.name, &two.anchor, &edits, None).await;
            let said = asked.asked.clone();
            if let Some(failure) = play.go_on(asked.refused(&[Fault::AlreadyExists]))? {
                named(play, &said, field, &failure);
                let now = play.now(kind, &two.anchor).await?;
                play.alike(kind, &said, &two, &now);
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it has no unique attribute that can be changed")
    }
}

async fn freed(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let given = play.required(kind);
        for _ in 0..2 {
            let request = play.stage.sampler.request();
            let asked = play.create(&kind.name, &given, &request).await;
            let entry = asked.ok("an object, because the one before it was deleted")?;
            play.delete(&kind.name, &entry.anchor)
                .await
                .ok("it is deleted")?;
        }
    }
    Ok(())
}

async fn race(play: &Play<'_>) -> Played {
    const RUNNERS: usize = 6;
    let mut played = false;
    for kind in play.stage.kinds() {
        if !kind
            .attributes
            .iter()
            .any(|field| field.unique && field.required)
        {
            continue;
        }
        played = true;
        let given = play.required(kind);
        let requests: Vec<String> = (0..RUNNERS).map(|_| play.stage.sampler.request()).collect();
        let runners = requests
            .iter()
            .map(|request| play.create(&kind.name, &given, request));
        let came = join_all(runners).await;
        let won = came.iter().filter(|asked| asked.came.is_ok()).count();
        let said = format!("{RUNNERS} times at once: {}", came[0].asked);
        if won != 1 {
            play.wrong(&said, "one success", format!("{won}"));
        }
        for asked in came {
            match asked.came {
                Err(CallError::Failure(failure))
                    if matches!(
                        failure.fault,
                        Fault::AlreadyExists | Fault::Busy | Fault::Changed
                    ) => {}
                Err(error) => play.wrong(
                    &said,
                    "`already-exists` for the others",
                    values::error(&error),
                ),
                Ok(_) => {}
            }
        }
    }
    if played {
        Ok(())
    } else {
        skip("it describes no attribute that is required and unique")
    }
}
