//! Memberships.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use tombolo_runtime::CallError;
use tombolo_runtime::contract::{EditKind, Fault};

use super::write::STRANGERS;
use crate::case::{Played, cases};
use crate::describe::Kind;
use crate::play::{Play, skip, stop};
use crate::values::{self, edit};

cases! {
    Members Mandatory "members/change" change
        "members come and go as asked";
        "wit/exports.wit: `change-members`"; "write exactly the memberships that are asked for"
    Members Mandatory "members/again" again
        "adding who is there and removing who is not succeeds and changes nothing";
        "wit/exports.wit: adding who is there and removing who is not succeeds";
        "look at who is there, or take the target's `already a member` for success"
    Members Mandatory "members/unknown" unknown
        "an unknown member to add is `invalid`, and nothing is changed; one to remove is no error";
        "wit/exports.wit: an unknown member to add is `invalid` and nothing is changed";
        "look up all members before the first change"
    Members Mandatory "members/unknown-group" unknown_group
        "a group that is not there is `not-found`";
        "wit/README.md, Failures: `not-found`"; "look whether the group is there"
    Members Mandatory "members/paging" paging
        "a walk over the pages shows every member once, whatever the limit, on whatever instance";
        "wit/exports.wit: anchors of the members, in a stable order";
        "order by a key, and put the last one into the cursor"
    Members Mandatory "members/forged" forged
        "a cursor that nobody gave out is `invalid`, or a page, and never a crash";
        "wit/README.md, Cursors"; "parse cursors as you would parse anything from outside"
    Members Mandatory "members/apart" apart
        "a change of the group's attributes leaves its members, and a change of members its attributes";
        "wit/README.md, Abilities: memberships are apart from the group"; "write only what the edit names"
    Members Mandatory "members/deleted" deleted
        "who is deleted is in no group any more";
        "wit/README.md, Abilities"; "take the memberships away with the member"
    Members Mandatory "members/empty" empty
        "a new group has no members, and the last one can leave";
        "wit/exports.wit: `list-members`"; "hide what the target puts in to keep a group from being empty"
    Members Mandatory "members/many" many
        "a large group is filled, listed and emptied whole";
        "wit/README.md, Abilities: a group of 50,000 is never rewritten";
        "add and remove single memberships; send them to the target in portions"
}

/// A group, and so many objects that can be in it.
async fn group(play: &Play<'_>, members: usize) -> Played<(Kind, String, Vec<String>)> {
    let kinds = play.stage.kinds();
    let Some(kind) = kinds.into_iter().find(|kind| kind.is_group()) else {
        return skip("it describes no kind that has members");
    };
    let Some(member) = play.stage.description.kind(kind.member_kind()) else {
        return skip("the kind of its members is not described");
    };
    let group = play.small(kind).await?;
    let at_once = if play.stage.component.manifest().writes == tombolo_runtime::Writes::Parallel {
        6
    } else {
        1
    };
    let made = futures::stream::iter((0..members).map(|_| play.small(member)))
        .buffer_unordered(at_once)
        .collect::<Vec<_>>()
        .await;
    let mut anchors = Vec::with_capacity(members);
    for entry in made {
        anchors.push(entry?.anchor);
    }
    anchors.sort();
    Ok((kind.clone(), group.anchor, anchors))
}

async fn has(play: &Play<'_>, group: &str, expected: &[String], after: &str) -> Played {
    for limit in [100, 3] {
        let asked = play.members(group, limit).await;
        let said = format!("{} after {after}", asked.asked);
        let members = asked.ok("the members")?;
        compare(play, &said, expected, &members);
    }
    Ok(())
}

fn compare(play: &Play<'_>, said: &str, expected: &[String], members: &[String]) {
    let found: BTreeSet<&String> = members.iter().collect();
    if found.len() != members.len() {
        play.wrong(
            said,
            "every member once",
            format!("{} of them, {} different", members.len(), found.len()),
        );
    }
    let expected: BTreeSet<&String> = expected.iter().collect();
    let lost = expected.difference(&found).count();
    let more = found.difference(&expected).count();
    if lost + more > 0 {
        play.wrong(
            said,
            format!("{} members", expected.len()),
            format!("{lost} of them are missing, {more} others are there"),
        );
    }
}

