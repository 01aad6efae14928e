//! `describe` and `check`.

#![allow(
    clippy::unused_async,
    reason = "checks have one shape, whether they ask or only look"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use tombolo_runtime::{AppSpec, HttpAuth, NetTls, SqlDriver, SqlTls, Target};

use crate::case::{Played, cases};
use crate::describe::{Field, Mutability, Type};
use crate::play::{Play, skip, stop};

cases! {
    Nothing Mandatory "describe/schema" schema
        "the connector loads, and `describe` answers a document that fits its schema";
        "wit/describe.schema.json";
        "make the document what the schema says; the SDK's builder cannot make another"
    Nothing Mandatory "describe/consistent" consistent
        "what `describe` says does not contradict itself";
        "wit/README.md, Kinds, attributes, anchors";
        "give each attribute one name and one SCIM path, and let references and members name kinds that are described"
    Nothing Mandatory "describe/stable" stable
        "`describe` answers the same on every call and every instance";
        "wit/exports.wit: it may depend on the settings, and on nothing else";
        "make the document from constants and settings; no clock, no random number, no hash map's order"
    Nothing Mandatory "describe/reaches-nothing" reaches_nothing
        "`describe` reaches no target";
        "wit/exports.wit: it reaches no target; the host calls it before any target is known to work";
        "let the operator say in [settings] what you would look up"
    Nothing Optional "describe/findable" findable
        "objects that can be made have an attribute that is required and unique";
        "wit/README.md, Abilities: after a lost answer, a repeated create finds what the first one made";
        "describe the target's natural key as `required` and `unique`, so that an object can be found again"
    Nothing Mandatory "check/works" works
        "`check` reaches the target and succeeds, twice";
        "wit/exports.wit: reach the target and prove the credentials, without changing anything";
        "put the grants of the app right if its message says so; else make `check` do what it says"
    Nothing Mandatory "check/notices" notices
        "`check` fails where the target cannot be reached";
        "wit/exports.wit: reach the target and prove the credentials";
        "let `check` really ask the target something; an operator trusts its word before going live"
}

async fn schema(_play: &Play<'_>) -> Played {
    // A connector that does not is never bound: see `run`.
    Ok(())
}

/// What the host refuses at load is not looked for again: names that are there twice, references into nothing.
async fn consistent(play: &Play<'_>) -> Played {
    let wrong = |expected: &str, came: String| play.wrong("describe", expected, came);
    for kind in &play.stage.description.kinds {
        let mut paths = BTreeSet::new();
        for field in &kind.attributes {
            let at = format!("{}.{}", kind.name, field.name);
            if let Some(path) = field
                .scim
                .as_ref()
                .filter(|path| !paths.insert(path.to_lowercase()))
            {
                wrong(
                    "each SCIM path once in a kind",
                    format!("`{at}` suggests `{path}`, which another has"),
                );
            }
            for complaint in complaints(field) {
                wrong("attributes that can be", format!("`{at}` {complaint}"));
            }
        }
    }
    Ok(())
}

fn complaints(field: &Field) -> Vec<&'static str> {
    let mut found = Vec::new();
    if field.unique && field.mutability == Mutability::WriteOnly {
        found.push("is unique and write-only: nobody could see whose it is");
    }
    if field.unique && matches!(field.data, Type::Complex | Type::Boolean) {
        found.push("is unique, which no complex value or boolean can be");
    }
    found
}

async fn stable(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let first = stage.fresh.description().clone();
    for (how, connector) in [
        ("a new instance", &stage.fresh),
        ("a kept instance", &stage.warm),
    ] {
        for _ in 0..3 {
            let asked = format!("describe, on {how}");
            let text = connector.describe_now(&stage.call()).await;
            let text = text.map_err(|why| stop(&asked, "the same document", why.to_string()))?;
            let again: serde_json::Value = serde_json::from_str(&text)
                .map_err(|why| stop(&asked, "the same document", format!("no JSON: {why}")))?;
            if again != first {
                play.wrong(asked, "the same document as before", "another one");
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn reaches_nothing(play: &Play<'_>) -> Played {
    let calls = play.stage.trial_calls;
    if calls > 0 {
        play.wrong(
            "describe, several times",
            "no host call to a target",
            format!("{calls} of them"),
        );
    }
    Ok(())
}

async fn findable(play: &Play<'_>) -> Played {
    if !play.stage.component.abilities().write {
        return skip("it does not export `write`");
    }
    for kind in &play.stage.description.kinds {
        if !kind
            .attributes
            .iter()
            .any(|field| field.required && field.unique)
        {
            play.wrong(
                "describe",
                format!(
                    "`{}` has an attribute that is required and unique",
                    kind.name
                ),
                "it has none",
            );
        }
    }
    Ok(())
}

async fn works(play: &Play<'_>) -> Played {
    for _ in 0..2 {
        play.check().await.ok("success")?;
    }
    Ok(())
}

async fn notices(play: &Play<'_>) -> Played {
    let stage = play.stage;
    let mut spec = AppSpec {
        ..stage.spec.clone()
    };
    let mut dead = 0;
    for target in spec.targets.values_mut() {
        match target {
            Target::Ldap(ldap) => {
                "ldap://127.0.0.1:9".clone_into(&mut ldap.url);
                ldap.start_tls = false;
                ldap.bind_dn.clear();
                ldap.password = String::new().into();
                ldap.connect_timeout = Duration::from_secs(2);
            }
            Target::Http(http) => {
                "http://127.0.0.1:9".clone_into(&mut http.url);
                http.auth = HttpAuth::None;
                http.identity = None;
            }
            Target::Net(net) => {
                "127.0.0.1:9".clone_into(&mut net.address);
                net.tls = NetTls::Off;
                net.server_name = None;
                net.ca = None;
                net.pins.clear();
                net.identity = None;
                net.connect_timeout = Duration::from_secs(2);
            }
            Target::Sql(sql) => match &mut sql.driver {
                SqlDriver::Postgresql(server) | SqlDriver::Mysql(server) => {
                    "127.0.0.1".clone_into(&mut server.host);
                    server.port = Some(9);
                    server.tls = SqlTls::Off;
                    sql.connect_timeout = Duration::from_secs(2);
                }
                // A file, and what only a driver knows, have no address.
                SqlDriver::Sqlite(_) | SqlDriver::Odbc(_) => continue,
            },
            _ => continue,
        }
        dead += 1;
    }
    let empty =
        tempfile::tempdir().map_err(|why| stop("make a directory", "one", why.to_string()))?;
    if dead == 0 {
        return skip("it is granted no target whose address can be taken away");
    }
    for directory in &mut spec.directories {
        empty.path().clone_into(&mut directory.host);
    }
    let bound = stage.runtime.bind(&stage.component, spec).await;
    let connector = bound.map_err(|why| {
        stop(
            "bind to a port where nobody listens",
            "it loads",
            why.to_string(),
        )
    })?;
    let on = play.on(&connector);
    let asked = on.check().await;
    if asked.came.is_ok() {
        play.wrong(
            "check, with a target where nobody listens",
            "a failure",
            "success",
        );
    }
    play.take_over(&on);
    Ok(())
}
