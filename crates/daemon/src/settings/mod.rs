//! From the configuration to what the daemon will do. Nothing reads the configuration after this.
//!
//! Every problem is told, not only the first: with its file, line and key, what is wrong and what would be right.

mod checks;
mod classes;
mod confinement;
mod enrichment;
pub(crate) mod packets;

pub(crate) use confinement::Confinement;

use crate::Daemon;
use crate::counter_log;
use crate::intake::{self, Intake};
use crate::pipeline::{Aggregation, History, Require, Spread};
use crate::statistics;
use crate::templates_file;
use crate::worker::{Bound, Limits, Recognition};
use aggregate::time_bin::Roundoff;
use capture::allow::AllowList;
use config::keys::{aggregation, core, encoding, ha, input, maps, output, print, sampling, time};
use config::{Config, Origin, Plugin, Problems};
use flow::custom::{self, Custom};
use flow::primitive::{Daemons, PRIMITIVES};
use flow::schema::{Options, Selection};
use flow::{from_netflow, from_packet, from_sflow};
use packet::tunnel::Ports;
use plugins::sink;
use plugins::store::Target;
use runtime::{files, log, privileges};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Libraries that log by themselves.
const LIBRARIES: &[&str] =
    &["hyper", "lapin", "log", "mysql", "rustls", "tokio_postgres", "tokio_postgres_rustls", "ureq", "ureq_proto"];

/// What a plugin does with its tables.
#[derive(Clone, Debug)]
pub(crate) enum PluginKind {
    /// Writes them as text.
    Print(Box<plugins::print::Settings>),
    /// Keeps them, and answers questions.
    Memory(plugins::memory::Settings),
    /// Writes them to a server or a database.
    Store(Box<plugins::store::Settings>, Target),
}

impl PluginKind {
    /// The word that the configuration has for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Print(_) => "print",
            Self::Memory(_) => "memory",
            Self::Store(settings, _) => settings.kind,
        }
    }
}

/// One plugin.
#[derive(Clone, Debug)]
pub(crate) struct PluginSettings {
    pub(crate) name: String,
    pub(crate) debug: bool,
    pub(crate) kind: PluginKind,
    pub(crate) aggregation: Aggregation,
}

/// How the daemon's input is read.
#[derive(Clone, Debug)]
pub(crate) enum Front {
    /// As NetFlow and IPFIX.
    NetFlow(NetFlowSettings),
    /// As sFlow.
    Sflow(SflowSettings),
    /// As packets.
    Packets(from_packet::Settings),
}

/// How sFlow is read.
#[derive(Clone, Debug)]
pub(crate) struct SflowSettings {
    pub(crate) decode: from_sflow::Settings,
    /// Where counter samples go.
    pub(crate) counters: Option<event_log::Settings>,
    /// `sfacctd_disable_sanity_checks`: no lines about versions.
    pub(crate) unchecked: bool,
}

/// How NetFlow and IPFIX are read.
#[derive(Clone, Debug)]
pub(crate) struct NetFlowSettings {
    pub(crate) decode: from_netflow::Settings,
    /// How far flow times may choose time bins.
    pub(crate) times: Limits,
    pub(crate) templates_file: Option<templates_file::Settings>,
    /// `nfacctd_disable_sanity_checks`: no lines about versions and sequence numbers.
    pub(crate) unchecked: bool,
}

impl PluginSettings {
    /// Nobody waits for the end of a file: its store gets the time that it needs, as long as it takes anything.
    fn wait_for_stores(&mut self) {
        if let PluginKind::Store(store, _) = &mut self.kind {
            store.exit = store.exit.patient();
        }
    }
}

impl Front {
    /// The fields that its decoder needs.
    pub(crate) fn require(&self) -> Require {
        match self {
            Self::NetFlow(_) => from_netflow::require,
            Self::Sflow(_) => from_sflow::require,
            Self::Packets(_) => from_packet::require,
        }
    }

    /// Tunnels of which the packets inside count.
    fn inside(&self) -> Option<&Ports> {
        match self {
            Self::NetFlow(_) => None,
            Self::Sflow(front) => front.decode.inside.as_ref(),
            Self::Packets(decode) => decode.inside.as_ref(),
        }
    }

