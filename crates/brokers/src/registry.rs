//! Confluent's schema registry, which maps schemas to ids.
//!
//! A schema is registered under the subject `TOPIC-value` (the registry's default naming), or `TOPIC-NAME` where the messages of a
//! topic have several schemas, and its id is cached. Messages carry the id before the datum.

use delivery::StoreError;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

/// Media type of the registry's API.
const MEDIA: &str = "application/vnd.schemaregistry.v1+json";

/// A registry, and the ids that it assigned.
pub(crate) struct Registry {
    agent: Agent,
    url: String,
    /// The header for `user:password@` in the URL.
    authorization: Option<String>,
    /// By subject and schema.
    ids: HashMap<(String, String), u32>,
}

impl Registry {
    pub(crate) fn new(url: &str, timeout: Duration) -> Self {
        let config = Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false);
        let (url, authorization) = split_credentials(url.trim_end_matches('/'));
        Self { agent: config.build().into(), url, authorization, ids: HashMap::new() }
    }

    /// The id of a schema for messages of that topic. `name` follows the topic in the subject.
    pub(crate) fn id(&mut self, topic: &str, name: &str, schema: &str) -> Result<u32, StoreError> {
        let key = (format!("{topic}-{name}"), schema.to_owned());
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let id = self.register(&key.0, schema)?;
        self.ids.insert(key, id);
        Ok(id)
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, StoreError> {
        let url = format!("{}/subjects/{subject}/versions", self.url);
        let mut request = self.agent.post(&url).header(CONTENT_TYPE, MEDIA).header(ACCEPT, MEDIA);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let down = |what: String| StoreError::Down(format!("schema registry {}: {what}", self.url));
        let body = json!({ "schema": schema }).to_string();
        let failed = |error: ureq::Error| tls_error(&error).unwrap_or_else(|| down(error.to_string()));
        let mut response = request.send(body.as_bytes()).map_err(failed)?;
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
                let what = format!("subject '{subject}': {status} {}", said.unwrap_or(&text));
                Err(StoreError::Configuration { key: "kafka_avro_schema_registry", what })
            }
        }
    }
}

/// The configuration error behind a TLS error, if there is one.
fn tls_error(error: &ureq::Error) -> Option<StoreError> {
    let error: &(dyn std::error::Error + 'static) = match error {
        ureq::Error::Io(error) => error,
        ureq::Error::Rustls(error) => error,
        _ => return None,
    };
    delivery::tls::configuration_error("kafka_avro_schema_registry", error)
}

/// The URL without `user:password@`, and the header with these credentials.
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

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    /// A registry that gives these answers in turn. Returns its URL and the requests: request line, credentials, body.
    fn registry(answers: Vec<(u16, &'static str)>) -> (String, Receiver<(String, String, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://user:word@{}/", listener.local_addr().unwrap());
        let (asked, questions) = channel();
        std::thread::spawn(move || {
            for (status, answer) in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(stream);
                let (mut first, mut login, mut length) = (String::new(), String::new(), 0);
                reader.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let lower = line.to_ascii_lowercase();
                    if let Some(number) = lower.strip_prefix("content-length:") {
                        length = number.trim().parse().unwrap();
                    }
                    if lower.starts_with("authorization:") {
                        login = line.trim().to_owned();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.len()
                );
                reader.get_mut().write_all(format!("{head}{answer}").as_bytes()).unwrap();
                asked.send((first.trim().to_owned(), login, String::from_utf8(body).unwrap())).unwrap();
            }
        });
        (url, questions)
    }

    #[test]
    fn a_schema_is_registered_once() {
        let (url, questions) = registry(vec![(200, r#"{"id": 7}"#), (200, r#"{"id": 8}"#)]);
        let mut registry = Registry::new(&url, Duration::from_secs(10));
        for _ in 0..3 {
            assert_eq!(registry.id("flows", "value", r#"{"type":"record"}"#), Ok(7));
        }
        assert_eq!(registry.id("flows", "bgp_dump", r#"{"type":"record"}"#), Ok(8));
        let (line, login, body) = questions.recv().unwrap();
        assert_eq!(line, "POST /subjects/flows-value/versions HTTP/1.1");
        assert!(login.ends_with("Basic dXNlcjp3b3Jk"), "{login}");
        assert_eq!(body, r#"{"schema":"{\"type\":\"record\"}"}"#);
        assert!(questions.recv().unwrap().0.contains("/flows-bgp_dump/"));
    }

    #[test]
    fn a_rejected_schema_is_a_configuration_error_and_a_server_error_is_not() {
        let refusal = r#"{"error_code": 409, "message": "Schema being registered is incompatible"}"#;
        let (url, _questions) = registry(vec![(409, refusal), (503, "later"), (200, "{}")]);
        let mut registry = Registry::new(&url, Duration::from_secs(10));
        match registry.id("flows", "value", "{}") {
            Err(StoreError::Configuration { key: "kafka_avro_schema_registry", what }) => {
                assert!(what.contains("flows-value") && what.contains("incompatible"), "{what}");
            }
            other => panic!("{other:?}"),
        }
        assert!(
            matches!(registry.id("flows", "value", "{}"), Err(StoreError::Down(what)) if what.contains("503"))
        );
        assert!(matches!(registry.id("flows", "value", "{}"), Err(StoreError::Configuration { .. })));
        // The server has stopped.
        assert!(matches!(registry.id("flows", "value", "{}"), Err(StoreError::Down(_))));
    }

    #[test]
    fn credentials_are_removed_from_the_url() {
        assert_eq!(
            split_credentials("https://a:b@host:1/x"),
            ("https://host:1/x".into(), Some("Basic YTpi".into()))
        );
        assert_eq!(split_credentials("host:8081"), ("http://host:8081".into(), None));
    }
}
