//! One request of the settings: rendered, sent, and its answer judged.

use crate::path::Path;
use crate::settings::{Call, ErrorRule, Settings};
use crate::template::{self, Place, Scope};
use crate::tree;
use serde_json::Value;
use std::time::Duration;
use tombolo_sdk::http::{Response, Service, escape_query};
use tombolo_sdk::{Failure, Fault, Result};

/// The API behind the app's target.
pub struct Api {
    settings: Settings,
    service: Service,
}

/// An answer that is a success.
pub struct Answer {
    /// What it says.
    pub tree: Value,
    response: Response,
}

impl Answer {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }
}

impl Api {
    /// The API that the settings describe, over a service.
    pub fn new(settings: Settings, service: Service) -> Self {
        Self { settings, service }
    }

    /// What is said about it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes a request; `method` is what it usually has.
    pub fn call(&self, method: &str, call: &Call, scope: &Scope) -> Result<Answer> {
        let path = template::render(Place::Path, &call.path, scope)?;
        self.send(method, path, call, scope)
    }

    /// The same with a JSON body that is made already.
    pub fn call_with(
        &self,
        method: &str,
        call: &Call,
        scope: &Scope,
        body: &Value,
    ) -> Result<Answer> {
        let path = template::render(Place::Path, &call.path, scope)?;
        self.send_body(
            method,
            path,
            call,
            scope,
            Some(("application/json", body.to_string().into_bytes())),
        )
    }

    /// Follows a link that the API gave.
    pub fn follow(&self, link: &str, call: &Call, scope: &Scope) -> Result<Answer> {
        let plain = Call {
            query: std::collections::BTreeMap::new(),
            ..call.clone()
        };
        self.send("GET", link.to_owned(), &plain, scope)
    }

    fn send(&self, method: &str, path: String, call: &Call, scope: &Scope) -> Result<Answer> {
        let body = body(call, scope)?;
        self.send_body(method, path, call, scope, body)
    }

