//! The settings of one plugin with a message broker.

use config::keys::amqp::{
    AMQP_AVRO_SCHEMA_ROUTING_KEY, AMQP_CONN_CA_FILE, AMQP_CONN_CERT_FILE, AMQP_CONN_KEY_FILE, AMQP_EXCHANGE,
    AMQP_EXCHANGE_TYPE, AMQP_FRAME_MAX, AMQP_HEARTBEAT_INTERVAL, AMQP_HOST, AMQP_OUTPUT, AMQP_PASSWD,
    AMQP_PERSISTENT_MSG, AMQP_PORT, AMQP_ROUTING_KEY, AMQP_ROUTING_KEY_RR, AMQP_USER, AMQP_VHOST, ExchangeType,
    MessageOutput,
};
use config::keys::bmp::{
    BMP_DAEMON_KAFKA_BROKER_HOST, BMP_DAEMON_KAFKA_BROKER_PORT, BMP_DAEMON_KAFKA_CONFIG_FILE,
    BMP_DAEMON_KAFKA_GROUP, BMP_DAEMON_KAFKA_TOPIC,
};
use config::keys::core::PLUGIN_WRITE_TIMEOUT;
use config::keys::encoding::AVRO_BUFFER_SIZE;
use config::keys::input::{
    NFACCTD_KAFKA_BROKER_HOST, NFACCTD_KAFKA_BROKER_PORT, NFACCTD_KAFKA_CONFIG_FILE, NFACCTD_KAFKA_GROUP,
    NFACCTD_KAFKA_TOPIC, NFACCTD_TEMPLATES_KAFKA_BROKER_HOST, NFACCTD_TEMPLATES_KAFKA_BROKER_PORT,
    NFACCTD_TEMPLATES_KAFKA_CONFIG_FILE, NFACCTD_TEMPLATES_KAFKA_TOPIC,
};
use config::keys::kafka::{
    KAFKA_AVRO_SCHEMA_REGISTRY, KAFKA_BROKER_HOST, KAFKA_BROKER_PORT, KAFKA_CONFIG_FILE, KAFKA_PARTITION,
    KAFKA_PARTITION_KEY, KAFKA_TOPIC, KAFKA_TOPIC_RR,
};
use config::keys::output::WRITER_ID_STRING;
use config::keys::print::PRINT_MARKERS;
use config::keys::sql::SQL_MULTI_VALUES;
use config::keys::telemetry::{
    TELEMETRY_DAEMON_KAFKA_BROKER_HOST, TELEMETRY_DAEMON_KAFKA_BROKER_PORT, TELEMETRY_DAEMON_KAFKA_CONFIG_FILE,
    TELEMETRY_DAEMON_KAFKA_GROUP, TELEMETRY_DAEMON_KAFKA_TOPIC,
};
use config::{Config, Diagnostics, KeyPrefix, Plugin, PluginKind};
use encode::Style;
use encode::names::Template;
use std::path::PathBuf;
use std::time::Duration;

/// The encoding of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// One JSON object, or several with a newline after each.
    #[default]
    Json,
    /// Avro's binary form, without a container.
    Avro,
    /// Avro's JSON form.
    AvroJson,
}

/// How aggregates are encoded as messages.
#[derive(Clone, Debug)]
pub struct Messages {
    /// The plugin's name.
    pub name: String,
    /// `writer_id_string`.
    pub writer_id: String,
    /// `kafka_output`, `amqp_output`.
    pub output: Output,
    /// Topic or routing key.
    pub topic: Template,
    /// The number of topics that are used in turn; 0 for a single topic.
    pub round_robin: u32,
    /// Key of messages, Kafka only.
    pub key: Option<String>,
    /// The maximum size in bytes of a message with several aggregates; 0 for one aggregate per message.
    pub multi_values: usize,
    /// `avro_buffer_size`.
    pub avro_buffer: usize,
    /// Send a marker message before and after those of a purge.
    pub markers: bool,
    /// `amqp_avro_schema_routing_key`: the routing key under which the schema itself is sent.
    pub schema_key: Option<String>,
    /// The format of values.
    pub style: Style,
}