async fn change(play: &Play<'_>) -> Played {
    let (_, group, people) = group(play, 5).await?;
    play.change_members(&group, &people[..3], &[])
        .await
        .ok("they are members")?;
    has(play, &group, &people[..3], "three were added").await?;
    play.change_members(&group, &people[3..], &people[..2])
        .await
        .ok("two come, two go")?;
    has(play, &group, &people[2..], "two came and two went").await?;
    play.change_members(&group, &[], &people[2..])
        .await
        .ok("all go")?;
    has(play, &group, &[], "all went").await
}

async fn again(play: &Play<'_>) -> Played {
    let (_, group, people) = group(play, 4).await?;
    for _ in 0..3 {
        play.change_members(&group, &people[..2], &people[2..])
            .await
            .ok("success")?;
        has(
            play,
            &group,
            &people[..2],
            "two were added, and two who are not there removed",
        )
        .await?;
    }
    play.change_members(&group, &people[1..3], &[])
        .await
        .ok("one is there, one comes")?;
    has(
        play,
        &group,
        &people[..3],
        "one who was there and one new were added",
    )
    .await?;
    play.change_members(&group, &[], &[people[0].clone(), people[3].clone()])
        .await
        .ok("one goes, one was never there")?;
    has(
        play,
        &group,
        &people[1..3],
        "one who was there and one who was not were removed",
    )
    .await
}

async fn unknown(play: &Play<'_>) -> Played {
    let (_, group, people) = group(play, 3).await?;
    play.change_members(&group, &people[..1], &[])
        .await
        .ok("one member")?;
    for stranger in STRANGERS {
        let add = [people[1].clone(), (*stranger).to_owned(), people[2].clone()];
        let asked = play.change_members(&group, &add, &[]).await;
        play.go_on(asked.refused(&[Fault::Invalid]))?;
    }
    has(play, &group, &people[..1], "unknown members were refused").await?;
    let strangers: Vec<String> = STRANGERS
        .iter()
        .map(|anchor| (*anchor).to_owned())
        .collect();
    play.change_members(&group, &[], &strangers)
        .await
        .ok("success: who is not there need not go")?;
    has(play, &group, &people[..1], "unknown members were removed").await
}

async fn unknown_group(play: &Play<'_>) -> Played {
    let (_, _, people) = group(play, 1).await?;
    for anchor in STRANGERS {
        let asked = play.list_members(anchor, None, 10).await;
        play.go_on(asked.refused(&[Fault::NotFound]))?;
        let asked = play.change_members(anchor, &people, &[]).await;
        play.go_on(asked.refused(&[Fault::NotFound]))?;
    }
    Ok(())
}

async fn paging(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let (_, group, people) = group(play, 23).await?;
    play.change_members(&group, &people, &[])
        .await
        .ok("they are members")?;
    let mut first: Option<Vec<String>> = None;
    let warm = play.on(&stage.warm);
    for limit in [1, 2, 7, 100] {
        for on in [play, &warm] {
            let asked = on.members(&group, limit).await;
            let said = asked.asked.clone();
            let members = asked.ok("the members")?;
            compare(play, &said, &people, &members);
            match &first {
                None => first = Some(members),
                Some(first) if *first != members => {
                    play.wrong(said, "the order of the first listing", "another");
                }
                Some(_) => {}
            }
        }
        let page = play.list_members(&group, None, limit).await;
        let said = page.asked.clone();
        if let Ok(page) = page.came
            && page.members.len() > limit as usize
        {
            play.wrong(
                said,
                format!("at most {limit}"),
                format!("{}", page.members.len()),
            );
        }
    }
    play.take_over(&warm);
    Ok(())
}

