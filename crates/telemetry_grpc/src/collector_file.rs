//! The configuration file of mdt-dialout-collector, the library that pmacct receives gRPC with: the file that
//! `telemetry_daemon_grpc_collector_conf` names.
//!
//! ```text
//! // comments, as are # and /* */
//! iface = "eth0";
//! so_bindtodevice_check = "true";
//! socket_cisco = "0.0.0.0:10007";
//! socket_huawei = "[2001:db8::1]:10008";
//! enable_tls = "true";
//! tls_cert_path = "/etc/pmacct/cert.pem";
//! tls_key_path = "/etc/pmacct/key.pem";
//! ```
//!
//! A setting is a name, `=` or `:`, a text in double quotes, and `;` (libconfig's syntax, of which only texts are used). Of a name that
//! occurs twice, the last value counts.
//!
//! [`KEYS`] has the settings that have an effect here. Settings that the library needs for other ways of delivery, its log or its threads
//! have none. `tls_ca_path` is an addition: the authorities of routers' certificates.

use crate::service::{Service, Services};
use crate::tls::ServerFiles;
use config::{Diagnostics, Origin, nearest};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use telemetry_gpb::cisco::Form;

/// The settings that have an effect.
pub const KEYS: [&str; 20] = [
    "iface",
    "so_bindtodevice_check",
    "socket_cisco",
    "socket_huawei",
    "socket_juniper",
    "socket_nokia",
    "ipv4_socket_cisco",
    "ipv4_socket_huawei",
    "ipv4_socket_juniper",
    "ipv4_socket_nokia",
    "replies_cisco",
    "replies_huawei",
    "replies_juniper",
    "replies_nokia",
    "enable_cisco_gpbkv2json",
    "enable_cisco_message_to_json_string",
    "enable_tls",
    "tls_cert_path",
    "tls_key_path",
    "tls_ca_path",
];

/// Settings of the library that have no effect here.
const WITHOUT_EFFECT: [&str; 29] = [
    "bootstrap_servers",
    "cisco_workers",
    "client_id",
    "console_log",
    "core_pid_folder",
    "data_delivery_method",
    "enable_idempotence",
    "enable_label_encode_as_map",
    "enable_label_encode_as_map_ptm",
    "enable_ssl_certificate_verification",
    "huawei_workers",
    "juniper_workers",
    "label_map_csv_path",
    "label_map_ptm_path",
    "log_level",
    "nokia_workers",
    "security_protocol",
    "spdlog_level",
    "ssl_ca_location",
    "ssl_certificate_location",
    "ssl_key_location",
    "ssl_key_password",
    "syslog",
    "syslog_facility",
    "syslog_ident",
    "topic",
    "writer_id",
    "zmq_uri",
    "flow_logs",
];

/// What a setting must look like.
const SHAPE: &str =
    "A setting is a name, '=', a text in double quotes and ';', such as socket_cisco = \"0.0.0.0:10007\";";

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorFile {
    /// The sockets, with the services that each has.
    pub sockets: Vec<(SocketAddr, Services)>,
    /// The interface to which sockets are bound.
    pub interface: Option<String>,
    /// TLS.
    pub tls: Option<ServerFiles>,
    /// How self-describing data of Cisco becomes JSON.
    pub cisco_form: Form,
    /// The most messages of a stream, by service; 0 is any number.
    pub replies: [u32; Service::COUNT],
}

/// Reads a file. Problems are fatal, but for settings without effect.
pub fn load(path: &Path, problems: &mut Diagnostics) -> Option<CollectorFile> {
    let origin = Origin::whole(&path.display().to_string());
    match config::text::read(path) {
        Ok(text) => Some(parse(&origin, &text, problems)),
        Err(error) => {
            problems.fatal(&origin, format!("cannot be read: {error}."), None);
            None
        }
    }
}

/// Parses the text of a file.
pub fn parse(origin: &Origin, text: &[u8], problems: &mut Diagnostics) -> CollectorFile {
    let text = String::from_utf8_lossy(text);
    let mut settings = Settings { values: BTreeMap::new(), origin, problems };
    let mut scanner = Scanner { left: &text, line: 1 };
    loop {
        match scanner.setting() {
            Ok(None) => break,
            Ok(Some((line, name, value))) => settings.insert(line, name, value),
            Err((line, what)) => {
                // What follows could be anything.
                settings.problems.fatal(&origin.at(line), what, Some(SHAPE.to_owned()));
                break;
            }
        }
    }
    settings.resolve()
}

struct Scanner<'a> {
    left: &'a str,
    line: u32,
}

