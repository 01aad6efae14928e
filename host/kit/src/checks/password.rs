//! Passwords.

use tombolo_runtime::CallError;
use tombolo_runtime::contract::Fault;

use super::write::STRANGERS;
use crate::case::{Played, cases};
use crate::describe::Kind;
use crate::play::{Play, skip};
use crate::values::{self, Show as _};

cases! {
    Password Mandatory "password/set" set
        "a password can be set, twice, and changes nothing that is shown";
        "wit/exports.wit: `set-password`"; "hand the secret to the target; store nothing of it"
    Password Mandatory "password/unknown" unknown
        "a password for an anchor that is not there is `not-found`";
        "wit/README.md, Failures: `not-found`"; "look whether the object is there"
    Password Mandatory "password/hidden" hidden
        "a password is in no answer and in no failure";
        "wit/README.md, Abilities: the value is a handle"; "never copy a secret into an attribute or a message"
}

fn people<'s>(play: &Play<'s>) -> Played<&'s Kind> {
    let found = play
        .stage
        .kinds()
        .into_iter()
        .find(|kind| kind.resource == "User");
    found.map_or_else(|| skip("it describes no users"), Ok)
}

/// A strong one, as most policies want it, and one that no careless quoting survives.
const PASSWORDS: [&str; 2] = ["Kit-7f!Zq0-long-enough", "a'b\"c\\d$e%f&g;Ü€-9Z kit"];

async fn set(play: &Play<'_>) -> Played {
    let kind = people(play)?;
    let (entry, _, _) = play.full(kind).await?;
    for password in PASSWORDS {
        let asked = play.set_password(&entry.anchor, password).await;
        let said = asked.asked.clone();
        if let Err(error) = &asked.came
            && !matches!(error, CallError::Failure(failure) if failure.fault == Fault::Invalid)
        {
            play.wrong(&said, "it is set, or `invalid`", values::error(error));
        }
        let now = play.now(kind, &entry.anchor).await?;
        play.alike(kind, &said, &entry, &now);
    }
    Ok(())
}

async fn unknown(play: &Play<'_>) -> Played {
    for anchor in STRANGERS {
        let asked = play.set_password(anchor, PASSWORDS[0]).await;
        play.go_on(asked.refused(&[Fault::NotFound]))?;
    }
    Ok(())
}

async fn hidden(play: &Play<'_>) -> Played {
    let kind = people(play)?;
    let entry = play.small(kind).await?;
    let password = format!("{}{}", PASSWORDS[0], play.stage.sampler.next());
    // The host hides what it knows of in failures; an answer is shown as it is.
    let asked = play.set_password(&entry.anchor, &password).await;
    asked.ok("it is set")?;
    let views = [play
        .get(&kind.name, &entry.anchor, &[])
        .await
        .ok("the object")?];
    let listed = play.walk(&kind.name, None, 100).await.ok("a listing")?;
    for view in views.iter().chain(&listed) {
        let whole = format!("{:?}", view.attributes);
        if whole.contains(&password) {
            play.wrong(
                format!("{} after set-password", view.anchor),
                "no password",
                view.show().replace(&password, "[the password]"),
            );
        }
    }
    Ok(())
}