    /// Where templates are kept for the next start.
    pub(crate) fn templates_file(&self) -> Option<&templates_file::Settings> {
        match self {
            Self::NetFlow(front) => front.templates_file.as_ref(),
            Self::Sflow(_) | Self::Packets(_) => None,
        }
    }

    /// What keys of a collector begin with.
    pub(crate) fn collector(&self) -> &'static str {
        match self {
            Self::Sflow(_) => "sfacctd",
            Self::NetFlow(_) | Self::Packets(_) => "nfacctd",
        }
    }

    /// What comes in, in words.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::NetFlow(_) => "NetFlow/IPFIX data",
            Self::Sflow(_) => "sFlow data",
            Self::Packets(_) => "packets",
        }
    }
}

/// The whole daemon.
pub(crate) struct Settings {
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) core_name: String,
    pub(crate) debug: bool,
    pub(crate) dry_run: bool,
    pub(crate) daemonize: bool,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) log: log::Settings,
    pub(crate) files: files::Settings,
    pub(crate) priority: i32,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// `landlock`.
    pub(crate) confinement: Option<Confinement>,
    pub(crate) intake: Intake,
    /// How the collector's port stands in lines of statistics.
    pub(crate) listen: Option<String>,
    /// `maps_refresh`.
    pub(crate) reload: bool,
    /// `maps_watch`.
    pub(crate) watch: bool,
    pub(crate) allow_file: Option<PathBuf>,
    /// What it says.
    pub(crate) allow: Option<Arc<AllowList>>,
    /// `pcap_interfaces_map`.
    pub(crate) interfaces: Option<packets::InterfacesMap>,
    pub(crate) front: Front,
    /// How applications are looked for in packets, if they are.
    pub(crate) recognition: Option<Recognition>,
    pub(crate) customs: Vec<Custom>,
    pub(crate) plugins: Vec<PluginSettings>,
    /// The operator's files: where they are, what else they need to know, and what they say.
    pub(crate) enrichment: enrich::spec::Spec,
    pub(crate) context: enrich::Context,
    pub(crate) files_read: enrich::Loaded,
    pub(crate) tables_max: usize,
    pub(crate) peer_state: PeerState,
    /// `nfacctd_exporter_share`, percent.
    pub(crate) exporter_share: u32,
}

/// Bytes that each worker may keep of those who send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerState {
    /// The state of exporters.
    pub(crate) exporters: usize,
    /// Names in rows, which are forgotten between batches.
    pub(crate) strings: usize,
}

impl PeerState {
    /// When the configuration does not say: a quarter of the memory that there is, up to this.
    const MOST: u64 = 2 << 30;
    /// Names take a quarter, up to this.
    const MOST_STRINGS: usize = 64 << 20;

    fn read(config: &Config) -> Self {
        let all = config.core(&input::PEER_STATE_MEMORY).unwrap_or_else(|| {
            runtime::memory::available().map_or(Self::MOST, |memory| (memory / 4).min(Self::MOST))
        });
        let workers = if config.core(&input::PCAP_SAVEFILE).is_some() { 1 } else { workers(config) };
        let share = usize::try_from(all).unwrap_or(usize::MAX) / workers;
        let strings = (share / 4).min(Self::MOST_STRINGS);
        Self { exporters: share - strings, strings }
    }
}

