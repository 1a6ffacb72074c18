//! Records of telemetry as JSON, in the formats of pmacct 1.8 and 1.7.7.
//!
//! ```text
//! 1.8     {"data-collection-manifest": {…}, "payload": …, "network-operator-metadata": {"labels": […]},
//!          "telemetry-message-metadata": {…}}            of UDP-notif: in {"ietf-telemetry-message:message": …}
//! 1.7.7   {"event_type": "log", "seq": …, "timestamp": …, "telemetry_node": …, "telemetry_port": …, "telemetry_data": …,
//!          "serialization": …}
//! ```
//!
//! Nearly all of a record is the payload, which is copied as it is. The rest is rendered around it to the buffer of the log.

use super::node::{Node, Transport};
use crate::about::VERSION;
use config::Config;
use config::keys::core::CORE_PROC_NAME;
use config::keys::encoding::PRE_TAG_LABEL_ENCODE_AS_MAP;
use config::keys::telemetry::{TELEMETRY_OUTPUT_FORMAT, TelemetryOutputFormat};
use encode::number::decimal;
use encode::value::{escaped, label_pairs};
use event_log::{Event, Head};
use std::borrow::Cow;

/// Variables of names.
pub(super) const VARIABLES: &[&str] = &["telemetry_node", "telemetry_node_port"];

/// The label `serialization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Serialization(pub(super) &'static str);

impl Serialization {
    /// JSON in a string: `tmp_telemetry_decode_cisco_v1_json_string`.
    pub(super) const JSON_STRING: Self = Self("json-string");
}

/// What a message contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    pub(super) serialization: Serialization,
    /// Its contents: a JSON value on one line; `None` if they were not what their encoding says.
    pub(super) json: Option<&'a [u8]>,
    /// The subscription to which it belongs, a JSON object.
    pub(super) subscription: Option<&'a [u8]>,
}

/// How records are written.
#[derive(Clone, Debug)]
pub(super) struct Format {
    is_flat: bool,
    /// `pre_tag_label_encode_as_map`: labels of markers are objects.
    label_as_map: bool,
    /// The start of each record up to its payload.
    manifest: Vec<u8>,
}

impl Format {
    pub(super) fn read(config: &Config) -> Self {
        let mut manifest = b"\"data-collection-manifest\": {\"vendor\": \"pmacct\", \"name\": \"".to_vec();
        escaped(&mut manifest, config.core(&CORE_PROC_NAME).as_bytes());
        manifest.extend_from_slice(b"\", \"software-version\": \"");
        manifest.extend_from_slice(VERSION.as_bytes());
        manifest.extend_from_slice(b"\", \"software-flavor\": \"pmacct-rs\"}");
        Self {
            is_flat: config.core(&TELEMETRY_OUTPUT_FORMAT) == TelemetryOutputFormat::Flat,
            label_as_map: config.core(&PRE_TAG_LABEL_ENCODE_AS_MAP),
            manifest,
        }
    }
}

/// The tag and the label of a node, rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags {
    /// As members, each with a comma after it.
    members: Vec<u8>,
    /// As entries of the list of labels, each with a comma after it.
    labels: Vec<u8>,
}

impl Tags {
    /// Renders other values.
    pub(super) fn set(&mut self, tag: Option<u64>, label: Option<&str>, format: &Format) {
        let Self { members, labels } = self;
        members.clear();
        labels.clear();
        if let Some(tag) = tag {
            members.extend_from_slice(b"\"tag\": ");
            decimal(members, tag);
            members.extend_from_slice(b", ");
            labels.extend_from_slice(b"{\"name\": \"tag\", \"number-value\": ");
            decimal(labels, tag);
            labels.extend_from_slice(b"}, ");
        }
        if let Some(label) = label {
            members.extend_from_slice(b"\"label\": ");
            match format.label_as_map {
                true => put_pairs(members, label),
                false => put_string(members, label),
            }
            members.extend_from_slice(b", ");
            labels.extend_from_slice(b"{\"name\": \"label\", \"string-value\": ");
            put_string(labels, label);
            labels.extend_from_slice(b"}, ");
        }
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text.as_bytes());
    out.push(b'"');
}

fn put_pairs(out: &mut Vec<u8>, label: &str) {
    out.push(b'{');
    for (number, (key, value)) in label_pairs(label.as_bytes()).enumerate() {
        out.extend_from_slice(if number > 0 { b", \"".as_slice() } else { b"\"" });
        escaped(out, key);
        out.extend_from_slice(b"\": \"");
        escaped(out, value);
        out.push(b'"');
    }
    out.push(b'}');
}

/// A message, in the log or in a dump.
pub(super) struct Record<'a> {
    pub(super) format: &'a Format,
    pub(super) node: &'a Node,
    pub(super) tags: &'a Tags,
    pub(super) payload: Payload<'a>,
    pub(super) is_dump: bool,
}