    fn send_body(
        &self,
        method: &str,
        path: String,
        call: &Call,
        scope: &Scope,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer> {
        let method = call.method.as_deref().unwrap_or(method);
        let place = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let mut request = self.service.request(method, path);
        for (name, source) in &call.query {
            match template::value(source, scope)? {
                None | Some(Value::Null) => {}
                Some(Value::Array(values)) => {
                    for value in values {
                        request = request.query(name, &text(&value));
                    }
                }
                Some(value) => request = request.query(name, &text(&value)),
            }
        }
        for (name, source) in self.settings.headers.iter().chain(&call.headers) {
            let value = template::render(Place::Text, source, scope)?;
            if !value.is_empty() {
                request = request.header(name.clone(), &value);
            }
        }
        if let (Some(name), Some(Value::String(id))) =
            (&self.settings.idempotency_header, scope.get("request"))
        {
            request = request.header(name.clone(), id);
        }
        let typed = call
            .headers
            .keys()
            .any(|n| n.eq_ignore_ascii_case("content-type"));
        if let Some((kind, body)) = body {
            request = if typed {
                request.bare_body(body)
            } else {
                request.body(kind, body)
            };
        }
        let response = request.answer()?;
        self.judge(call, response).map_err(|f| f.within(place))
    }

    /// A success, or what the answer means by the rules, or by its status.
    fn judge(&self, call: &Call, response: Response) -> Result<Answer> {
        let success = response.is_success() || call.ok.contains(&response.status);
        let tree = match tree::parse(&response.body) {
            Ok(tree) => tree,
            Err(why) if success => {
                return Err(Failure::unavailable(format!(
                    "the answer is neither JSON nor XML, or was cut: {why}"
                ))
                .code(response.status));
            }
            Err(_) => Value::Null,
        };
        let said = self.message(&tree);
        let rule = self
            .settings
            .errors
            .iter()
            .find(|rule| applies(rule, &response, success, &tree, said.as_deref()));
        match (rule, success) {
            (None, true) => Ok(Answer { tree, response }),
            (rule, _) => Err(meaning(rule, &response, said)),
        }
    }

    fn message(&self, tree: &Value) -> Option<String> {
        const USUAL: [&str; 4] = ["errors", "error", "message", "detail"];
        let usual: Vec<Path>;
        let paths = match self.settings.message.as_slice() {
            [] => {
                usual = USUAL.iter().map(|name| Path::name(name)).collect();
                usual.as_slice()
            }
            own => own,
        };
        let texts: Vec<String> = paths
            .iter()
            .flat_map(|path| path.all(tree))
            .filter_map(crate::path::plain)
            .filter(|text| !text.trim().is_empty())
            .collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// A request's body and its content type.
fn body(call: &Call, scope: &Scope) -> Result<Option<(&'static str, Vec<u8>)>> {
    if let Some(body) = &call.body {
        let body = template::structure(body, scope)?.unwrap_or(Value::Null);
        return Ok(Some(("application/json", body.to_string().into_bytes())));
    }
    if let Some(xml) = &call.xml {
        let xml = template::render(Place::Xml, xml, scope)?;
        return Ok(Some(("text/xml; charset=utf-8", xml.into_bytes())));
    }
    let Some(form) = &call.form else {
        return Ok(None);
    };
    let mut pairs = Vec::new();
    for (name, source) in form {
        if let Some(value) = template::value(source, scope)?.filter(|v| !v.is_null()) {
            pairs.push(format!(
                "{}={}",
                escape_query(name),
                escape_query(&text(&value))
            ));
        }
    }
    Ok(Some((
        "application/x-www-form-urlencoded",
        pairs.join("&").into_bytes(),
    )))
}

fn applies(
    rule: &ErrorRule,
    response: &Response,
    success: bool,
    tree: &Value,
    said: Option<&str>,
) -> bool {
    let statuses = rule.status.as_slice();
    if !statuses.is_empty() && !statuses.contains(&response.status) {
        return false;
    }
    if statuses.is_empty() && rule.path.is_none() && success {
        return false;
    }
    let has =
        |words: &str| said.is_some_and(|said| said.to_lowercase().contains(&words.to_lowercase()));
    rule.path
        .as_ref()
        .is_none_or(|path| path.first(tree).is_some())
        && rule.contains.as_deref().is_none_or(has)
}

fn meaning(rule: Option<&ErrorRule>, response: &Response, said: Option<String>) -> Failure {
    let mut failure = response
        .failure()
        .unwrap_or_else(|| Failure::other("the service answered an error").code(response.status));
    if let Some(said) = &said {
        let short: String = said.chars().take(500).collect();
        failure.message = format!("the service answered {}: {short}", response.status);
    }
    let Some(rule) = rule else {
        return failure;
    };
    failure.fault = Fault::from(rule.fault);
    let said = said.unwrap_or_default();
    let blamed = rule
        .attributes
        .iter()
        .find(|(words, _)| said.contains(words.as_str()));
    failure.attribute = blamed
        .map(|(_, name)| name.clone())
        .or_else(|| rule.attribute.clone());
    let header = rule.retry_after_header.as_deref().unwrap_or("Retry-After");
    let seconds = response
        .header(header)
        .and_then(|text| text.trim().parse().ok());
    match seconds {
        Some(seconds) if failure.is(Fault::Busy) => {
            failure.retry_after(Duration::from_secs(seconds))
        }
        _ => failure,
    }
}

fn text(value: &Value) -> String {
    crate::path::plain(value).unwrap_or_else(|| value.to_string())
}

/// What a failure is after something has taken effect: the host has to ask what is true.
pub fn after_effect(mut failure: Failure) -> Failure {
    if !matches!(failure.fault, Fault::Timeout | Fault::Unavailable) {
        failure.fault = Fault::Unavailable;
    }
    failure
}