impl Settings {
    /// Reads everything. `None` only together with problems that stop the daemon.
    pub(crate) fn read(
        config: &Config,
        file: Option<PathBuf>,
        daemon: &Daemon,
        problems: &mut Problems,
    ) -> Option<Self> {
        let customs = customs(config, problems);
        let files = files_of(config);
        let times = time_limits(config);
        let read = |plugin| Some((plugin, plugin_settings(plugin, daemon.primitives, &customs, times, problems)?));
        let (sources, mut plugins): (Vec<_>, Vec<_>) = config.plugins().iter().filter_map(read).unzip();
        refuse_nothing_to_run(config, &plugins, problems);
        checks::plugins(&sources, &plugins, problems);
        checks::accounts(config, problems);
        let mut context = enrichment::context(config, daemon.config);
        let interfaces = packets::InterfacesMap::read_key(config, daemon.config);
        if config::daemons::PACKETS.contains(daemon.config) {
            packets::refuse_two_samplings(config, problems);
        }
        let intake = match daemon.config {
            config::Daemon::Pmacctd => packets::pmacctd(config, interfaces.as_ref(), &context, problems),
            config::Daemon::Uacctd => Some(packets::uacctd(config)),
            _ => intake(config, problems),
        };
        if let Some(intake) = &intake {
            context.links = packets::links(config, intake, problems);
        }
        let allow = allow_list(config, problems);
        let enrichment = enrichment::read(config, &sources, problems);
        let files_read = enrich::Loaded::read(&enrichment, &context, problems);
        let flows = plugins.iter().any(|plugin| plugin.aggregation.selection.has("flows"));
        let peer_state = PeerState::read(config);
        let front = front(config, daemon, flows, &enrichment, peer_state.exporters, problems);
        let recognition = classes::recognition(config, daemon, &plugins, front.as_ref(), problems);
        let is_collector = config::daemons::COLLECTORS.contains(daemon.config);
        let listen = statistics::listen(config.core(&input::NFACCTD_IP), config.core(&input::NFACCTD_PORT));
        if problems.is_fatal() {
            return None;
        }
        let intake = intake?;
        if intake.is_file() {
            plugins.iter_mut().for_each(PluginSettings::wait_for_stores);
        }
        Some(Self {
            config_file: file,
            core_name: config.core(&core::CORE_PROC_NAME),
            debug: config.core(&core::DEBUG),
            dry_run: config.core(&core::DRY_RUN).is_some(),
            daemonize: config.core(&core::DAEMONIZE) && config.core(&core::DRY_RUN).is_none(),
            pid_file: config.core(&core::PIDFILE),
            log: log_settings(config, daemon, files),
            files,
            priority: config.core(&core::PROC_PRIORITY),
            user: config.core(&core::RUN_AS_USER),
            group: config.core(&core::RUN_AS_GROUP),
            confinement: confinement::read(config),
            intake,
            listen: Some(listen).filter(|_| is_collector),
            interfaces,
            reload: config.core(&maps::MAPS_REFRESH),
            watch: config.core(&maps::MAPS_WATCH),
            allow_file: config.core(&maps::NFACCTD_ALLOW_FILE),
            allow,
            front: front?,
            recognition,
            customs,
            plugins,
            enrichment,
            context,
            files_read,
            tables_max: config.core(&core::PLUGIN_TABLES_MAX),
            peer_state,
            exporter_share: config.core(&input::NFACCTD_EXPORTER_SHARE),
        })
    }
}

/// A daemon whose plugins are all left out would count nothing.
fn refuse_nothing_to_run(config: &Config, plugins: &[PluginSettings], problems: &mut Problems) {
    if let (Some(first), true) = (config.plugins().first(), plugins.is_empty())
        && !problems.is_fatal()
    {
        let named = |plugin: &Plugin| format!("{}[{}]", plugin.kind.word(), plugin.name);
        let names: Vec<String> = config.plugins().iter().map(named).collect();
        let what =
            format!("plugins: none of these can run here, so nothing would be counted: {}.", names.join(", "));
        problems.fatal(&first.origin, what, None);
    }
}

/// Why a plugin of that type cannot run here.
fn unavailable(kind: config::PluginKind, daemon: Daemons) -> &'static str {
    let is_collector = daemon == Daemons::NFACCTD || daemon == Daemons::SFACCTD;
    match kind {
        config::PluginKind::Nfprobe | config::PluginKind::Sfprobe if is_collector => {
            "is one of pmacctd and uacctd alone"
        }
        config::PluginKind::Tee if !is_collector => "is one of nfacctd and sfacctd alone",
        config::PluginKind::Nfprobe | config::PluginKind::Sfprobe | config::PluginKind::Tee => {
            "is not in this version yet"
        }
        _ => "was left out when this program was built; -V lists the plugins that it has",
    }
}

/// Who may send, if that is restricted.
fn allow_list(config: &Config, problems: &mut Problems) -> Option<Arc<AllowList>> {
    let path = config.core(&maps::NFACCTD_ALLOW_FILE)?;
    read_allow_list(&path, blame(config, &maps::NFACCTD_ALLOW_FILE), problems)
}