impl Event for Record<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.node.variable(name)
    }

    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        match self.format.is_flat {
            true => self.flat(head, out),
            false => self.message(head, out),
        }
    }
}

impl Record<'_> {
    fn message(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let Self { format, node, tags, payload, is_dump } = self;
        let is_notification = node.transport == Transport::UdpNotif;
        out.extend_from_slice(if is_notification { b"{\"ietf-telemetry-message:message\": {" } else { b"{" });
        out.extend_from_slice(&format.manifest);
        if let Some(json) = payload.json {
            out.extend_from_slice(b", \"payload\": ");
            out.extend_from_slice(json);
        }
        out.extend_from_slice(
            b", \"network-operator-metadata\": {\"labels\": [{\"name\": \"seq\", \"number-value\": ",
        );
        decimal(out, head.sequence);
        out.extend_from_slice(b"}, ");
        out.extend_from_slice(&tags.labels);
        out.extend_from_slice(b"{\"name\": \"serialization\", \"string-value\": \"");
        out.extend_from_slice(payload.serialization.0.as_bytes());
        out.extend_from_slice(b"\"}]}, \"telemetry-message-metadata\": {\"notification-event\": \"");
        out.extend_from_slice(match (is_dump, is_notification) {
            (false, _) => b"log",
            (true, false) => b"dump",
            (true, true) => b"update",
        });
        out.extend_from_slice(b"\", \"session-protocol\": \"");
        out.extend_from_slice(node.transport.session_protocol().as_bytes());
        out.extend_from_slice(b"\", \"collection-timestamp\": \"");
        out.extend_from_slice(head.timestamp.as_bytes());
        out.extend_from_slice(b"\", \"export-address\": \"");
        out.extend_from_slice(node.variables[0].as_bytes());
        out.extend_from_slice(b"\", \"export-port\": ");
        out.extend_from_slice(node.variables[1].as_bytes());
        if let Some(subscription) = payload.subscription {
            out.extend_from_slice(b", \"ietf-yang-push-telemetry-message:yang-push-subscription\": ");
            out.extend_from_slice(subscription);
        }
        out.extend_from_slice(if is_notification { b"}}}" } else { b"}}" });
    }

    fn flat(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let Self { node, tags, payload, is_dump, .. } = self;
        out.extend_from_slice(b"{\"event_type\": \"");
        out.extend_from_slice(if *is_dump { b"dump" } else { b"log" });
        out.extend_from_slice(b"\", \"seq\": ");
        decimal(out, head.sequence);
        out.extend_from_slice(b", \"timestamp\": \"");
        out.extend_from_slice(head.timestamp.as_bytes());
        out.extend_from_slice(b"\", \"telemetry_node\": \"");
        out.extend_from_slice(node.variables[0].as_bytes());
        out.extend_from_slice(b"\", \"telemetry_port\": ");
        out.extend_from_slice(node.variables[1].as_bytes());
        out.extend_from_slice(b", ");
        out.extend_from_slice(&tags.members);
        if let Some(json) = payload.json {
            out.extend_from_slice(b"\"telemetry_data\": ");
            out.extend_from_slice(json);
            out.extend_from_slice(b", ");
        }
        if let Some(subscription) = payload.subscription {
            out.extend_from_slice(b"\"yang_push_subscription\": ");
            out.extend_from_slice(subscription);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(b"\"serialization\": \"");
        out.extend_from_slice(payload.serialization.0.as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

/// What a [`Marker`] marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A node is new.
    LogInit,
    /// A node is gone.
    LogClose,
    /// The start of its part of a dump, with the interval of dumps in seconds.
    DumpInit(u64),
    /// The end of its part.
    DumpClose,
}

/// The start or the end of the messages of a node, in the log or in a dump.
pub(super) struct Marker<'a> {
    pub(super) node: &'a Node,
    pub(super) tags: &'a Tags,
    pub(super) mark: Mark,
}

impl Event for Marker<'_> {
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        self.node.variable(name)
    }

    fn json(&self, head: &Head<'_>, out: &mut Vec<u8>) {
        let Self { node, tags, mark } = self;
        out.extend_from_slice(b"{\"seq\": ");
        decimal(out, head.sequence);
        out.extend_from_slice(b", \"timestamp\": \"");
        out.extend_from_slice(head.timestamp.as_bytes());
        out.extend_from_slice(b"\", \"telemetry_node\": \"");
        out.extend_from_slice(node.variables[0].as_bytes());
        out.extend_from_slice(b"\", \"telemetry_node_port\": ");
        out.extend_from_slice(node.variables[1].as_bytes());
        out.extend_from_slice(b", ");
        out.extend_from_slice(&tags.members);
        out.extend_from_slice(b"\"event_type\": \"");
        out.extend_from_slice(match mark {
            Mark::LogInit => b"log_init",
            Mark::LogClose => b"log_close".as_slice(),
            Mark::DumpInit(_) => b"dump_init",
            Mark::DumpClose => b"dump_close",
        });
        out.push(b'"');
        if let Mark::DumpInit(period) = mark {
            out.extend_from_slice(b", \"dump_period\": ");
            decimal(out, *period);
        }
        out.push(b'}');
    }

    fn weight(&self) -> u64 {
        0
    }
}

