//! The same `request` again: what the host does after a crash or a lost answer.

use std::time::Duration;

use tokio::time::Instant;
use tombolo_runtime::contract::{EditKind, Fault};
use tombolo_runtime::{Call, CallError};

use crate::case::{Played, cases};
use crate::play::{Play, skip};
use crate::values::{self, edit, same};

cases! {
    Write Mandatory "retry/create" create
        "a create that is repeated with its `request` makes no second object";
        "wit/exports.wit: a create that is repeated with the same `request` answers the object that exists, not a second one";
        "derive the new object's key from `request`, pass it on as an idempotency key, or find the unique value taken"
    Write Mandatory "retry/update" update
        "an update that is repeated with its `request` has the same outcome";
        "wit/README.md, Abilities: `request` is the same when the host repeats a change";
        "set values instead of counting; adding what is there is no error"
    Write Mandatory "retry/delete" delete
        "a delete that is repeated succeeds or is `not-found`";
        "wit/README.md, Failures: `not-found` settles the link";
        "answer `not-found` for what is gone"
    Write Mandatory "retry/cut-off" cut_off
        "a write that is cut off at any moment leaves the object as it was or as it should be";
        "wit/README.md, Failures: a trap is no failure: the instance is thrown away and the outcome counts as unknown";
        "write with one atomic operation of the target: a transaction, a rename, one modify"
}

async fn create(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let given = play.required(kind);
        let before = play
            .walk(&kind.name, None, 100)
            .await
            .ok("a listing")?
            .len();
        let request = play.stage.sampler.request();
        let first = play
            .create(&kind.name, &given, &request)
            .await
            .ok("an object")?;
        for _ in 0..2 {
            let asked = play.create(&kind.name, &given, &request).await;
            let said = format!("again: {}", asked.asked);
            match asked.came {
                Ok(again) if again.anchor == first.anchor => {}
                Ok(again) => play.wrong(
                    said,
                    format!("the object {} that exists", first.anchor),
                    format!("another, {}", again.anchor),
                ),
                // The host then finds the object by its unique value.
                Err(CallError::Failure(failure)) if failure.fault == Fault::AlreadyExists => {}
                Err(error) => play.wrong(
                    said,
                    "the object that exists, or `already-exists`",
                    values::error(&error),
                ),
            }
        }
        let after = play
            .walk(&kind.name, None, 100)
            .await
            .ok("a listing")?
            .len();
        if after != before + 1 {
            play.wrong(
                format!("create a {} three times with one request", kind.name),
                "one object more",
                format!("{} more", after.saturating_sub(before)),
            );
        }
    }
    Ok(())
}

async fn update(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        let entry = play.small(kind).await?;
        let wanted = play.values(kind, field, play.stage.sampler.next()).await?;
        let edits = [edit(EditKind::Put, &field.name, wanted.clone())];
        let request = play.stage.sampler.request();
        let mut anchor = entry.anchor;
        for _ in 0..3 {
            let asked = play
                .update_as(&kind.name, &anchor, &edits, None, &request)
                .await;
            let said = asked.asked.clone();
            let answer = asked.ok("the object, changed")?;
            anchor.clone_from(&answer.anchor);
            let now = play.now(kind, &anchor).await?;
            play.holds(
                kind,
                &now,
                &[values::attribute(&field.name, wanted.clone())],
                &said,
            );
        }
    }
    Ok(())
}

async fn delete(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let entry = play.small(kind).await?;
        let request = play.stage.sampler.request();
        play.delete_as(&kind.name, &entry.anchor, &request)
            .await
            .ok("it is deleted")?;
        let again = play.delete_as(&kind.name, &entry.anchor, &request).await;
        if again.came.is_err() {
            play.go_on(again.refused(&[Fault::NotFound]))?;
        }
    }
    Ok(())
}

/// Deadlines from sooner than any call can be to later than most are.
const MOMENTS: u32 = 24;

async fn cut_off(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let (mut played, mut cut) = (false, 0);
    for kind in stage.kinds() {
        let Some(field) = play.playground(kind) else {
            continue;
        };
        played = true;
        let entry = play.small(kind).await?;
        let mut before = values::of(&entry, &field.name).to_vec();
        // How long one takes when nobody interferes.
        let began = Instant::now();
        let edits = [edit(
            EditKind::Put,
            &field.name,
            play.values(kind, field, 1).await?,
        )];
        let asked = play.update(&kind.name, &entry.anchor, &edits, None).await;
        before = asked
            .came
            .as_ref()
            .map_or(before, |now| values::of(now, &field.name).to_vec());
        asked.ok("the object, changed")?;
        let usual = began.elapsed().max(Duration::from_micros(100));
        for moment in 0..MOMENTS {
            let wanted = play.values(kind, field, stage.sampler.next()).await?;
            let edits = [edit(EditKind::Put, &field.name, wanted.clone())];
            let time = usual * (6 * (moment + 1)) / (5 * MOMENTS);
            let call = Call {
                deadline: Instant::now() + time,
                ..stage.call()
            };
            let request = stage.sampler.request();
            let came = stage
                .fresh
                .update(&call, &kind.name, &entry.anchor, &edits, None, &request)
                .await;
            let said = format!("update {} {} within {time:?}", kind.name, entry.anchor);
            cut += usize::from(came.is_err());
            let now = play.now(kind, &entry.anchor).await?;
            let held = values::of(&now, &field.name);
            let (old, new) = (same(field, &before, held), same(field, &wanted, held));
            if came.is_ok() && !new {
                play.wrong(&said, values::list(&wanted), values::list(held));
            }
            if !old && !new {
                play.wrong(
                    &said,
                    format!("{} or {}", values::list(&before), values::list(&wanted)),
                    values::list(held),
                );
            }
            before = held.to_vec();
        }
        play.check().await.ok("the target is as sound as before")?;
    }
    play.note(format!("{cut} updates were cut off"));
    if played {
        Ok(())
    } else {
        skip("it has no attribute that the kit can change")
    }
}
