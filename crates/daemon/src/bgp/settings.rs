//! The settings of the BGP daemon: `bgp_daemon_*`, `bgp_table_dump_*` and what they depend on.

use crate::cluster::Sharing;
use crate::ha::Standby;
use crate::host::part::Reading;
use crate::host::{blame, files_of};
use crate::routing::settings::{DumpSettings, Kind, fixed};
use crate::sessions::admission::Limits;
use crate::sessions::settings::{batch, read};
use crate::{allow, routing};
use ::maps::load::Context;
use ::maps::routing_tag::RoutingTagMap;
use ::maps::xconnect::XconnectMap;
use capture::allow::AllowList;
use capture::pcap_file;
use config::keys::http::HTTP_LISTEN;
use config::keys::{bgp, encoding, input, maps};
use config::{Config, Diagnostics, KeyPrefix, Names, Origin};
use event_log::{Schema, Sequence, Settings as LogSettings};
use listener::Keys;
use reuseport::Transport;
use route_log::{Format, LabelFilter, VARIABLES, schema};
use runtime::files;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings.
pub(super) struct Settings {
    pub(super) names: Names,
    pub(super) address: SocketAddr,
    /// `pcap_savefile` of pmbgpd.
    pub(super) file: Option<pcap_file::Settings>,
    /// Options of the listening socket.
    pub(super) options: listener::Options,
    /// How it is shared with other daemons.
    pub(super) sharing: Sharing,
    pub(super) limits: Limits,
    /// `bgp_daemon_as`; the peer's own AS if it is not set.
    pub(super) local_as: Option<u32>,
    pub(super) router_id: Ipv4Addr,
    pub(super) add_path: bool,
    pub(super) route_refresh: bool,
    /// `bgp_disable_router_id_check`.
    pub(super) shares_router_ids: bool,
    /// `tmp_bgp_lookup_compare_ports`: peers are distinguished by address and port.
    pub(super) compares_ports: bool,
    pub(super) neighbors: Option<PathBuf>,
    pub(super) files: files::Settings,
    /// The message log, if it is used.
    pub(super) log: Option<LogSettings>,
    /// The table dumps, if they are used.
    pub(super) dump: Option<DumpSettings>,
    /// `bgp_daemon_msglog_label_filter`.
    pub(super) label_filter: LabelFilter,
    /// The looking glass, queries over HTTP, or flows read the routes.
    pub(super) is_queried: bool,
    /// The daemon runs for its sessions, and not only as long as flows come.
    pub(super) keeps_running: bool,
    pub(super) sources: Files,
    /// How values are shown.
    pub(super) format: Format,
}

/// The operator's files, which are read again on reload.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) allow: Option<PathBuf>,
    pub(super) tags: Option<PathBuf>,
    pub(super) xconnect: Option<PathBuf>,
    pub(super) keys: Option<PathBuf>,
    context: Option<Context>,
}

/// Their contents.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub(super) allow: Option<Arc<AllowList>>,
    pub(super) tags: Option<Arc<RoutingTagMap>>,
    pub(super) xconnect: Option<Arc<XconnectMap>>,
    /// Keys by which peers sign segments.
    pub(super) keys: Option<Arc<Keys>>,
}

impl Settings {
    /// Reads the settings; errors are added to the problems.
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let (config, problems) = (reading.config, &mut *reading.problems);
        let ip = config.core(&bgp::BGP_DAEMON_IP).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let limits = Limits {
            max_peers: usize::try_from(config.core(&bgp::BGP_DAEMON_MAX_PEERS)).unwrap_or(usize::MAX),
            batch: batch(config, &bgp::BGP_DAEMON_BATCH, &bgp::BGP_DAEMON_BATCH_INTERVAL, problems),
        };
        let sharing = Sharing::read(config, &[&bgp::BGP_DAEMON_RP_EBPF_PROG], "bgp", Transport::Tcp, problems);
        let format = Format::read(config);
        let sequence = Sequence::default();
        let standby = reading.offers.see::<Standby>();
        let log = kind(KeyPrefix::BGP_DAEMON_MSGLOG, schema::of_log(&format), &sequence, standby.clone());
        let dump = kind(KeyPrefix::BGP_TABLE_DUMP, schema::of_dump(&format), &sequence, standby);
        Self {
            address: SocketAddr::new(ip, config.core(&bgp::BGP_DAEMON_PORT)),
            file: savefile(config),
            options: options(config, sharing.is_shared),
            sharing,
            limits,
            local_as: config.core(&bgp::BGP_DAEMON_AS),
            router_id: router_id(config, ip, problems),
            add_path: !config.core(&bgp::BGP_DAEMON_ADD_PATH_IGNORE),
            route_refresh: config.core(&bgp::TMP_BGP_DAEMON_ROUTE_REFRESH),
            shares_router_ids: config.core(&bgp::BGP_DISABLE_ROUTER_ID_CHECK),
            compares_ports: config.core(&bgp::TMP_BGP_LOOKUP_COMPARE_PORTS),
            neighbors: config.core(&bgp::BGP_NEIGHBORS_FILE),
            files: files_of(config),
            log: routing::settings::log(config, log, problems),
            dump: routing::settings::dump(config, dump, problems),
            is_queried: (cfg!(feature = "zmq") && config.core(&bgp::BGP_DAEMON_LG))
                || config.core(&HTTP_LISTEN).is_some()
                || config.daemon() != config::Daemon::Pmbgpd,
            keeps_running: config.daemon() == config::Daemon::Pmbgpd,
            label_filter: LabelFilter::read(config),
            sources: Files {
                allow: config.core(&maps::BGP_DAEMON_ALLOW_FILE),
                tags: config.core(&maps::BGP_DAEMON_TAG_MAP),
                xconnect: config.core(&maps::BGP_DAEMON_XCONNECT_MAP),
                keys: config.core(&maps::BGP_DAEMON_MD5_FILE),
                context: Some(Context {
                    label_as_map: config.core(&encoding::PRE_TAG_LABEL_ENCODE_AS_MAP),
                    ..Context::new(config.daemon())
                }),
            },
            format,
            names: reading.names.clone(),
        }
    }

    /// Whether something reads the routes: dumps, the looking glass, queries over HTTP, or flows.
    pub(super) fn keeps_routes(&self) -> bool {
        self.dump.is_some() || self.is_queried
    }

    /// Files that this daemon alone may write, each with its key.
    pub(super) fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        let log = self.log.as_ref().and_then(|log| log.file.clone());
        let dump = self.dump.as_ref().and_then(|dump| dump.log.file.clone());
        let files = [
            ("bgp_daemon_msglog_file", log),
            ("bgp_table_dump_file", dump),
            ("bgp_neighbors_file", self.neighbors.clone()),
        ];
        let files = files.into_iter().filter_map(|(key, path)| Some((key, fixed(path)?)));
        files.collect()
    }
}