/// Reads an allow list. A bad line is fatal: what it was meant to say is not known. `origin`: the line that names the file.
pub(crate) fn read_allow_list(path: &Path, origin: &Origin, problems: &mut Problems) -> Option<Arc<AllowList>> {
    let shown = path.display();
    let text = match config::text::read_lossy(path) {
        Ok(text) => text,
        Err(error) => {
            problems.fatal(origin, format!("nfacctd_allow_file: {shown}: {error}"), None);
            return None;
        }
    };
    let file = Origin::whole(&shown.to_string());
    let (list, wrong) = AllowList::parse(&text);
    for line in &wrong {
        let number = u32::try_from(line.line).unwrap_or(u32::MAX);
        problems.fatal(&file.at(number), format!("nfacctd_allow_file: {line}."), None);
    }
    if wrong.is_empty() && list.is_empty() {
        problems.remark(&file, "nfacctd_allow_file: there is no address in it: nobody may send.", None);
    }
    Some(Arc::new(list))
}

/// The line that sets a key of the core; without one, the file as a whole.
fn blame<'a, T>(config: &'a Config, key: &config::Key<T>) -> &'a Origin {
    config.core_origin(key).unwrap_or(config.source())
}

/// Mask and owners of files, as the core has them.
pub(crate) fn files_of(config: &Config) -> files::Settings {
    files::Settings {
        umask: privileges::Umask::new(config.core(&output::FILES_UMASK)),
        uid: config.core(&output::FILES_UID).and_then(|text| privileges::uid(&text)),
        gid: config.core(&output::FILES_GID).and_then(|text| privileges::gid(&text)),
        follow_links: config.core(&output::FILES_FOLLOW_LINKS),
    }
}

pub(crate) fn log_settings(config: &Config, daemon: &Daemon, files: files::Settings) -> log::Settings {
    log::Settings {
        debug: config.core(&core::DEBUG),
        stderr_stamp: config.core(&core::LOG_STDERR_TSTAMP),
        utc: config.core(&time::TIMESTAMPS_UTC),
        file: config.core(&core::LOGFILE),
        syslog: config.core(&core::SYSLOG).and_then(|facility| log::Facility::parse(facility.word())),
        ident: config.core(&core::SYSLOG_IDENT).unwrap_or_else(|| daemon.name.to_owned()),
        files,
        quiet: LIBRARIES,
    }
}

fn intake(config: &Config, problems: &mut Problems) -> Option<Intake> {
    if let Some(path) = config.core(&input::PCAP_SAVEFILE) {
        return savefile(config, path, problems);
    }
    Some(Intake::Udp(capture::udp::Settings {
        address: config.core(&input::NFACCTD_IP),
        port: config.core(&input::NFACCTD_PORT),
        receive_buffer: config
            .core(&input::NFACCTD_PIPE_SIZE)
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        interface: config.core(&input::NFACCTD_INTERFACE),
        ipv6_only: config.core(&input::NFACCTD_IPV6_ONLY),
        groups: groups(config, problems),
        workers: workers(config),
        shared: config.core(&ha::CLUSTER_NAME).is_some(),
    }))
}

fn workers(config: &Config) -> usize {
    match config.core(&input::NFACCTD_WORKERS) {
        0 => intake::default_workers(),
        workers => workers,
    }
}

/// Multicast groups to join.
fn groups(config: &Config, problems: &mut Problems) -> Vec<IpAddr> {
    let words = config.core(&input::NFACCTD_MCAST_GROUPS).unwrap_or_default();
    let mut groups = Vec::new();
    for word in words {
        match word.parse::<IpAddr>() {
            Ok(group) if group.is_multicast() => groups.push(group),
            _ => problems.warn(
                blame(config, &input::NFACCTD_MCAST_GROUPS),
                format!("nfacctd_mcast_groups: '{word}' is no multicast group. Ignored."),
                Some("Such as 239.1.1.1 or ff02::1234.".to_owned()),
            ),
        }
    }
    groups
}

#[cfg(feature = "pcap")]
fn savefile(config: &Config, path: PathBuf, _: &mut Problems) -> Option<Intake> {
    Some(Intake::File(capture::pcap_file::Settings {
        path,
        wait: config.core(&input::PCAP_SAVEFILE_WAIT),
        delay: config.core(&input::PCAP_SAVEFILE_DELAY),
        replay: config.core(&input::PCAP_SAVEFILE_REPLAY),
        ..capture::pcap_file::Settings::default()
    }))
}

