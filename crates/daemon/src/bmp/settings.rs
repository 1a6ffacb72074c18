//! The settings of the BMP daemon: `bmp_daemon_*`, `bmp_dump_*` and what they depend on.

use crate::cluster::Sharing;
use crate::ha::Standby;
use crate::host::blame;
use crate::host::part::Reading;
use crate::routing::settings::{DumpSettings, Kind, fixed};
use crate::sessions::admission::Limits;
use crate::sessions::settings::{batch, read};
use crate::sessions::tls;
use crate::{allow, routing};
use ::maps::load::Context;
use ::maps::routing_tag::RoutingTagMap;
use brokers::settings::KafkaInput;
use capture::allow::AllowList;
use capture::pcap_file;
use config::keys::http::HTTP_LISTEN;
use config::keys::{bmp, core, encoding, input, maps};
use config::{Config, Diagnostics, KeyPrefix, Names, Origin};
use event_log::{Schema, Sequence, Settings as LogSettings};
use reuseport::Transport;
use route_log::LabelFilter;
use route_log::bmp::{Collector, Format, VARIABLES, label_filter, schema};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings.
pub(super) struct Settings {
    pub(super) names: Names,
    pub(super) address: SocketAddr,
    /// `pcap_savefile` of pmbmpd.
    pub(super) file: Option<pcap_file::Settings>,
    /// The topic from which messages of routers are read besides.
    pub(super) kafka: Option<KafkaInput>,
    /// Options of the listening socket.
    pub(super) options: listener::Options,
    /// How it is shared with other daemons.
    pub(super) sharing: Sharing,
    pub(super) limits: Limits,
    /// `bmp_daemon_parse_proxy_header`.
    pub(super) proxy_header: bool,
    /// `bmp_daemon_initiation_timeout`: within this time the first message of a connection must come.
    pub(super) initiation_timeout: Option<Duration>,
    /// `bmp_daemon_kafka_router_timeout`: a router behind Kafka of which nothing came for this long is gone.
    pub(super) router_timeout: Option<Duration>,
    /// The message log, if it is used.
    pub(super) log: Option<LogSettings>,
    /// The table dumps, if they are used.
    pub(super) dump: Option<DumpSettings>,
    /// `bmp_dump_exclude_stats`.
    pub(super) excludes_statistics: bool,
    /// Bytes of events that wait for the next dump.
    pub(super) max_event_bytes: u64,
    /// `bmp_daemon_msglog_label_filter`.
    pub(super) label_filter: LabelFilter,
    /// Queries over HTTP, or flows read the routes.
    pub(super) is_queried: bool,
    /// The daemon runs for its sessions, and not only as long as flows come.
    pub(super) keeps_running: bool,
    pub(super) sources: Files,
    /// How values are shown.
    pub(super) format: Format,
    /// This collector in messages in the format of OpenBMP.
    pub(super) collector: Collector,
}

/// The operator's files, which are read again on reload.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) allow: Option<PathBuf>,
    pub(super) tags: Option<PathBuf>,
    pub(super) tls: Option<tls::Files>,
    context: Option<Context>,
}

/// Their contents.
#[derive(Clone, Default)]
pub(super) struct Loaded {
    pub(super) allow: Option<Arc<AllowList>>,
    pub(super) tags: Option<Arc<RoutingTagMap>>,
    /// Sessions are over TLS.
    pub(super) tls: Option<tls::Server>,
}

/// The keys of TLS.
const TLS: tls::Keys = tls::Keys {
    cert: &bmp::BMP_DAEMON_TLS_CERT_FILE,
    key: &bmp::BMP_DAEMON_TLS_KEY_FILE,
    ca: &bmp::BMP_DAEMON_TLS_CA_FILE,
};