impl Files {
    /// All files that are named.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        [&self.allow, &self.tags, &self.xconnect, &self.keys].into_iter().flatten().cloned().collect()
    }

    /// Reads the files. Errors that prevent their use are fatal.
    pub(super) fn load(&self, names: &Names, problems: &mut Diagnostics) -> Loaded {
        let mut loaded = Loaded::default();
        if let Some(path) = &self.allow {
            let key = names.of(&maps::BGP_DAEMON_ALLOW_FILE);
            loaded.allow = allow::read(key, path, &Origin::whole(&path.display().to_string()), problems);
        }
        let Some(context) = &self.context else { return loaded };
        if let Some((origin, text)) = read("bgp_daemon_tag_map", self.tags.as_deref(), problems) {
            loaded.tags = Some(Arc::new(RoutingTagMap::parse(&origin, &text, context, problems)));
        }
        if let Some((origin, text)) = read("bgp_daemon_xconnect_map", self.xconnect.as_deref(), problems) {
            loaded.xconnect = Some(Arc::new(XconnectMap::parse(&origin, &text, context, problems)));
        }
        if let Some((origin, text)) = read("bgp_daemon_md5_file", self.keys.as_deref(), problems) {
            loaded.keys = Some(Arc::new(Keys::parse(&origin, &text, problems)));
        }
        loaded
    }
}

fn options(config: &Config, is_shared: bool) -> listener::Options {
    let size = config.core(&bgp::BGP_DAEMON_PIPE_SIZE);
    listener::Options {
        interface: config.core(&bgp::BGP_DAEMON_INTERFACE),
        ipv6_only: config.core(&bgp::BGP_DAEMON_IPV6_ONLY),
        precedence: u8::try_from(config.core(&bgp::BGP_DAEMON_IPPREC)).ok().filter(|precedence| *precedence > 0),
        receive_buffer: size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        // A session without a hold time has no timer of its own.
        keepalive: Some(Duration::from_secs(60)),
        is_shared,
        ..listener::Options::default()
    }
}

/// The capture file of pmbgpd; that of other daemons has flows.
fn savefile(config: &Config) -> Option<pcap_file::Settings> {
    let path = config.core(&input::PCAP_SAVEFILE).filter(|_| config.daemon() == config::Daemon::Pmbgpd)?;
    let (wait, delay) = (config.core(&input::PCAP_SAVEFILE_WAIT), config.core(&input::PCAP_SAVEFILE_DELAY));
    Some(pcap_file::Settings { path, wait, delay, ..pcap_file::Settings::default() })
}

/// `bgp_daemon_id`; else the listening address, if it is an IPv4 address of this machine.
fn router_id(config: &Config, ip: IpAddr, problems: &mut Diagnostics) -> Ipv4Addr {
    /// The identifier of a speaker must not be zero (RFC 6286 section 2.1).
    const FALLBACK: Ipv4Addr = Ipv4Addr::new(1, 2, 3, 4);
    match (config.core(&bgp::BGP_DAEMON_ID), ip) {
        (Some(IpAddr::V4(id)), _) if !id.is_unspecified() => id,
        (None, IpAddr::V4(ip)) if !ip.is_unspecified() => ip,
        (None, _) => FALLBACK,
        (Some(id), _) => {
            let what = format!("bgp_daemon_id: {id} is not a router ID; {FALLBACK} is used.");
            let hint = "Use an IPv4 address other than 0.0.0.0.".to_owned();
            problems.warn(blame(config, &bgp::BGP_DAEMON_ID), what, Some(hint));
            FALLBACK
        }
    }
}

/// The log, or the dump, of BGP.
fn kind(prefix: KeyPrefix, schemas: [Schema; 3], sequence: &Sequence, standby: Option<Standby>) -> Kind {
    let lookup = |text: &str| VARIABLES.iter().find(|word| text.starts_with(**word)).map(|word| (*word, None));
    Kind { prefix, variables: VARIABLES, lookup, schemas: schemas.into(), sequence: sequence.clone(), standby }
}