/// A Kafka cluster.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Bootstrap brokers, in librdkafka's syntax.
    pub brokers: String,
    /// `kafka_partition`; `None` leaves the choice to the client library.
    pub partition: Option<i32>,
    /// `kafka_config_file`.
    pub config_file: Option<PathBuf>,
    /// `kafka_avro_schema_registry`.
    pub registry: Option<String>,
    /// The timeout of each operation.
    pub timeout: Duration,
}

/// A Kafka topic that is read.
#[derive(Clone, Debug)]
pub struct KafkaInput {
    /// Bootstrap brokers, in librdkafka's syntax.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// The consumer group. `None`: all partitions are read, and nothing is committed.
    pub group: Option<String>,
    /// The file of options.
    pub config_file: Option<PathBuf>,
    /// The timeout of requests.
    pub timeout: Duration,
}

/// An AMQP broker.
#[derive(Clone, Debug)]
pub struct Amqp {
    /// `amqp_host`, without the scheme.
    pub host: String,
    /// `amqp_port`.
    pub port: u16,
    /// TLS, if it is enabled.
    pub tls: Option<Tls>,
    /// `amqp_user`.
    pub user: String,
    /// `amqp_passwd`.
    pub password: String,
    /// `amqp_vhost`.
    pub vhost: String,
    /// `amqp_exchange`.
    pub exchange: String,
    /// `amqp_exchange_type`.
    pub exchange_type: ExchangeType,
    /// `amqp_persistent_msg`: the exchange and its messages survive a restart of the broker.
    pub persistent: bool,
    /// `amqp_frame_max`.
    pub frame_max: u32,
    /// `amqp_heartbeat_interval`, seconds; 0 for none.
    pub heartbeat: u16,
    /// The timeout of each operation.
    pub timeout: Duration,
}

/// The certificate authorities to trust, and the client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// `amqp_conn_ca_file`; `None` for the authorities of the system.
    pub ca_file: Option<PathBuf>,
    /// `amqp_conn_cert_file`.
    pub cert_file: Option<PathBuf>,
    /// `amqp_conn_key_file`.
    pub key_file: Option<PathBuf>,
}

/// The maximum length of a routing key in octets (AMQP 0.9.1, section 4.2.5.3).
const MAX_ROUTING_KEY: usize = 255;
/// The port of AMQP over TLS (IANA).
const AMQPS: u16 = 5671;

impl Tls {
    /// The host and the port to connect to, and TLS if it is enabled by `amqps://` before the host or by a file. `port` is the
    /// configured port, if there is one; `plain` is the default without TLS.
    fn endpoint(self, host: &str, port: Option<u16>, plain: u16) -> (String, u16, Option<Self>) {
        let (scheme, host) = host.split_once("://").unwrap_or(("", host));
        let tls = (scheme == "amqps" || self != Self::default()).then_some(self);
        // An IPv6 address may be in brackets.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.unwrap_or(if tls.is_some() { AMQPS } else { plain });
        (host, port, tls)
    }
}