#[cfg(not(feature = "pcap"))]
fn savefile(config: &Config, _: PathBuf, problems: &mut Problems) -> Option<Intake> {
    problems.fatal(
        blame(config, &input::PCAP_SAVEFILE),
        "pcap_savefile: this program was built without capture files",
        Some("build it with the feature pcap".to_owned()),
    );
    None
}

fn front(
    config: &Config,
    daemon: &Daemon,
    flows: bool,
    enrichment: &enrich::spec::Spec,
    max_memory: usize,
    problems: &mut Problems,
) -> Option<Front> {
    let networks = enrichment.uses_protocol_networks();
    let unchecked = config.core(&input::NFACCTD_DISABLE_SANITY_CHECKS);
    Some(match daemon.config {
        config::Daemon::Sfacctd => Front::Sflow(SflowSettings {
            decode: from_sflow::Settings { networks, max_memory, ..sflow_settings(config, problems) },
            counters: counters(config, problems),
            unchecked,
        }),
        config::Daemon::Pmacctd | config::Daemon::Uacctd => {
            Front::Packets(packets::decode(config, flows, problems))
        }
        _ => Front::NetFlow(NetFlowSettings {
            decode: from_netflow::Settings { networks, max_memory, ..decode_settings(config) },
            times: time_limits(config),
            templates_file: templates_file(config),
            unchecked,
        }),
    })
}

/// Where templates are kept, if anywhere.
fn templates_file(config: &Config) -> Option<templates_file::Settings> {
    let bound = config.core(&input::NFACCTD_TEMPLATES_FILE_SIZE).min(config::text::MOST_TEXT);
    Some(templates_file::Settings {
        path: config.core(&input::NFACCTD_TEMPLATES_FILE)?,
        bound: usize::try_from(bound).unwrap_or(usize::MAX),
        files: files_of(config),
    })
}

/// Where counter samples go, if anywhere.
fn counters(config: &Config, problems: &mut Problems) -> Option<event_log::Settings> {
    let prefix = config::Place::SFACCTD_COUNTER;
    let mut settings = event_log::Settings::read(config, prefix, counter_log::VARIABLES);
    settings.file = config.core(&output::SFACCTD_COUNTER_FILE);
    settings.files = files_of(config);
    settings.style = sink::core_style(config);
    checks::event_log(config, &settings, problems);
    settings.is_used().then_some(settings)
}

/// Samples tell their intervals; with intervals from elsewhere, these are applied when they are known.
fn renormalizes_at_once(config: &Config) -> bool {
    config.core(&sampling::NFACCTD_RENORMALIZE)
        && config.core(&sampling::SAMPLING_MAP).is_none()
        && config.core(&sampling::NFACCTD_EXT_SAMPLING_RATE).is_none()
}

fn sflow_settings(config: &Config, problems: &mut Problems) -> from_sflow::Settings {
    from_sflow::Settings {
        renormalize: renormalizes_at_once(config),
        use_ip_next_hop: config.core(&aggregation::USE_IP_NEXT_HOP),
        networks: true,
        ignore_agent_address: config.core(&input::NFACCTD_IGNORE_EXPORTER_ADDRESS),
        unknown_etypes: config.core(&aggregation::AGGREGATE_UNKNOWN_ETYPE),
        inside: packets::tunnels(config, problems),
        max_agents: config.core(&input::NFACCTD_EXPORTERS_MAX),
        ..from_sflow::Settings::default()
    }
}

fn decode_settings(config: &Config) -> from_netflow::Settings {
    from_netflow::Settings {
        renormalize: renormalizes_at_once(config),
        networks: true,
        use_ip_next_hop: config.core(&aggregation::USE_IP_NEXT_HOP),
        account_options: config.core(&aggregation::NFACCTD_ACCOUNT_OPTIONS),
        ignore_exporter_address: config.core(&input::NFACCTD_IGNORE_EXPORTER_ADDRESS),
        ignore_scope: config.core(&input::NFACCTD_DISABLE_OPT_SCOPE_CHECK),
        time_secs: config.core(&time::NFACCTD_TIME_SECS),
        arrival_stamps: config.core(&time::NFACCTD_TIME_NEW),
        uptime_fractions: config.core(&time::NFACCTD_TIME_FRACTIONS),
        check_padding: config.core(&input::NFACCTD_PRE_PROCESSING_CHECKS),
        max_exporters: config.core(&input::NFACCTD_EXPORTERS_MAX),
        max_templates: config.core(&input::NFACCTD_TEMPLATES_MAX),
        pending_octets: usize::try_from(config.core(&input::NFACCTD_PENDING_BYTES)).unwrap_or(usize::MAX),
        pending_age: config.core(&input::NFACCTD_PENDING_TIME).as_micros() as u64,
        ..from_netflow::Settings::default()
    }
}

