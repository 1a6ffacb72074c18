//! Confluent's schema registry: names of schemas for numbers.
//!
//! A schema is registered under the subject `TOPIC-value` (the registry's usual naming) and its number kept; messages
//! carry the number before the datum.

use delivery::Fault;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

/// Media type of the registry's API.
const MEDIA: &str = "application/vnd.schemaregistry.v1+json";

/// A registry, and the numbers that it gave.
pub(crate) struct Registry {
    agent: Agent,
    url: String,
    /// For `user:password@` in the URL.
    authorization: Option<String>,
    ids: HashMap<(String, String), u32>,
}

impl Registry {
    pub(crate) fn new(url: &str, timeout: Duration) -> Self {
        let config = Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false);
        let (url, authorization) = split_credentials(url.trim_end_matches('/'));
        Self { agent: config.build().into(), url, authorization, ids: HashMap::new() }
    }

    /// The number of a schema for messages of that topic.
    pub(crate) fn id(&mut self, topic: &str, schema: &str) -> Result<u32, Fault> {
        let key = (topic.to_owned(), schema.to_owned());
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let id = self.register(topic, schema)?;
        self.ids.insert(key, id);
        Ok(id)
    }

    fn register(&self, topic: &str, schema: &str) -> Result<u32, Fault> {
        let url = format!("{}/subjects/{topic}-value/versions", self.url);
        let mut request = self.agent.post(&url).header(CONTENT_TYPE, MEDIA).header(ACCEPT, MEDIA);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let down = |what: String| Fault::Down(format!("schema registry {}: {what}", self.url));
        let body = json!({ "schema": schema }).to_string();
        let mut response = request.send(body.as_bytes()).map_err(|error| down(error.to_string()))?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(|error| down(error.to_string()))?;
        let answer: Option<Value> = serde_json::from_str(&text).ok();
        if status.is_server_error() {
            return Err(down(format!("{status} {text}")));
        }
        let id = answer.as_ref().and_then(|answer| answer.get("id")).and_then(Value::as_u64);
        match id.and_then(|id| u32::try_from(id).ok()) {
            Some(id) if status.is_success() => Ok(id),
            _ => {
                let said = answer.as_ref().and_then(|answer| answer.get("message")).and_then(Value::as_str);
                let what = format!("subject '{topic}-value': {status} {}", said.unwrap_or(&text));
                Err(Fault::Configuration { key: "kafka_avro_schema_registry", what })
            }
        }
    }
}

/// The URL without `user:password@`, and the header that stands for it.
fn split_credentials(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (format!("http://{url}"), None) };
    match rest.rsplit_once('@') {
        Some((credentials, host)) => {
            let header = format!("Basic {}", base64(credentials.as_bytes()));
            (format!("{scheme}://{host}"), Some(header))
        }
        None => (url.to_owned(), None),
    }
}

fn base64(octets: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        assert_eq!(
            split_credentials("https://a:b@host:1/x"),
            ("https://host:1/x".into(), Some("Basic YTpi".into()))
        );
        assert_eq!(split_credentials("host:8081"), ("http://host:8081".into(), None));
    }
}
