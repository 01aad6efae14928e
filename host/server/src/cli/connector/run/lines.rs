//! The host's log as an author wants it: each request as one line, what the connector says, and what goes wrong.

use serde_json::Value;

/// Prints one line of the log, if it is of interest.
pub(super) fn show(line: &str) {
    if let Some(line) = told(line) {
        println!("{line}");
    }
}

fn told(line: &str) -> Option<String> {
    let Ok(event) = serde_json::from_str::<Value>(line) else {
        // Not the log: a panic, say.
        return Some(line.to_owned());
    };
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    if text("message") == "answered" {
        let ms = event["ms"].as_f64().unwrap_or_default();
        return Some(format!(
            "{:<7}{} {} {ms:.1} ms",
            text("method"),
            event["status"],
            text("route")
        ));
    }
    if text("target") == "tombolo::connector" {
        let (level, message, fields) = (
            text("level").to_lowercase(),
            text("message"),
            text("fields"),
        );
        return Some(
            format!("  {level}: {message} {fields}")
                .trim_end()
                .to_owned(),
        );
    }
    if !matches!(text("level"), "WARN" | "ERROR") {
        return None;
    }
    let known = ["timestamp", "level", "message", "target", "span", "app"];
    let more: Vec<String> = event
        .as_object()?
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()))
        .map(|(name, value)| {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}: {value}")
        })
        .collect();
    Some(
        format!("! {} {}", text("message"), more.join("; "))
            .trim_end()
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_and_the_hosts_own_talk_none() {
        let line = r#"{"level":"INFO","message":"answered","method":"GET","route":"/Users","status":200,"ms":1.25,"target":"tombolo::http"}"#;
        assert_eq!(told(line).unwrap(), "GET    200 /Users 1.2 ms");
        assert_eq!(
            told(r#"{"level":"INFO","message":"connector loaded","target":"x"}"#),
            None
        );
        assert_eq!(
            told(r#"{"level":"DEBUG","message":"read","fields":"rows=\"7\"","target":"tombolo::connector"}"#).unwrap(),
            "  debug: read rows=\"7\""
        );
        assert_eq!(
            told(r#"{"level":"WARN","message":"thrown away","detail":"unreachable","app":"x","target":"y"}"#).unwrap(),
            "! thrown away detail: unreachable"
        );
        assert_eq!(told("thread panicked").unwrap(), "thread panicked");
    }
}