/// How far from their arrival flows may choose their time bin. In capture files all flows are old, and the operator chose them.
fn time_limits(config: &Config) -> Limits {
    if config.core(&input::PCAP_SAVEFILE).is_some() {
        return Limits::NONE;
    }
    let limit = |limit: Duration| if limit.is_zero() { u64::MAX } else { limit.as_micros() as u64 };
    Limits {
        back: limit(config.core(&time::NFACCTD_TIME_MAX_AGE)),
        ahead: limit(config.core(&time::NFACCTD_TIME_MAX_AHEAD)),
    }
}

fn customs(config: &Config, problems: &mut Problems) -> Vec<Custom> {
    let Some(path) = config.core(&maps::AGGREGATE_PRIMITIVES) else { return Vec::new() };
    let origin = blame(config, &maps::AGGREGATE_PRIMITIVES);
    let text = match config::text::read_lossy(&path) {
        Ok(text) => text,
        Err(error) => {
            problems.fatal(origin, format!("aggregate_primitives: {}: {error}", path.display()), None);
            return Vec::new();
        }
    };
    let (customs, found) = custom::parse(&text);
    let file = Origin::whole(&path.display().to_string());
    for problem in found {
        let line = u32::try_from(problem.line).unwrap_or(u32::MAX);
        problems.warn(&file.at(line), format!("aggregate_primitives: {}. Ignored.", problem.text), None);
    }
    customs
}

fn plugin_settings(
    plugin: &Plugin,
    daemon: Daemons,
    customs: &[Custom],
    times: Limits,
    problems: &mut Problems,
) -> Option<PluginSettings> {
    let history = history(plugin);
    let style = sink::style(plugin);
    let stitching = plugin.get(&aggregation::NFACCTD_STITCHING);
    let options = Options {
        bins: history.is_some(),
        whole_seconds: style.whole_seconds,
        // A list of code points takes the two low bits away itself.
        dscp: plugin.get(&encoding::TOS_ENCODE_AS_DSCP) && plugin.get(&maps::TOS_FILE).is_none(),
        first_and_last: stitching,
    };
    let selection = selection(plugin, daemon, customs, problems)?;
    if daemon == Daemons::PMACCTD || daemon == Daemons::UACCTD {
        packets::refuse_without_source(plugin, &selection, problems);
    }
    let bound = Bound {
        aggregates: match plugin.origin_of(&print::PRINT_CACHE_ENTRIES).is_some() {
            true => plugin.get(&print::PRINT_CACHE_ENTRIES) as usize * plugins::print::PER_CACHE_ENTRY,
            false => usize::MAX,
        },
        octets: usize::try_from(plugin.get(&core::PLUGIN_MEMORY)).unwrap_or(usize::MAX),
    };
    let spread = plugin.get(&aggregation::NFACCTD_PRO_RATING);
    if spread && (history.is_none() || stitching) {
        problems.warn(
            plugin.blame(&aggregation::NFACCTD_PRO_RATING),
            format!(
                "nfacctd_pro_rating[{}]: needs print_history and excludes nfacctd_stitching. Ignored.",
                plugin.name
            ),
            None,
        );
    }
    let aggregation = Aggregation {
        selection,
        options,
        history,
        spread: (spread && history.is_some() && !stitching)
            .then(|| Spread { max_bins: plugin.get(&aggregation::NFACCTD_PRO_RATING_MAX_BINS) as usize, times }),
        utc: plugin.get(&time::TIMESTAMPS_UTC),
        bound,
    };
    let kind = match plugin.kind {
        config::PluginKind::Print => {
            let read = plugins::print::Settings::read(plugin, problems);
            PluginKind::Print(Box::new(plugins::print::Settings { max_aggregates: bound.aggregates, ..read }))
        }
        config::PluginKind::Memory => PluginKind::Memory(plugins::memory::Settings::read(plugin, problems)),
        #[cfg(feature = "sql")]
        config::PluginKind::Sqlite3
        | config::PluginKind::Pgsql
        | config::PluginKind::Mysql
        | config::PluginKind::Clickhouse => {
            let settings = sql::Settings::read(plugin, problems);
            let variables = settings.variables();
            store(plugin, Target::Sql(Box::new(settings)), variables, problems)
        }
        #[cfg(feature = "kafka")]
        config::PluginKind::Kafka => {
            let messages = brokers::settings::Messages::read(plugin, style, problems);
            let settings = brokers::settings::Kafka::read(plugin, problems);
            store(plugin, Target::Kafka(Box::new(messages), Box::new(settings)), Vec::new(), problems)
        }
        #[cfg(feature = "amqp")]
        config::PluginKind::Amqp => {
            let messages = brokers::settings::Messages::read(plugin, style, problems);
            let settings = brokers::settings::Amqp::read(plugin);
            store(plugin, Target::Amqp(Box::new(messages), Box::new(settings)), Vec::new(), problems)
        }
        other => {
            let what =
                format!("plugin {}[{}] {}. Ignored.", other.word(), plugin.name, unavailable(other, daemon));
            problems.warn(&plugin.origin, what, None);
            return None;
        }
    };
    Some(PluginSettings { name: plugin.name.clone(), debug: plugin.get(&core::DEBUG), kind, aggregation })
}