async fn forged(play: &Play<'_>) -> Played {
    let (_, group, people) = group(play, 3).await?;
    play.change_members(&group, &people, &[])
        .await
        .ok("they are members")?;
    let long = "f".repeat(16 << 10);
    for cursor in [
        "",
        "garbage",
        "\u{0}",
        "-1",
        "' OR 1=1 --",
        "€",
        long.as_str(),
    ] {
        let asked = play.list_members(&group, Some(cursor), 2).await;
        let said = asked.asked.clone();
        match asked.came {
            Ok(_) => {}
            Err(CallError::Failure(failure)) if failure.fault == Fault::Invalid => {}
            Err(error) => play.wrong(said, "`invalid`, or a page", values::error(&error)),
        }
    }
    Ok(())
}

async fn apart(play: &Play<'_>) -> Played {
    let (kind, group, people) = group(play, 2).await?;
    play.change_members(&group, &people, &[])
        .await
        .ok("they are members")?;
    let before = play.now(&kind, &group).await?;
    let changeable = kind
        .attributes
        .iter()
        .filter(|field| field.is_changeable() && play.is_usable(&kind, field));
    let mut anchor = group;
    for field in changeable {
        let wanted = play.values(&kind, field, play.stage.sampler.next()).await?;
        let edits = [edit(EditKind::Put, &field.name, wanted)];
        let asked = play.update(&kind.name, &anchor, &edits, None).await;
        let said = asked.asked.clone();
        anchor = asked.ok("the group, changed")?.anchor;
        has(play, &anchor, &people, &said).await?;
    }
    let now = play.now(&kind, &anchor).await?;
    play.change_members(&anchor, &[], &people[..1])
        .await
        .ok("one goes")?;
    let after = play.now(&kind, &anchor).await?;
    play.alike(&kind, "change-members", &now, &after);
    drop(before);
    Ok(())
}

async fn deleted(play: &Play<'_>) -> Played {
    let (kind, group, people) = group(play, 3).await?;
    play.change_members(&group, &people, &[])
        .await
        .ok("they are members")?;
    let member = kind.member_kind();
    play.delete(member, &people[0]).await.ok("it is deleted")?;
    has(play, &group, &people[1..], "a member was deleted").await
}

async fn empty(play: &Play<'_>) -> Played {
    let (_, group, people) = group(play, 1).await?;
    has(play, &group, &[], "it was made").await?;
    play.change_members(&group, &people, &[])
        .await
        .ok("one comes")?;
    play.change_members(&group, &[], &people)
        .await
        .ok("the last one goes")?;
    has(play, &group, &[], "the last one left").await
}

/// How many change at once.
const PORTION: usize = 500;

async fn many(play: &Play<'_>) -> Played {
    let wanted = play.stage.settings.members;
    if wanted == 0 {
        return skip("--members 0");
    }
    let (_, group, people) = group(play, wanted).await?;
    for portion in people.chunks(PORTION) {
        play.change_members(&group, portion, &[])
            .await
            .ok("they are members")?;
    }
    let asked = play.members(&group, 1_000).await;
    let said = asked.asked.clone();
    compare(play, &said, &people, &asked.ok("the members")?);
    // One more and one less of a large group is a small change.
    play.change_members(&group, &people[..1], &people[1..2])
        .await
        .ok("one goes")?;
    let asked = play.members(&group, 1_000).await;
    let said = asked.asked.clone();
    let left: Vec<String> = people
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .map(|(_, anchor)| anchor.clone())
        .collect();
    compare(play, &said, &left, &asked.ok("the members")?);
    for portion in people.chunks(PORTION) {
        play.change_members(&group, &[], portion)
            .await
            .ok("they go")?;
    }
    let asked = play.members(&group, 1_000).await;
    let left = asked.ok("no members")?;
    if !left.is_empty() {
        return Err(stop(
            "list-members of a group that all have left",
            "nobody",
            format!("{} members", left.len()),
        ));
    }
    play.note(format!("{wanted} members"));
    Ok(())
}