impl Messages {
    /// The settings of a plugin, with its format of values. What prevents it from starting is a fatal problem.
    pub fn read(plugin: &Plugin, style: Style, problems: &mut Diagnostics) -> Self {
        let is_kafka = plugin.kind == PluginKind::Kafka;
        let output = match plugin.get(&AMQP_OUTPUT) {
            MessageOutput::Json => Output::Json,
            MessageOutput::Avro => Output::Avro,
            MessageOutput::AvroJson => Output::AvroJson,
            MessageOutput::Custom => {
                let what = format!("custom output is not supported[{}].", plugin.name);
                let hint = Some("Use json, avro or avro_json.".to_owned());
                problems.fatal(plugin.blame(&AMQP_OUTPUT), what, hint);
                Output::Json
            }
        };
        let (topic, origin) = match is_kafka {
            true => (plugin.get(&KAFKA_TOPIC), plugin.blame(&KAFKA_TOPIC)),
            false => (plugin.get(&AMQP_ROUTING_KEY), plugin.blame(&AMQP_ROUTING_KEY)),
        };
        let topic = Template::parse_records_only(&topic);
        if is_kafka
            && let Some(position) = topic
                .text()
                .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '$')))
        {
            let letter = topic.text().get(position..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            let what = format!("kafka_topic[{}]: Kafka allows no '{letter}' in names of topics.", plugin.name);
            problems.fatal(origin, what, Some("Use letters, digits, '.', '_' and '-'.".to_owned()));
        }
        if !is_kafka && topic.text().len() > MAX_ROUTING_KEY {
            let length = topic.text().len();
            let what = format!("amqp_routing_key[{}]: the value is too long: {length} octets.", plugin.name);
            problems.fatal(origin, what, Some(format!("AMQP allows {MAX_ROUTING_KEY} octets.")));
        }
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            name: plugin.name.clone(),
            writer_id: plugin.get(&WRITER_ID_STRING),
            output,
            topic,
            round_robin: match is_kafka {
                true => plugin.get(&KAFKA_TOPIC_RR),
                false => plugin.get(&AMQP_ROUTING_KEY_RR),
            },
            key: plugin.get(&KAFKA_PARTITION_KEY).filter(|_| is_kafka),
            multi_values: size(plugin.get(&SQL_MULTI_VALUES)),
            avro_buffer: size(plugin.get(&AVRO_BUFFER_SIZE)),
            markers: plugin.get(&PRINT_MARKERS),
            schema_key: schema_key(plugin, output, problems),
            style,
        }
    }
}

/// The routing key for schemas, if there are any.
fn schema_key(plugin: &Plugin, output: Output, problems: &mut Diagnostics) -> Option<String> {
    let key = plugin.get(&AMQP_AVRO_SCHEMA_ROUTING_KEY).filter(|_| plugin.kind == PluginKind::Amqp)?;
    if output == Output::Json {
        let what = format!("amqp_avro_schema_routing_key[{}]: json has no schema. Ignored.", plugin.name);
        let hint = Some("Set amqp_output: avro.".to_owned());
        problems.warn(plugin.blame(&AMQP_AVRO_SCHEMA_ROUTING_KEY), what, hint);
        return None;
    }
    Some(key)
}

impl Kafka {
    /// The settings of a plugin.
    pub fn read(plugin: &Plugin, problems: &mut Diagnostics) -> Self {
        let registry = plugin.get(&KAFKA_AVRO_SCHEMA_REGISTRY);
        let output = plugin.get(&AMQP_OUTPUT);
        if registry.is_some() && output != MessageOutput::Avro {
            let what =
                format!("kafka_avro_schema_registry[{}]: only avro messages have schemas. Ignored.", plugin.name);
            let hint = Some("Set kafka_output: avro.".to_owned());
            problems.warn(plugin.blame(&KAFKA_AVRO_SCHEMA_REGISTRY), what, hint);
        }
        let partition = plugin.get(&KAFKA_PARTITION);
        Self {
            brokers: brokers(&plugin.get(&KAFKA_BROKER_HOST), plugin.get(&KAFKA_BROKER_PORT)),
            partition: (partition >= 0).then_some(partition),
            config_file: plugin.get(&KAFKA_CONFIG_FILE),
            registry: registry.filter(|_| output == MessageOutput::Avro),
            timeout: plugin.get(&PLUGIN_WRITE_TIMEOUT),
        }
    }

    /// The settings of an event log: those of a key prefix.
    pub fn read_at(config: &Config, prefix: KeyPrefix) -> Self {
        let partition = config.core_at(&KAFKA_PARTITION, prefix);
        let has_registry = KAFKA_AVRO_SCHEMA_REGISTRY.row().prefixes.contains(&prefix);
        Self {
            brokers: brokers(
                &config.core_at(&KAFKA_BROKER_HOST, prefix),
                config.core_at(&KAFKA_BROKER_PORT, prefix),
            ),
            partition: (partition >= 0).then_some(partition),
            config_file: config.core_at(&KAFKA_CONFIG_FILE, prefix),
            registry: has_registry.then(|| config.core_at(&KAFKA_AVRO_SCHEMA_REGISTRY, prefix)).flatten(),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        }
    }
}

