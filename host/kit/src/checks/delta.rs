//! Changes since a token: nothing lost, nothing doubled.

use std::collections::BTreeMap;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Change, EditKind, Fault};

use crate::case::{Played, cases};
use crate::describe::Kind;
use crate::play::{Play, stop};
use crate::values::{self, edit};

cases! {
    Delta Mandatory "delta/now" now
        "no token starts from now: no old changes";
        "wit/exports.wit: none starts from now"; "answer the newest token and no changes"
    Delta Mandatory "delta/changes" changes
        "what is made, changed and deleted after a token comes after it, as it is now";
        "wit/exports.wit: `changed(entry)`, `gone(anchor)`"; "record changes in the order in which they are done"
    Delta Mandatory "delta/once" once
        "across tokens and pages of any limit every change comes once";
        "wit/README.md, Abilities: nothing is lost or doubled across a token";
        "let the token say the last change given out, and go on strictly after it"
    Delta Mandatory "delta/again" again
        "the same token gives the same again, on any instance";
        "wit/exports.wit: pass back to continue, now or next week";
        "keep nothing about who has read how far: the token says it"
    Delta Mandatory "delta/forged" forged
        "a token that nobody gave out is `invalid`, and never a crash";
        "wit/README.md, Cursors and tokens"; "parse tokens as you would parse anything from outside"
}

async fn start(play: &Play<'_>, kind: &Kind) -> Played<String> {
    let first = play.since(&kind.name, None, 100).await;
    let said = first.asked.clone();
    let mut first = first.ok("a token")?;
    for _ in 0..1_000 {
        if !first.more {
            return Ok(first.token);
        }
        first = play
            .since(&kind.name, Some(&first.token), 100)
            .await
            .ok("the next page")?;
    }
    Err(stop(said, "an end", "there is always more"))
}

/// Everything after a token, and the token after it: how often each anchor changed, and whether it is gone.
async fn rest(
    play: &Play<'_>,
    kind: &Kind,
    token: &str,
    limit: u32,
) -> Played<(BTreeMap<String, (usize, bool)>, String)> {
    let mut found: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    let mut token = token.to_owned();
    for _ in 0..10_000 {
        let page = play.since(&kind.name, Some(&token), limit).await;
        let said = page.asked.clone();
        let page = page.ok("changes")?;
        for change in page.changes {
            let (anchor, gone) = match change {
                Change::Changed(entry) => (entry.anchor, false),
                Change::Gone(anchor) => (anchor, true),
            };
            let seen = found.entry(anchor).or_default();
            seen.0 += 1;
            seen.1 = gone;
        }
        let stuck = page.token == token && page.more;
        token = page.token;
        if !page.more {
            return Ok((found, token));
        }
        if stuck {
            return Err(stop(said, "another token, for there is more", "the same"));
        }
    }
    Err(stop(
        format!("changes of {}", kind.name),
        "an end",
        "there is always more",
    ))
}

async fn now(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        play.small(kind).await?;
        let asked = play.since(&kind.name, None, 100).await;
        let said = asked.asked.clone();
        let first = asked.ok("a token")?;
        if !first.changes.is_empty() || first.more {
            play.wrong(
                said,
                "no changes",
                format!("{} of them", first.changes.len()),
            );
        }
    }
    Ok(())
}

async fn changes(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        let (kept, doomed) = (
            play.small(kind).await?.anchor,
            play.small(kind).await?.anchor,
        );
        let token = start(play, kind).await?;
        let new = play.small(kind).await?.anchor;
        let mut expected = vec![(new, false), (doomed.clone(), true)];
        let mut wanted = None;
        if let Some(field) = play.playground(kind) {
            let values = play.values(kind, field, 5).await?;
            let edits = [edit(EditKind::Put, &field.name, values.clone())];
            play.update(&kind.name, &kept, &edits, None)
                .await
                .ok("the object, changed")?;
            expected.push((kept.clone(), false));
            wanted = Some((field, values));
        }
        play.delete(&kind.name, &doomed).await.ok("it is deleted")?;
        let page = play.since(&kind.name, Some(&token), 100).await;
        let said = page.asked.clone();
        for change in page.ok("changes")?.changes {
            if let (Change::Changed(entry), Some((field, values))) = (&change, &wanted)
                && entry.anchor == kept
            {
                play.holds(
                    kind,
                    entry,
                    &[values::attribute(&field.name, values.clone())],
                    &said,
                );
            }
        }
        let (found, _) = rest(play, kind, &token, 100).await?;
        for (anchor, gone) in expected {
            match found.get(&anchor) {
                Some((_, came)) if *came == gone => {}
                Some(_) => play.wrong(
                    &said,
                    format!("{anchor} is {}", if gone { "gone" } else { "changed" }),
                    "the other",
                ),
                None => play.wrong(&said, format!("{anchor} among the changes"), "it is not"),
            }
        }
    }
    Ok(())
}

async fn once(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        for limit in [1, 2, 7] {
            let mut token = start(play, kind).await?;
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            let mut made = Vec::new();
            for _ in 0..4 {
                for _ in 0..3 {
                    made.push(play.small(kind).await?.anchor);
                }
                let (found, next) = rest(play, kind, &token, limit).await?;
                for (anchor, (times, _)) in found {
                    *seen.entry(anchor).or_default() += times;
                }
                token = next;
            }
            let said = format!("changes of {} across four tokens, limit {limit}", kind.name);
            for anchor in made {
                match seen.get(&anchor) {
                    Some(1) => {}
                    Some(n) => play.wrong(&said, format!("{anchor} once"), format!("{n} times")),
                    None => play.wrong(&said, anchor, "it is lost"),
                }
            }
            let (left, _) = rest(play, kind, &token, limit).await?;
            if !left.is_empty() {
                play.wrong(
                    &said,
                    "nothing more when nothing has changed",
                    format!("{} changes", left.len()),
                );
            }
        }
    }
    Ok(())
}

async fn again(play: &Play<'_>) -> Played {
    let stage = play.stage;
    for kind in stage.kinds() {
        let token = start(play, kind).await?;
        for _ in 0..3 {
            play.small(kind).await?;
        }
        let (first, _) = rest(play, kind, &token, 2).await?;
        let warm = play.on(&stage.warm);
        for on in [play, &warm] {
            let (found, _) = rest(on, kind, &token, 2).await?;
            if found != first {
                play.wrong(
                    format!("changes of {} since one token, twice", kind.name),
                    "the same",
                    "others",
                );
            }
        }
        play.take_over(&warm);
    }
    Ok(())
}

async fn forged(play: &Play<'_>) -> Played {
    for kind in play.stage.kinds() {
        for token in [
            "",
            "garbage",
            "\u{0}",
            "-1",
            "99999999999999999999999",
            "' OR 1=1 --",
            "€",
        ] {
            let asked = play.since(&kind.name, Some(token), 10).await;
            let said = asked.asked.clone();
            match asked.came {
                Err(CallError::Failure(failure)) if failure.fault == Fault::Invalid => {}
                Ok(changes) if changes.changes.is_empty() => {}
                Ok(_) => play.wrong(said, "`invalid`", "changes"),
                Err(error) => play.wrong(said, "`invalid`", values::error(&error)),
            }
        }
    }
    Ok(())
}
