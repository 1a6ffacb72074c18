//! The settings of one log or dump: the keys of one prefix.

use crate::encoding::{Encoding, Schema};
use crate::hold::Hold;
use crate::name::Name;
use crate::sequence::Sequence;
use config::key::Key;
use config::keys::amqp::{AMQP_ROUTING_KEY_RR, DAEMON_AMQP_RETRY, DAEMON_AMQP_ROUTING_KEY};
use config::keys::bgp::RouteOutput;
use config::keys::core::{CORE_PROC_NAME, PLUGIN_EXIT_TIMEOUT, PLUGIN_QUEUE_MEMORY};
use config::keys::event_log::{
    DUMP_FILE, DUMP_LATEST_FILE, DUMP_WORKERS, MSGLOG_FILE, ROUTE_AVRO_SCHEMA_FILE, ROUTE_OUTPUT,
};
use config::keys::input::PCAP_SAVEFILE;
use config::keys::kafka::{DAEMON_KAFKA_RETRY, DAEMON_KAFKA_TOPIC, KAFKA_PARTITION_KEY, KAFKA_TOPIC_RR};
use config::keys::output::WRITER_ID_STRING;
use config::{Config, KeyPrefix};
use delivery::StoreError;
use delivery::worker::Limits;
use encode::Style;
use runtime::files::{self, Aside};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::error;

/// Where events go, and in which encoding.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of the keys.
    pub prefix: KeyPrefix,
    /// The variables that names may contain: words after a dollar sign.
    pub variables: &'static [&'static str],
    /// The file, with variables in its name; in that of a dump also for the time.
    pub file: Option<PathBuf>,
    /// A symbolic link to the newest file of a dump, with variables in its name.
    pub latest: Option<PathBuf>,
    /// The encoding of events.
    pub encoding: Encoding,
    /// The Avro schemas of all kinds of events.
    pub schemas: Arc<[Schema]>,
    /// Where the Avro schemas are written; the names of the schemas follow after a hyphen.
    pub schema_file: Option<PathBuf>,
    /// The number of events, which outputs of one kind share.
    pub sequence: Sequence,
    /// Who writes the events. In JSON, it is added to messages for brokers; `None` adds nothing.
    pub writer_id: Option<String>,
    /// The number of threads that write a dump, at least 1.
    pub workers: usize,
    /// Owner and mode of files.
    pub files: files::Settings,
    /// The format of times.
    pub style: Style,
    /// How a log is held back while another daemon writes it.
    pub hold: Option<Hold>,
    pub(crate) brokers: Vec<Broker>,
    /// The maximum of unwritten bytes, for the file and for each broker.
    pub(crate) max_bytes: u64,
    pub(crate) exit: Limits,
}

/// A broker to which events are sent.
#[derive(Clone, Debug)]
pub(crate) struct Broker {
    pub(crate) target: Target,
    /// Topic or routing key.
    pub(crate) topic: String,
    /// The number of topics that are used in turn, `TOPIC_0` and so on; 0 for a single topic.
    pub(crate) round_robin: u32,
    /// Key of messages.
    pub(crate) key: Option<String>,
    /// The longest pause before a failed connection is retried, where the prefix has a key for it.
    pub(crate) retry: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "a program without Kafka only says so"))]
    Kafka(brokers::settings::Kafka),
    #[cfg_attr(not(feature = "amqp"), allow(dead_code, reason = "a program without AMQP only says so"))]
    Amqp(brokers::settings::Amqp),
}