impl KafkaInput {
    /// BMP messages in the format of OpenBMP; `None` without `bmp_daemon_kafka_topic`.
    pub fn of_bmp(config: &Config) -> Option<Self> {
        Some(Self {
            brokers: brokers(
                &config.core(&BMP_DAEMON_KAFKA_BROKER_HOST),
                config.core(&BMP_DAEMON_KAFKA_BROKER_PORT),
            ),
            topic: config.core(&BMP_DAEMON_KAFKA_TOPIC)?,
            group: config.core(&BMP_DAEMON_KAFKA_GROUP),
            config_file: config.core(&BMP_DAEMON_KAFKA_CONFIG_FILE),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        })
    }
}

impl KafkaInput {
    /// Telemetry in JSON; `None` without `telemetry_daemon_kafka_topic`.
    pub fn of_telemetry(config: &Config) -> Option<Self> {
        Some(Self {
            brokers: brokers(
                &config.core(&TELEMETRY_DAEMON_KAFKA_BROKER_HOST),
                config.core(&TELEMETRY_DAEMON_KAFKA_BROKER_PORT),
            ),
            topic: config.core(&TELEMETRY_DAEMON_KAFKA_TOPIC)?,
            group: config.core(&TELEMETRY_DAEMON_KAFKA_GROUP),
            config_file: config.core(&TELEMETRY_DAEMON_KAFKA_CONFIG_FILE),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        })
    }
}

impl KafkaInput {
    /// Templates that collectors share; `None` without `nfacctd_templates_kafka_topic`.
    pub fn of_templates(config: &Config) -> Option<Self> {
        Some(Self {
            brokers: brokers(
                &config.core(&NFACCTD_TEMPLATES_KAFKA_BROKER_HOST),
                config.core(&NFACCTD_TEMPLATES_KAFKA_BROKER_PORT),
            ),
            topic: config.core(&NFACCTD_TEMPLATES_KAFKA_TOPIC)?,
            group: None,
            config_file: config.core(&NFACCTD_TEMPLATES_KAFKA_CONFIG_FILE),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        })
    }

    /// The same cluster, for messages that are written.
    pub fn for_writing(&self) -> Kafka {
        let Self { brokers, config_file, timeout, .. } = self.clone();
        Kafka { brokers, partition: None, config_file, registry: None, timeout }
    }
}

impl KafkaInput {
    /// Datagrams of exporters; `None` unless both `nfacctd_kafka_broker_host` and `nfacctd_kafka_topic` are set.
    pub fn of_flows(config: &Config) -> Option<Self> {
        Some(Self {
            brokers: brokers(&config.core(&NFACCTD_KAFKA_BROKER_HOST)?, config.core(&NFACCTD_KAFKA_BROKER_PORT)),
            topic: config.core(&NFACCTD_KAFKA_TOPIC)?,
            group: config.core(&NFACCTD_KAFKA_GROUP),
            config_file: config.core(&NFACCTD_KAFKA_CONFIG_FILE),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        })
    }
}

impl Amqp {
    /// The settings of a plugin.
    pub fn read(plugin: &Plugin) -> Self {
        let files = Tls {
            ca_file: plugin.get(&AMQP_CONN_CA_FILE),
            cert_file: plugin.get(&AMQP_CONN_CERT_FILE),
            key_file: plugin.get(&AMQP_CONN_KEY_FILE),
        };
        let port = plugin.get(&AMQP_PORT);
        let set = plugin.origin_of(&AMQP_PORT).map(|_| port);
        let (host, port, tls) = files.endpoint(&plugin.get(&AMQP_HOST), set, port);
        Self {
            host,
            port,
            tls,
            user: plugin.get(&AMQP_USER),
            password: plugin.get(&AMQP_PASSWD),
            vhost: plugin.get(&AMQP_VHOST),
            exchange: plugin.get(&AMQP_EXCHANGE),
            exchange_type: plugin.get(&AMQP_EXCHANGE_TYPE),
            persistent: plugin.get(&AMQP_PERSISTENT_MSG),
            frame_max: u32::try_from(plugin.get(&AMQP_FRAME_MAX)).unwrap_or(u32::MAX),
            heartbeat: u16::try_from(plugin.get(&AMQP_HEARTBEAT_INTERVAL).as_secs()).unwrap_or(u16::MAX),
            timeout: plugin.get(&PLUGIN_WRITE_TIMEOUT),
        }
    }