impl Settings {
    /// Reads the settings; errors are added to the problems.
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let (config, problems) = (reading.config, &mut *reading.problems);
        let ip = config.core(&bmp::BMP_DAEMON_IP);
        let file = savefile(config);
        if let (Some(_), Some(_)) = (&file, ip) {
            let what = "bmp_daemon_ip and pcap_savefile directives are mutually exclusive. Exiting.";
            problems.fatal(blame(config, &input::PCAP_SAVEFILE), what, None);
        }
        let address =
            SocketAddr::new(ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), config.core(&bmp::BMP_DAEMON_PORT));
        let limits = Limits {
            max_peers: usize::try_from(config.core(&bmp::BMP_DAEMON_MAX_PEERS)).unwrap_or(usize::MAX),
            batch: batch(config, &bmp::BMP_DAEMON_BATCH, &bmp::BMP_DAEMON_BATCH_INTERVAL, problems),
        };
        let sharing = Sharing::read(config, &[&bmp::BMP_DAEMON_RP_EBPF_PROG], "bmp", Transport::Tcp, problems);
        let format = Format::read(config);
        let sequence = Sequence::default();
        let standby = reading.offers.see::<Standby>();
        let log = kind(KeyPrefix::BMP_DAEMON_MSGLOG, schema::of_log(&format), &sequence, standby.clone());
        let dump = kind(KeyPrefix::BMP_DUMP, schema::of_dump(&format), &sequence, standby);
        let keeps_running = config.daemon() == config::Daemon::Pmbmpd;
        Self {
            address,
            file,
            kafka: kafka(config, problems),
            options: options(config, sharing.is_shared),
            sharing,
            limits,
            proxy_header: config.core(&bmp::BMP_DAEMON_PARSE_PROXY_HEADER),
            initiation_timeout: positive(config.core(&bmp::BMP_DAEMON_INITIATION_TIMEOUT)),
            router_timeout: positive(config.core(&bmp::BMP_DAEMON_KAFKA_ROUTER_TIMEOUT)),
            log: routing::settings::log(config, log, problems),
            dump: routing::settings::dump(config, dump, problems),
            excludes_statistics: config.core(&bmp::BMP_DUMP_EXCLUDE_STATS),
            max_event_bytes: config.core(&core::PLUGIN_QUEUE_MEMORY),
            label_filter: label_filter(config),
            is_queried: config.core(&HTTP_LISTEN).is_some() || !keeps_running,
            keeps_running,
            sources: Files {
                allow: config.core(&maps::BMP_DAEMON_ALLOW_FILE),
                tags: config.core(&maps::BMP_DAEMON_TAG_MAP),
                tls: tls::Files::read(config, TLS, problems),
                context: Some(Context {
                    label_as_map: config.core(&encoding::PRE_TAG_LABEL_ENCODE_AS_MAP),
                    ..Context::new(config.daemon())
                }),
            },
            format,
            collector: Collector::read(config),
            names: reading.names.clone(),
        }
    }

    /// Whether something reads the routes: dumps, queries over HTTP, or flows.
    pub(super) fn keeps_routes(&self) -> bool {
        self.dump.is_some() || self.is_queried
    }

    /// Files that this daemon alone may write, each with its key.
    pub(super) fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        let log = self.log.as_ref().and_then(|log| log.file.clone());
        let dump = self.dump.as_ref().and_then(|dump| dump.log.file.clone());
        let files = [("bmp_daemon_msglog_file", log), ("bmp_dump_file", dump)];
        files.into_iter().filter_map(|(key, path)| Some((key, fixed(path)?))).collect()
    }
}

impl Files {
    /// All files that are named.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(tls::Files::paths);
        [&self.allow, &self.tags].into_iter().flatten().cloned().chain(tls).collect()
    }

    /// Reads the files. Errors that prevent their use are fatal.
    pub(super) fn load(&self, names: &Names, problems: &mut Diagnostics) -> Loaded {
        let mut loaded = Loaded::default();
        if let Some(path) = &self.allow {
            let key = names.of(&maps::BMP_DAEMON_ALLOW_FILE);
            loaded.allow = allow::read(key, path, &Origin::whole(&path.display().to_string()), problems);
        }
        if let Some(context) = &self.context
            && let Some((origin, text)) = read("bmp_daemon_tag_map", self.tags.as_deref(), problems)
        {
            loaded.tags = Some(Arc::new(RoutingTagMap::parse(&origin, &text, context, problems)));
        }
        loaded.tls = self.tls.as_ref().and_then(|files| files.load(problems));
        loaded
    }
}

/// The log, or the dump, of BMP.
fn kind(prefix: KeyPrefix, schemas: Vec<Schema>, sequence: &Sequence, standby: Option<Standby>) -> Kind {
    let lookup = |text: &str| VARIABLES.iter().find(|word| text.starts_with(**word)).map(|word| (*word, None));
    Kind { prefix, variables: VARIABLES, lookup, schemas, sequence: sequence.clone(), standby }
}

/// A time limit; 0 is none.
fn positive(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}

fn options(config: &Config, is_shared: bool) -> listener::Options {
    let size = config.core(&bmp::BMP_DAEMON_PIPE_SIZE);
    listener::Options {
        interface: config.core(&bmp::BMP_DAEMON_INTERFACE),
        ipv6_only: config.core(&bmp::BMP_DAEMON_IPV6_ONLY),
        precedence: u8::try_from(config.core(&bmp::BMP_DAEMON_IPPREC)).ok().filter(|precedence| *precedence > 0),
        receive_buffer: size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        // A router may have nothing to report for hours.
        keepalive: Some(Duration::from_secs(60)),
        is_shared,
        ..listener::Options::default()
    }
}

/// The capture file of pmbmpd; that of other daemons has flows.
fn savefile(config: &Config) -> Option<pcap_file::Settings> {
    let path = config.core(&input::PCAP_SAVEFILE).filter(|_| config.daemon() == config::Daemon::Pmbmpd)?;
    Some(pcap_file::Settings {
        path,
        wait: config.core(&input::PCAP_SAVEFILE_WAIT),
        delay: config.core(&input::PCAP_SAVEFILE_DELAY),
        replay: config.core(&input::PCAP_SAVEFILE_REPLAY),
    })
}

/// The topic, if the program can read it.
fn kafka(config: &Config, problems: &mut Diagnostics) -> Option<KafkaInput> {
    let settings = KafkaInput::of_bmp(config)?;
    if let Err(what) = super::kafka::check(&settings) {
        let origin = blame(config, &bmp::BMP_DAEMON_KAFKA_TOPIC);
        problems.fatal(origin, what, None);
    }
    Some(settings)
}
