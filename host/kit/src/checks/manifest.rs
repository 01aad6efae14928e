//! The manifest: what can be known of the file without running it.

#![allow(
    clippy::unused_async,
    reason = "checks have one shape, whether they ask or only look"
)]

use crate::case::{Played, cases};
use crate::play::{Play, skip};

cases! {
    Nothing Optional "manifest/present" present
        "the file has a manifest";
        "wit/README.md, Targets, secrets, settings: what a connector wants stands in the custom section `tombolo:manifest`";
        "embed a manifest.json; every SDK has a way to name it, and without it an operator learns nothing from the file"
    Nothing Mandatory "manifest/agrees" agrees
        "the manifest agrees with the file and with `describe`";
        "wit/manifest.schema.json: `wit` is the contract version the file was built against; one connector has one name";
        "set `wit` in the manifest to the version in the file's imports, and give `describe` the manifest's name"
    Nothing Mandatory "manifest/wants" wants
        "the manifest wants nothing that the file cannot use";
        "wit/README.md: the operator grants what the manifest asks for; asking for more than is used costs trust for nothing";
        "take the target, directory or secret out of the manifest, or import the interface that uses it"
    Nothing Optional "manifest/settings" settings
        "the manifest says which settings there are";
        "wit/manifest.schema.json: `settings` is the JSON Schema of the app's [settings], which the host checks first";
        "write a JSON Schema with `additionalProperties: false`: a misspelt setting is then told instead of ignored"
}

const FILE: &str = "read the file's custom section `tombolo:manifest`";

async fn present(play: &Play<'_>) -> Played {
    if !play.stage.component.has_manifest() {
        play.wrong(FILE, "a manifest", "the file has none");
    }
    Ok(())
}

async fn agrees(play: &Play<'_>) -> Played {
    let component = &play.stage.component;
    if !component.has_manifest() {
        return skip("the file has no manifest");
    }
    let (manifest, found) = (component.manifest(), component.inspect());
    if manifest.wit != found.contract {
        play.wrong(
            FILE,
            format!("wit {}", found.contract),
            format!("wit {}", manifest.wit),
        );
    }
    let said = &play.stage.description.name;
    if *said != manifest.name {
        play.wrong(
            "describe",
            format!("name {}", manifest.name),
            format!("name {said}"),
        );
    }
    Ok(())
}

async fn wants(play: &Play<'_>) -> Played {
    let component = &play.stage.component;
    let imports = &component.inspect().imports;
    let has = |interface: &str| imports.iter().any(|name| name.starts_with(interface));
    let manifest = component.manifest();
    for target in &manifest.targets {
        let own = format!("tombolo:connector/{}@", target.kind);
        let through_wasi = target.kind == "http" && has("wasi:http/");
        if !has(&own) && !through_wasi {
            play.wrong(
                FILE,
                format!(
                    "target `{}` is of a kind that the file imports",
                    target.name
                ),
                format!(
                    "it is of kind `{}`, and the file imports no such interface",
                    target.kind
                ),
            );
        }
    }
    if !manifest.directories.is_empty() && !has("wasi:filesystem/") {
        play.wrong(
            FILE,
            "no directories: the file imports no file system",
            "it wants some",
        );
    }
    if !manifest.secrets.is_empty() && !has("tombolo:connector/secrets@") {
        play.wrong(
            FILE,
            "no secrets: the file imports no `secrets`",
            "it wants some",
        );
    }
    Ok(())
}

async fn settings(play: &Play<'_>) -> Played {
    let component = &play.stage.component;
    if component.has_manifest() && component.manifest().settings.is_none() {
        play.wrong(
            FILE,
            "`settings`, a JSON Schema",
            "there is none: any settings are taken",
        );
    }
    Ok(())
}