type Wrong = (u32, String);

impl<'a> Scanner<'a> {
    /// Moves over this many octets, which end between characters.
    fn skip(&mut self, octets: usize) -> &'a str {
        let (skipped, left) = self.left.split_at_checked(octets).unwrap_or((self.left, ""));
        let lines = skipped.bytes().filter(|octet| *octet == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.left = left;
        skipped
    }

    /// Moves over blanks and comments.
    fn blanks(&mut self) -> Result<(), Wrong> {
        loop {
            let blanks = self.left.len() - self.left.trim_start().len();
            self.skip(blanks);
            if self.left.starts_with('#') || self.left.starts_with("//") {
                self.skip(self.left.find('\n').unwrap_or(self.left.len()));
            } else if self.left.starts_with("/*") {
                let Some(end) = self.left.find("*/") else {
                    return Err((self.line, "the comment does not end.".to_owned()));
                };
                self.skip(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn take(&mut self, characters: &[char]) -> bool {
        let is_there = self.left.starts_with(characters);
        if is_there {
            self.skip(1);
        }
        is_there
    }

    /// The next setting: its line, name and value.
    fn setting(&mut self) -> Result<Option<(u32, &'a str, String)>, Wrong> {
        self.blanks()?;
        if self.left.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
        let name = self.skip(self.left.find(|c| !is_name(c)).unwrap_or(self.left.len()));
        if name.is_empty() {
            let found: String = self.left.chars().take(1).flat_map(char::escape_debug).collect();
            return Err((line, format!("'{found}' where the name of a setting should be.")));
        }
        self.blanks()?;
        if !self.take(&['=', ':']) {
            return Err((self.line, format!("{name}: no '=' after the name.")));
        }
        self.blanks()?;
        if !self.left.starts_with('"') {
            return Err((self.line, format!("{name}: the value is not a text in double quotes.")));
        }
        let mut value = String::new();
        // Texts that follow each other are one.
        while self.left.starts_with('"') {
            self.text(name, &mut value)?;
            self.blanks()?;
        }
        self.take(&[';', ',']);
        Ok(Some((line, name, value)))
    }

    fn text(&mut self, name: &str, value: &mut String) -> Result<(), Wrong> {
        let line = self.line;
        self.skip(1);
        loop {
            let Some(end) = self.left.find(['"', '\\']) else {
                return Err((line, format!("{name}: the text does not end.")));
            };
            value.push_str(self.skip(end));
            if self.take(&['"']) {
                return Ok(());
            }
            self.skip(1);
            let Some(character) = self.left.chars().next() else {
                return Err((line, format!("{name}: the text does not end.")));
            };
            self.skip(character.len_utf8());
            value.push(match character {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            });
        }
    }
}

struct Settings<'a> {
    /// Lines and values by name.
    values: BTreeMap<&'static str, (u32, String)>,
    origin: &'a Origin,
    problems: &'a mut Diagnostics,
}

impl Settings<'_> {
    fn insert(&mut self, line: u32, name: &str, value: String) {
        if let Some(known) = KEYS.into_iter().find(|known| *known == name) {
            self.values.insert(known, (line, value));
            return;
        }
        let at = self.origin.at(line);
        if let Some(known) = WITHOUT_EFFECT.into_iter().find(|known| *known == name) {
            if known.starts_with("enable_label") && value == "true" {
                let hint = "Use labels of pre_tag_map.".to_owned();
                self.problems.warn(&at, format!("{name} has no effect."), Some(hint));
            } else {
                self.problems.debug(&at, format!("{name} has no effect."));
            }
            return;
        }
        let hint =
            nearest(name, KEYS.into_iter().chain(WITHOUT_EFFECT)).map(|near| format!("Did you mean '{near}'?"));
        let shown: String = name.chars().take(60).collect();
        self.problems.warn(&at, format!("Unknown setting: {shown}. Ignored."), hint);
    }

    fn wrong(&mut self, name: &str, line: u32, what: &str, expected: &str) {
        let at = self.origin.at(line);
        self.problems.fatal(&at, format!("{name}: {what}."), Some(format!("Expected {expected}.")));
    }

    fn text(&self, name: &str) -> Option<(u32, String)> {
        self.values.get(name).cloned()
    }

    fn boolean(&mut self, name: &str, default: bool) -> bool {
        match self.text(name) {
            None => default,
            Some((_, value)) if value == "true" => true,
            Some((_, value)) if value == "false" => false,
            Some((line, value)) => {
                let what = format!("\"{}\" is neither true nor false", shown(&value));
                self.wrong(name, line, &what, "\"true\" or \"false\"");
                default
            }
        }
    }

    fn resolve(mut self) -> CollectorFile {
        let mut file = CollectorFile::default();
        if self.boolean("so_bindtodevice_check", true) {
            file.interface = self.text("iface").map(|(_, name)| name).filter(|name| !name.is_empty());
        }
        for service in Service::ALL {
            self.socket(service, &mut file.sockets);
            let name = format!("replies_{service}");
            if let Some((line, value)) = self.text(&name) {
                match (value.parse(), file.replies.get_mut(service.index())) {
                    (Ok(number), Some(replies)) => *replies = number,
                    _ => {
                        let what = format!("\"{}\" is not a number of messages", shown(&value));
                        self.wrong(&name, line, &what, "a number, such as \"0\" for any number");
                    }
                }
            }
        }
        if file.sockets.is_empty() && !self.problems.is_fatal() {
            let hint = "Set socket_cisco, socket_huawei, socket_juniper or socket_nokia.".to_owned();
            self.problems.fatal(self.origin, "no socket is set.", Some(hint));
        }
        self.cisco_form(&mut file.cisco_form);
        file.tls = self.tls();
        file
    }

    fn socket(&mut self, service: Service, sockets: &mut Vec<(SocketAddr, Services)>) {
        let (name, old) = (format!("socket_{service}"), format!("ipv4_socket_{service}"));
        let Some((name, line, value)) = [name, old].into_iter().find_map(|name| {
            let (line, value) = self.text(&name)?;
            Some((name, line, value))
        }) else {
            return;
        };
        let Ok(address) = value.parse::<SocketAddr>() else {
            let what = format!("\"{}\" is not an address with a port", shown(&value));
            self.wrong(&name, line, &what, "an address and a port, such as \"0.0.0.0:10007\" or \"[::]:10007\"");
            return;
        };
        match sockets.iter_mut().find(|(known, _)| *known == address) {
            Some((_, services)) => *services = services.with(service),
            None => sockets.push((address, Services::NONE.with(service))),
        }
    }

    fn cisco_form(&mut self, form: &mut Form) {
        const NAMES: [&str; 2] = ["enable_cisco_gpbkv2json", "enable_cisco_message_to_json_string"];
        let [key_value, protobuf] = NAMES;
        let is_key_value = self.boolean(key_value, true);
        let is_protobuf = self.boolean(protobuf, false);
        if is_key_value == is_protobuf {
            let line = NAMES.into_iter().filter_map(|name| self.text(name)).map(|(line, _)| line).max();
            let what = format!("{is_protobuf}, and so is {key_value}");
            self.wrong(protobuf, line.unwrap_or(1), &what, "one of them to be true");
        } else if is_protobuf {
            *form = Form::Protobuf;
        }
    }

    fn tls(&mut self) -> Option<ServerFiles> {
        if !self.boolean("enable_tls", false) {
            return None;
        }
        let line = self.text("enable_tls").map_or(1, |(line, _)| line);
        let mut path = |name: &str| {
            let value = self.text(name).filter(|(_, value)| !value.is_empty());
            if value.is_none() {
                self.wrong("enable_tls", line, &format!("TLS needs {name}"), "the name of a PEM file");
            }
            value.map(|(_, value)| PathBuf::from(value))
        };
        let (cert, key) = (path("tls_cert_path"), path("tls_key_path"));
        let ca = self.text("tls_ca_path").map(|(_, value)| PathBuf::from(value));
        Some(ServerFiles { cert: cert?, key: key?, ca })
    }
}

fn shown(value: &str) -> String {
    value.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (CollectorFile, Vec<String>) {
        let mut problems = Diagnostics::new();
        let file = parse(&Origin::whole("grpc.conf"), text.as_bytes(), &mut problems);
        let shown = problems.iter().filter(|problem| problem.severity > config::Severity::Debug);
        let hints = |hint: &Option<String>| hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
        let shown = shown.map(|p| format!("{} {}{}", p.origin, p.what, hints(&p.hint)));
        (file, shown.collect())
    }

    #[test]
    fn a_file_of_the_library_is_read() {
        let text = "# collector\n\
            writer_id = \"c1\"; // by name\n\
            iface = \"eth0\"; /* an\n interface */ so_bindtodevice_check = \"true\";\n\
            data_delivery_method = \"zmq\";\n\
            socket_cisco = \"0.0.0.0:10007\";\n\
            socket_juniper : \"0.0.0.0:\"  \"10007\"\n\
            ipv4_socket_nokia = \"10.0.0.1:9\", socket_huawei=\"[::]:10008\";\n\
            replies_huawei = \"100\"; cisco_workers = \"2\";\n\
            enable_tls = \"true\"; tls_cert_path = \"/c\\\"\\\\\"; tls_key_path = \"/k\"; tls_ca_path = \"/a\";\n\
            enable_cisco_message_to_json_string = \"true\"; enable_cisco_gpbkv2json = \"false\";";
        let (file, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        let address = |text: &str| text.parse().unwrap();
        let expected = CollectorFile {
            sockets: vec![
                (address("0.0.0.0:10007"), Services::NONE.with(Service::Cisco).with(Service::Juniper)),
                (address("[::]:10008"), Services::NONE.with(Service::Huawei)),
                (address("10.0.0.1:9"), Services::NONE.with(Service::Nokia)),
            ],
            interface: Some("eth0".to_owned()),
            tls: Some(ServerFiles { cert: "/c\"\\".into(), key: "/k".into(), ca: Some("/a".into()) }),
            cisco_form: Form::Protobuf,
            replies: [0, 100, 0, 0],
        };
        assert_eq!(file, expected);
    }

    #[test]
    fn the_document_has_all_settings() {
        let document = include_str!("../../../docs/telemetry-grpc.md");
        for name in KEYS.iter().filter(|name| !name.starts_with("ipv4")) {
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn problems_name_line_and_setting() {
        let socket = "socket_cisco = \"0.0.0.0:1\";\n";
        for (text, problem) in [
            ("\nsocket_cisco = 1;", "grpc.conf:2 socket_cisco: the value is not a text in double quotes."),
            ("\nsocket_cisco \"a\";", "grpc.conf:2 socket_cisco: no '=' after the name."),
            ("a\n\n= \"x", "grpc.conf:3 a: the text does not end."),
            ("a = \"\\", "grpc.conf:1 a: the text does not end."),
            ("/*\n", "grpc.conf:1 the comment does not end."),
            ("\n ?", "grpc.conf:2 '?' where the name of a setting should be."),
        ] {
            let (_, problems) = read(text);
            assert_eq!(problems[0], format!("{problem} {SHAPE}"));
        }
        for (text, problem) in [
            (
                "iface = \"x\";",
                "grpc.conf no socket is set. Set socket_cisco, socket_huawei, socket_juniper or socket_nokia.",
            ),
            (
                "socket_nokia = \"localhost:1\";",
                "grpc.conf:1 socket_nokia: \"localhost:1\" is not an address with a port. Expected an address and a port, such as \
                 \"0.0.0.0:10007\" or \"[::]:10007\".",
            ),
            (
                &format!("{socket}replies_cisco = \"all\";"),
                "grpc.conf:2 replies_cisco: \"all\" is not a number of messages. Expected a number, such as \"0\" for any number.",
            ),
            (
                &format!("{socket}enable_tls = \"yes\";"),
                "grpc.conf:2 enable_tls: \"yes\" is neither true nor false. Expected \"true\" or \"false\".",
            ),
            (
                &format!("{socket}enable_tls = \"true\";\ntls_cert_path = \"c\";"),
                "grpc.conf:2 enable_tls: TLS needs tls_key_path. Expected the name of a PEM file.",
            ),
            (
                &format!("{socket}\nenable_cisco_message_to_json_string = \"true\";"),
                "grpc.conf:3 enable_cisco_message_to_json_string: true, and so is enable_cisco_gpbkv2json. Expected one of them to be true.",
            ),
            (
                &format!("{socket}enable_cisco_gpbkv2json = \"false\";"),
                "grpc.conf:2 enable_cisco_message_to_json_string: false, and so is enable_cisco_gpbkv2json. Expected one of them to be true.",
            ),
            (
                &format!("{socket}soket_nokia = \"x\";"),
                "grpc.conf:2 Unknown setting: soket_nokia. Ignored. Did you mean 'socket_nokia'?",
            ),
            (
                &format!("{socket}enable_label_encode_as_map = \"true\";"),
                "grpc.conf:2 enable_label_encode_as_map has no effect. Use labels of pre_tag_map.",
            ),
        ] {
            assert_eq!(read(text).1, [problem]);
        }
        assert_eq!(
            read(&format!("{socket}so_bindtodevice_check = \"false\"; iface = \"eth0\";")).0.interface,
            None
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[a-z=:;\"\\\\/*#\n\u{e9} ]{0,60}") {
            read(&text);
        }
    }
}