impl Settings {
    /// The settings of a prefix. The caller sets owner and mode of files, the format of times, the schemas and,
    /// where outputs belong together, the sequence; and the file where the prefix has another key for it.
    #[must_use]
    pub fn read(config: &Config, prefix: KeyPrefix, variables: &'static [&'static str]) -> Self {
        let exit = Limits::new(config.core(&PLUGIN_EXIT_TIMEOUT), false);
        let kafka = config.core_at(&DAEMON_KAFKA_TOPIC, prefix).map(|topic| Broker {
            target: Target::Kafka(brokers::settings::Kafka::read_at(config, prefix)),
            topic,
            round_robin: at(config, &KAFKA_TOPIC_RR, prefix).unwrap_or(0),
            key: config.core_at(&KAFKA_PARTITION_KEY, prefix),
            retry: at(config, &DAEMON_KAFKA_RETRY, prefix),
        });
        let amqp = config.core_at(&DAEMON_AMQP_ROUTING_KEY, prefix).map(|topic| Broker {
            target: Target::Amqp(brokers::settings::Amqp::read_at(config, prefix)),
            topic,
            round_robin: at(config, &AMQP_ROUTING_KEY_RR, prefix).unwrap_or(0),
            key: None,
            retry: at(config, &DAEMON_AMQP_RETRY, prefix),
        });
        // The log of sFlow counters never had it.
        let has_writer_id = prefix != KeyPrefix::SFACCTD_COUNTER;
        Self {
            prefix,
            variables,
            file: at(config, &MSGLOG_FILE, prefix).or_else(|| at(config, &DUMP_FILE, prefix)).flatten(),
            latest: at(config, &DUMP_LATEST_FILE, prefix).flatten(),
            encoding: match at(config, &ROUTE_OUTPUT, prefix) {
                Some(RouteOutput::Avro) => Encoding::Avro,
                Some(RouteOutput::AvroJson) => Encoding::AvroJson,
                Some(RouteOutput::Mrt) => Encoding::Mrt,
                Some(RouteOutput::OpenBmp) => Encoding::OpenBmp,
                Some(RouteOutput::Json) | None => Encoding::Json,
            },
            schemas: Arc::default(),
            schema_file: at(config, &ROUTE_AVRO_SCHEMA_FILE, prefix).flatten(),
            sequence: Sequence::default(),
            writer_id: has_writer_id.then(|| writer_id(config)),
            workers: at(config, &DUMP_WORKERS, prefix).map_or(1, |workers| workers.max(1) as usize),
            files: files::Settings::default(),
            style: Style::default(),
            hold: None,
            brokers: kafka.into_iter().chain(amqp).collect(),
            max_bytes: config.core(&PLUGIN_QUEUE_MEMORY),
            exit: if config.core(&PCAP_SAVEFILE).is_some() { exit.patient() } else { exit },
        }
    }

    /// Settings without any brokers.
    #[must_use]
    pub fn without_brokers(prefix: KeyPrefix, variables: &'static [&'static str]) -> Self {
        Self {
            prefix,
            variables,
            file: None,
            latest: None,
            encoding: Encoding::default(),
            schemas: Arc::default(),
            schema_file: None,
            sequence: Sequence::default(),
            writer_id: None,
            workers: 1,
            files: files::Settings::default(),
            style: Style::default(),
            hold: None,
            brokers: Vec::new(),
            max_bytes: 1 << 20,
            exit: Limits::new(Duration::ZERO, false),
        }
    }

    /// True when there is a file or a broker.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.file.is_some() || !self.brokers.is_empty()
    }

    /// Checks the options and the files that they name, without connecting. Returns the errors: the key without its prefix, and
    /// what is wrong.
    pub fn check(&self) -> Vec<StoreError> {
        let error = |key, what: &str| StoreError::Configuration { key, what: what.to_owned() };
        let mut errors = Vec::new();
        if self.encoding == Encoding::OpenBmp && self.prefix != KeyPrefix::BMP_DAEMON_MSGLOG {
            let what = "openbmp is only for bmp_daemon_msglog_output, as it consists of BMP messages: use json";
            errors.push(error("output", what));
        }
        for broker in &self.brokers {
            if self.encoding == Encoding::Mrt {
                let what = "mrt is only for files: use another output, or a file";
                errors.push(error(broker.target.topic_key(), what));
            }
            if let Target::Kafka(kafka) = &broker.target
                && kafka.registry.is_some()
                && self.encoding != Encoding::Avro
            {
                errors.push(error("kafka_avro_schema_registry", "only messages in avro have schemas"));
            }
        }
        errors.extend(self.brokers.iter().filter_map(|broker| broker.check().err()));
        errors
    }

    /// Writes the Avro schemas to their files. A file that cannot be written is logged.
    pub(crate) fn write_schemas(&self) {
        let Some(path) = &self.schema_file else { return };
        if !matches!(self.encoding, Encoding::Avro | Encoding::AvroJson) {
            return;
        }
        for schema in self.schemas.iter() {
            let mut name = path.clone().into_os_string();
            name.push("-");
            name.push(schema.name);
            let write = || {
                let mut file = Aside::create(Path::new(&name), &self.files)?;
                file.write_all(schema.text.as_bytes())?;
                file.commit()
            };
            if let Err(error) = write() {
                error!("{}avro_schema_file: {}: {error}", self.prefix.0, Path::new(&name).display());
            }
        }
    }

    /// The values that may contain variables, each with its key without the prefix.
    #[must_use]
    pub fn names(&self) -> Vec<(&'static str, &str)> {
        let names = self.brokers.iter().flat_map(|broker| {
            let key = broker.key.as_deref().map(|key| ("kafka_partition_key", key));
            std::iter::once((broker.target.topic_key(), broker.topic.as_str())).chain(key)
        });
        names.collect()
    }

    /// The words after a dollar sign in names of files, topics and keys that are no variables, each with its key without the prefix.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<(&'static str, String)> {
        let is_dump = KeyPrefix::DUMPS.contains(&self.prefix);
        let file = self.file.as_deref().map(|file| ("file", file.to_string_lossy().into_owned(), is_dump));
        let latest =
            self.latest.as_deref().map(|file| ("latest_file", file.to_string_lossy().into_owned(), false));
        let names = self.names().into_iter().map(|(key, text)| (key, text.to_owned(), false));
        let all = file.into_iter().chain(latest).chain(names);
        let unknown = |(key, text, has_time): (_, String, _)| {
            let words = Name::unknown_variables(&text, self.variables, has_time);
            words.into_iter().map(move |word| (key, word))
        };
        all.flat_map(unknown).collect()
    }

    /// The name of the file of a log.
    pub(crate) fn file_name(&self) -> Option<Name> {
        self.file.as_deref().map(|file| self.name(&file.to_string_lossy()))
    }

    /// The variables that the names of a log use.
    pub(crate) fn used_variables(&self) -> Vec<&'static str> {
        let texts = self.names().into_iter().map(|(_, text)| self.name(text));
        let mut used: Vec<_> = self
            .file_name()
            .into_iter()
            .chain(texts)
            .flat_map(|name| name.variables().collect::<Vec<_>>())
            .collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The name of the files of a dump.
    pub(crate) fn dump_name(&self) -> Option<Name> {
        let name = |file: &Path| Name::parse_with_time(&file.to_string_lossy(), self.variables);
        self.file.as_deref().map(name)
    }

    /// The name of the link to the newest file of a dump.
    pub(crate) fn latest_name(&self) -> Option<Name> {
        self.latest.as_deref().map(|file| self.name(&file.to_string_lossy()))
    }

    /// A name with the variables of the prefix.
    pub(crate) fn name(&self, text: &str) -> Name {
        let name = Name::parse(text, self.variables);
        if self.prefix == KeyPrefix::SFACCTD_COUNTER { name.with_colon('_') } else { name }
    }
}