/// A plugin that writes to a server or a database.
fn store(
    plugin: &Plugin,
    target: Target,
    variables: Vec<(&'static str, String)>,
    problems: &mut Problems,
) -> PluginKind {
    PluginKind::Store(Box::new(plugins::store::Settings::read(plugin, variables, problems)), target)
}

/// The primitives of a plugin. Unknown ones stop the daemon, those that other daemons have are told.
fn selection(plugin: &Plugin, daemon: Daemons, customs: &[Custom], problems: &mut Problems) -> Option<Selection> {
    let words = plugin.get(&aggregation::AGGREGATE).unwrap_or_else(|| {
        tracing::warn!(
            who = format!("{}/{}", plugin.name, plugin.kind.word()),
            "defaulting to SRC HOST aggregation."
        );
        vec!["src_host".to_owned()]
    });
    let origin = plugin.blame(&aggregation::AGGREGATE);
    let words = classes::without_unknown(plugin, daemon, words, problems);
    match Selection::parse(words.iter().map(String::as_str), customs) {
        Ok(selection) => {
            for primitive in selection.primitives().filter(|primitive| !primitive.daemons.has(daemon)) {
                problems.warn(
                    origin,
                    format!("aggregate[{}]: '{}' stays empty in this daemon.", plugin.name, primitive.name),
                    None,
                );
            }
            Some(selection)
        }
        Err(unknown) => {
            let names = PRIMITIVES.iter().map(|p| p.name).chain(customs.iter().map(|c| c.name.as_str()));
            let names: Vec<&str> = names.collect();
            for word in unknown {
                if ["packets", "bytes"].contains(&word.as_str()) {
                    let hint =
                        "Packets and bytes are counted always; leave it out. 'none' makes one sum.".to_owned();
                    problems.fatal(origin, format!("Unknown primitive '{word}'"), Some(hint));
                    continue;
                }
                let hint = config::nearest(&word, names.iter().copied()).map_or_else(
                    || "-a lists the primitives".to_owned(),
                    |near| format!("did you mean '{near}'?"),
                );
                problems.fatal(origin, format!("Unknown primitive '{word}'"), Some(hint));
            }
            None
        }
    }
}

fn history(plugin: &Plugin) -> Option<History> {
    if plugin.kind == config::PluginKind::Memory {
        return None;
    }
    let width = sink::width(plugin.get(&print::PRINT_HISTORY))?;
    let roundoff = plugin.get(&print::PRINT_HISTORY_ROUNDOFF).unwrap_or_default();
    let offset = u32::try_from(plugin.get(&print::PRINT_HISTORY_OFFSET).as_secs()).unwrap_or(u32::MAX);
    Some(History { width, roundoff: Roundoff::parse(&roundoff), offset })
}