    /// The settings of an event log: those of a key prefix.
    pub fn read_at(config: &Config, prefix: KeyPrefix) -> Self {
        let files = Tls {
            ca_file: config.core_at(&AMQP_CONN_CA_FILE, prefix),
            cert_file: config.core_at(&AMQP_CONN_CERT_FILE, prefix),
            key_file: config.core_at(&AMQP_CONN_KEY_FILE, prefix),
        };
        let port = config.core_at(&AMQP_PORT, prefix);
        let set = config.core_origin_at(&AMQP_PORT, prefix).map(|_| port);
        let (host, port, tls) = files.endpoint(&config.core_at(&AMQP_HOST, prefix), set, port);
        Self {
            host,
            port,
            tls,
            user: config.core_at(&AMQP_USER, prefix),
            password: config.core_at(&AMQP_PASSWD, prefix),
            vhost: config.core_at(&AMQP_VHOST, prefix),
            exchange: config.core_at(&AMQP_EXCHANGE, prefix),
            exchange_type: config.core_at(&AMQP_EXCHANGE_TYPE, prefix),
            persistent: config.core_at(&AMQP_PERSISTENT_MSG, prefix),
            frame_max: u32::try_from(config.core_at(&AMQP_FRAME_MAX, prefix)).unwrap_or(u32::MAX),
            heartbeat: u16::try_from(config.core_at(&AMQP_HEARTBEAT_INTERVAL, prefix).as_secs())
                .unwrap_or(u16::MAX),
            timeout: config.core(&PLUGIN_WRITE_TIMEOUT),
        }
    }
}

/// The list of brokers, with the default port added where one is missing.
fn brokers(hosts: &str, port: u16) -> String {
    let with_port = |host: &str| {
        let (_, address) = host.rsplit_once("://").unwrap_or(("", host));
        let has_port = match address.strip_prefix('[') {
            Some(v6) => v6.contains("]:"),
            // More than one colon is an IPv6 address without brackets.
            None => address.matches(':').count() == 1,
        };
        if has_port { host.to_owned() } else { format!("{host}:{port}") }
    };
    let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
    hosts.map(with_port).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_enabled_by_the_host_or_by_a_file() {
        let none = Tls::default();
        let some = Tls { ca_file: Some("ca.pem".into()), ..Tls::default() };
        assert_eq!(none.clone().endpoint("a", None, 5672), ("a".into(), 5672, None));
        assert_eq!(none.clone().endpoint("amqp://[::1]", None, 5672), ("::1".into(), 5672, None));
        assert_eq!(none.clone().endpoint("amqps://a", None, 5672), ("a".into(), 5671, Some(none.clone())));
        assert_eq!(none.clone().endpoint("amqps://a", Some(5672), 5672), ("a".into(), 5672, Some(none)));
        assert_eq!(some.clone().endpoint("a", None, 5672), ("a".into(), 5671, Some(some)));
    }

    #[test]
    fn the_topic_of_bmp_is_read_only_if_there_is_one() {
        let of = |lines: &str| {
            let (config, _) = config::parse_bytes(config::Daemon::Pmbmpd, "f", lines.as_bytes());
            KafkaInput::of_bmp(&config)
        };
        assert!(of("bmp_daemon_kafka_broker_host: a").is_none());
        let input = of("bmp_daemon_kafka_topic: routeviews.bmp_raw\nbmp_daemon_kafka_broker_host: a,b:1").unwrap();
        let found = (input.brokers.as_str(), input.topic.as_str(), input.group.as_deref());
        assert_eq!(found, ("a:9092,b:1", "routeviews.bmp_raw", None));
    }

    #[test]
    fn the_default_port_is_added_to_brokers_without_one() {
        assert_eq!(brokers("a", 9092), "a:9092");
        assert_eq!(brokers("a:1, [::1], [::1]:5,ssl://b:3,ssl://c", 9), "a:1,[::1]:9,[::1]:5,ssl://b:3,ssl://c:9");
    }
}