impl Node {
    /// The value of a variable of names.
    fn variable(&self, name: &str) -> Option<Cow<'_, str>> {
        VARIABLES
            .iter()
            .zip(&self.variables)
            .find(|(word, _)| **word == name)
            .map(|(_, value)| value.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::net::SocketAddr;

    const HEAD: Head<'_> =
        Head { sequence: 7, timestamp: "2026-11-01 12:00:00.000001", micros: 0, writer_id: "w" };

    fn format(lines: &str) -> Format {
        Format::read(&config::parse_bytes(config::Daemon::Pmtelemetryd, "f", lines.as_bytes()).0)
    }

    fn node(transport: Transport) -> Node {
        Node::new(transport, SocketAddr::from(([192, 0, 2, 1], 1620)), 0)
    }

    fn value(event: &impl Event) -> Value {
        let mut out = Vec::new();
        event.json(&HEAD, &mut out);
        assert!(!out.contains(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    fn tagged(format: &Format) -> Tags {
        let mut tags = Tags::default();
        tags.set(Some(5), Some("a%\"b\""), format);
        tags
    }

    #[test]
    fn messages_have_four_parts() {
        let (format, node) = (format("core_proc_name: t"), node(Transport::Tcp));
        let payload =
            Payload { serialization: Serialization("json"), json: Some(b"{\"a\":1}"), subscription: None };
        let record = Record { format: &format, node: &node, tags: &tagged(&format), payload, is_dump: false };
        let expected = json!({
            "data-collection-manifest": {
                "vendor": "pmacct", "name": "t", "software-version": VERSION, "software-flavor": "pmacct-rs",
            },
            "payload": {"a": 1},
            "network-operator-metadata": {"labels": [
                {"name": "seq", "number-value": 7},
                {"name": "tag", "number-value": 5},
                {"name": "label", "string-value": "a%\"b\""},
                {"name": "serialization", "string-value": "json"},
            ]},
            "telemetry-message-metadata": {
                "notification-event": "log", "session-protocol": "telemetry",
                "collection-timestamp": HEAD.timestamp, "export-address": "192.0.2.1", "export-port": 1620,
            },
        });
        assert_eq!(value(&record), expected);
        let dumped = value(&Record { is_dump: true, ..record });
        assert_eq!(dumped["telemetry-message-metadata"]["notification-event"], "dump");
    }

    #[test]
    fn notifications_are_wrapped_and_name_their_subscription() {
        let (format, node, tags) = (format(""), node(Transport::UdpNotif), Tags::default());
        let payload =
            Payload { serialization: Serialization("json"), json: None, subscription: Some(b"{\"id\":5}") };
        let record = Record { format: &format, node: &node, tags: &tags, payload, is_dump: true };
        let message = &value(&record)["ietf-telemetry-message:message"];
        let metadata = &message["telemetry-message-metadata"];
        assert_eq!(metadata["ietf-yang-push-telemetry-message:yang-push-subscription"], json!({"id": 5}));
        assert_eq!(metadata["session-protocol"], "yang-push");
        assert_eq!(metadata["notification-event"], "update");
        assert_eq!(message.get("payload"), None);
    }

    #[test]
    fn the_flat_format_has_one_level() {
        let (format, node) = (format("telemetry_output_format: flat"), node(Transport::UdpNotif));
        let payload =
            Payload { serialization: Serialization("gpb"), json: Some(b"\"AQ==\\n\""), subscription: None };
        let record = Record { format: &format, node: &node, tags: &tagged(&format), payload, is_dump: false };
        let expected = json!({
            "event_type": "log", "seq": 7, "timestamp": HEAD.timestamp, "telemetry_node": "192.0.2.1",
            "telemetry_port": 1620, "tag": 5, "label": "a%\"b\"", "telemetry_data": "AQ==\n", "serialization": "gpb",
        });
        assert_eq!(value(&record), expected);
    }

    #[test]
    fn markers_name_the_node() {
        let (format, node) = (format("pre_tag_label_encode_as_map: true"), node(Transport::Udp));
        let tags = tagged(&format);
        let mark = |mark| value(&Marker { node: &node, tags: &tags, mark });
        let expected = json!({
            "seq": 7, "timestamp": HEAD.timestamp, "telemetry_node": "192.0.2.1", "telemetry_node_port": 1620,
            "tag": 5, "label": {"a": "\"b\""}, "event_type": "dump_init", "dump_period": 60,
        });
        assert_eq!(mark(Mark::DumpInit(60)), expected);
        for (kind, name) in
            [(Mark::LogInit, "log_init"), (Mark::LogClose, "log_close"), (Mark::DumpClose, "dump_close")]
        {
            assert_eq!(mark(kind)["event_type"], name);
        }
    }
}