/// `writer_id_string` with its variables filled in.
fn writer_id(config: &Config) -> String {
    let template = config.core(&WRITER_ID_STRING);
    encode::markers::writer_id(
        &template,
        &config.core(&CORE_PROC_NAME),
        std::process::id(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// The value of a key for a prefix, if it has the prefix.
fn at<T>(config: &Config, key: &Key<T>, prefix: KeyPrefix) -> Option<T> {
    key.row().prefixes.contains(&prefix).then(|| config.core_at(key, prefix))
}

impl Broker {
    fn check(&self) -> Result<(), StoreError> {
        match &self.target {
            #[cfg(feature = "kafka")]
            Target::Kafka(settings) => brokers::kafka::check(settings),
            #[cfg(feature = "amqp")]
            Target::Amqp(settings) => brokers::amqp::check(settings),
            #[cfg(not(all(feature = "amqp", feature = "kafka")))]
            target => Err(target.not_built()),
        }
    }
}

impl Target {
    /// The key of the topic, which enables the broker.
    pub(crate) fn topic_key(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka_topic",
            Self::Amqp(_) => "amqp_routing_key",
        }
    }

    /// The error for a broker whose client was not built in.
    #[cfg(not(all(feature = "amqp", feature = "kafka")))]
    pub(crate) fn not_built(&self) -> StoreError {
        let broker = match self {
            Self::Kafka(_) => "Kafka",
            Self::Amqp(_) => "AMQP",
        };
        StoreError::Configuration {
            key: self.topic_key(),
            what: format!("this program was built without {broker}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    fn read(daemon: Daemon, prefix: KeyPrefix, lines: &str) -> Settings {
        let (config, _) = config::parse_bytes(daemon, "f", lines.as_bytes());
        Settings::read(&config, prefix, &["peer_src_ip"])
    }

    #[test]
    fn each_prefix_has_its_own_values() {
        for (daemon, prefix) in [
            (Daemon::Sfacctd, KeyPrefix::SFACCTD_COUNTER),
            (Daemon::Pmbgpd, KeyPrefix::BGP_DAEMON_MSGLOG),
            (Daemon::Pmbgpd, KeyPrefix::BGP_TABLE_DUMP),
            (Daemon::Pmbmpd, KeyPrefix::BMP_DAEMON_MSGLOG),
            (Daemon::Pmbmpd, KeyPrefix::BMP_DUMP),
            (Daemon::Pmtelemetryd, KeyPrefix::TELEMETRY_DAEMON_MSGLOG),
            (Daemon::Pmtelemetryd, KeyPrefix::TELEMETRY_DUMP),
        ] {
            let name = prefix.0;
            let lines = format!(
                "kafka_topic: other\namqp_host: other\n{name}kafka_topic: t\n{name}kafka_broker_host: k\n\
                 {name}amqp_routing_key: r\n{name}amqp_host: a\n{name}amqp_user: u\n"
            );
            let settings = read(daemon, prefix, &lines);
            assert_eq!(settings.names(), [("kafka_topic", "t"), ("amqp_routing_key", "r")], "{name}");
            let [Broker { target: Target::Kafka(kafka), .. }, Broker { target: Target::Amqp(amqp), .. }] =
                settings.brokers.as_slice()
            else {
                panic!("{:?}", settings.brokers);
            };
            assert_eq!((kafka.brokers.as_str(), amqp.host.as_str(), amqp.user.as_str()), ("k:9092", "a", "u"));
            assert!(!read(daemon, prefix, "kafka_topic: other\namqp_routing_key: other").is_used(), "{name}");
        }
    }

    #[test]
    fn logs_have_a_longest_pause_before_a_retry_and_dumps_have_not() {
        let retry = |prefix: KeyPrefix, lines: &str| {
            let lines = lines.replace('@', prefix.0);
            let settings = read(Daemon::Pmbgpd, prefix, &lines);
            settings.brokers.iter().map(|broker| broker.retry.map(|retry| retry.as_secs())).collect::<Vec<_>>()
        };
        let lines = "@kafka_topic: t\n@amqp_routing_key: k\n";
        assert_eq!(retry(KeyPrefix::BGP_DAEMON_MSGLOG, lines), [Some(60), Some(60)]);
        let set = format!("{lines}@kafka_retry: 5\n@amqp_retry: 7");
        assert_eq!(retry(KeyPrefix::BGP_DAEMON_MSGLOG, &set), [Some(5), Some(7)]);
        assert_eq!(retry(KeyPrefix::BGP_TABLE_DUMP, lines), [None, None]);
    }

    #[test]
    fn unknown_variables_are_found_in_all_names() {
        let lines = "bgp_table_dump_file: d-$tzone-$peer\nbgp_table_dump_latest_file: $peer_src_ip-$tzone\n\
                     bgp_table_dump_kafka_topic: $tag";
        let settings = read(Daemon::Pmbgpd, KeyPrefix::BGP_TABLE_DUMP, lines);
        let unknown = [("file", "peer"), ("latest_file", "tzone"), ("kafka_topic", "tag")];
        assert_eq!(settings.unknown_variables(), unknown.map(|(key, word)| (key, word.to_owned())));
    }

    #[test]
    fn outputs_that_cannot_work_are_errors() {
        let keys = |lines: &str| {
            let lines = lines.replace('@', "bgp_daemon_msglog_");
            let checked = read(Daemon::Pmbgpd, KeyPrefix::BGP_DAEMON_MSGLOG, &lines).check();
            let key = |error: &StoreError| match error {
                StoreError::Configuration { key, .. } => *key,
                error => panic!("{error}"),
            };
            checked.iter().map(key).collect::<Vec<_>>()
        };
        assert_eq!(keys("@output: mrt\n@file: f"), Vec::<&str>::new());
        assert_eq!(keys("@output: mrt\n@amqp_routing_key: k"), ["amqp_routing_key"]);
        let registry = "@kafka_topic: t\n@kafka_avro_schema_registry: http://localhost\n";
        assert_eq!(keys(&format!("{registry}@output: avro_json")), ["kafka_avro_schema_registry"]);
        assert_eq!(keys(&format!("{registry}@output: avro")), Vec::<&str>::new());
        assert_eq!(keys("@output: openbmp\n@file: f"), ["output"]);
        let bmp = read(
            Daemon::Pmbmpd,
            KeyPrefix::BMP_DAEMON_MSGLOG,
            "bmp_daemon_msglog_output: openbmp\nbmp_daemon_msglog_kafka_topic: t",
        );
        assert_eq!((bmp.encoding, bmp.check()), (Encoding::OpenBmp, Vec::new()));
    }

    #[test]
    fn the_writer_is_named_by_the_daemon_and_the_log_of_counters_has_none() {
        let settings = read(Daemon::Pmbgpd, KeyPrefix::BGP_DAEMON_MSGLOG, "core_proc_name: x");
        assert_eq!(settings.writer_id, Some(format!("x/{}", std::process::id())));
        assert_eq!(read(Daemon::Sfacctd, KeyPrefix::SFACCTD_COUNTER, "").writer_id, None);
    }

    #[test]
    fn files_and_encodings_are_read_for_each_prefix() {
        let lines = "bgp_daemon_msglog_file: log\nbgp_daemon_msglog_output: avro\n\
                     bgp_table_dump_file: dump-%s\nbgp_table_dump_latest_file: latest";
        let log = read(Daemon::Pmbgpd, KeyPrefix::BGP_DAEMON_MSGLOG, lines);
        assert_eq!((log.file.as_deref(), log.latest.as_deref()), (Some("log".as_ref()), None));
        assert_eq!((log.encoding, log.check()), (Encoding::Avro, Vec::new()));
        let dump = read(Daemon::Pmbgpd, KeyPrefix::BGP_TABLE_DUMP, lines);
        assert_eq!(
            (dump.file.as_deref(), dump.latest.as_deref()),
            (Some("dump-%s".as_ref()), Some("latest".as_ref()))
        );
        assert_eq!(dump.check(), []);
    }
}
