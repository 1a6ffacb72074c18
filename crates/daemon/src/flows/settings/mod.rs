//! The settings of the pipeline, from the configuration, which is not read after this.
//!
//! Every problem is reported, not only the first: with its file, line and key, and a hint.

pub(super) mod checks;
mod classes;
mod enrichment;
mod packets;
mod plugin;
mod routes;

pub(crate) use plugin::PluginSettings;

use super::Row;
use super::input::{Input, Wanted};
use super::intake::workers;
use super::tee::{ReadTee, Replication};
use super::worker::{Limits, Recognition};
use crate::allow;
use crate::host::blame;
use crate::host::part::Reading;
use capture::allow::AllowList;
use config::keys::{core, input, maps, time};
use config::{Config, Diagnostics, Names, Origin, Plugin};
use flow::custom::{self, Custom};
use plugins::kinds::{self, Takes};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the pipeline does.
pub(crate) struct Settings {
    /// The collector's address in lines of statistics.
    pub(crate) listen: Option<String>,
    pub(crate) allow_file: Option<PathBuf>,
    /// Its contents.
    pub(crate) allow: Option<Arc<AllowList>>,
    /// How packets are classified, if they are.
    pub(crate) recognition: Option<Recognition>,
    pub(crate) customs: Vec<Custom>,
    pub(crate) plugins: Vec<PluginSettings>,
    /// The operator's files: paths, context and contents.
    pub(crate) enrichment: enrich::spec::Spec,
    pub(crate) context: enrich::Context,
    pub(crate) files_read: enrich::Loaded,
    /// Routes that rows are correlated with.
    pub(crate) routes: Option<Correlation>,
    pub(crate) tables_max: usize,
    pub(crate) peer_state: PeerState,
    /// The names of keys in messages.
    pub(crate) names: Names,
}

/// Routes, and how they are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) tables: Arc<correlate::Tables>,
    pub(crate) spec: Arc<correlate::spec::Spec>,
}

/// Reads the operator's files, and adds the look-up of routes.
pub(crate) fn read_files(
    spec: &enrich::spec::Spec,
    context: &enrich::Context,
    routes: Option<&Correlation>,
    problems: &mut Diagnostics,
) -> enrich::Loaded {
    let mut files = enrich::Loaded::read(spec, context, problems);
    if let Some(Correlation { tables, spec }) = routes {
        correlate::add(&mut files, tables, spec);
    }
    files
}

/// Memory bounds of each worker for the state of exporters, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerState {
    /// The state of exporters.
    pub(crate) exporters: usize,
    /// Strings of rows, which are cleared between batches.
    pub(crate) strings: usize,
}

impl PeerState {
    /// Default: a quarter of the available memory, up to this.
    const MAX: u64 = 2 << 30;
    /// Strings may use a quarter, up to this.
    const MAX_STRINGS: usize = 64 << 20;

    fn read(config: &Config) -> Self {
        let all = config.core(&input::PEER_STATE_MEMORY).unwrap_or_else(|| {
            runtime::memory::available().map_or(Self::MAX, |memory| (memory / 4).min(Self::MAX))
        });
        let workers = if config.core(&input::PCAP_SAVEFILE).is_some() { 1 } else { workers(config) };
        let share = usize::try_from(all).unwrap_or(usize::MAX) / workers;
        let strings = (share / 4).min(Self::MAX_STRINGS);
        Self { exporters: share - strings, strings }
    }
}

/// The tee plugins, in the order of the configuration.
pub(crate) type Tees = Vec<Box<dyn Replication>>;

impl Settings {
    /// Reads everything. `None` only together with problems that stop the daemon.
    pub(crate) fn read(row: &Row, reading: &mut Reading<'_>) -> Option<(Self, Tees, Box<dyn Input>)> {
        let config = reading.config;
        let customs = customs(config, reading.problems);
        let times = time_limits(config);
        let names = reading.names.clone();
        let read = |plugin: &'_ Plugin, problems: &mut Diagnostics| {
            plugin::read(plugin, config, row, &customs, times, problems)
        };
        let (mut sources, mut plugins) = (Vec::new(), Vec::new());
        let (mut tee_sources, mut tees) = (Vec::new(), Vec::new());
        for plugin in config.plugins() {
            if let Some(read) = replication(plugin, row) {
                if let Some(tee) = read(plugin, reading.problems) {
                    tee_sources.push(plugin);
                    tees.push(tee);
                }
            } else if let Some(settings) = read(plugin, reading.problems) {
                sources.push(plugin);
                plugins.push(settings);
            }
        }
        require_a_plugin_that_runs(config, plugins.len() + tees.len(), reading.problems);
        checks::plugins(&sources, &plugins, reading.problems);
        let mut context = enrichment::context(config);
        if row.input.is_packets() {
            packets::reject_double_sampling(config, &names, reading.problems);
        }
        let allow = allow_list(config, &names, reading.problems);
        // Those without tables come last.
        let all: Vec<&Plugin> = sources.iter().chain(&tee_sources).copied().collect();
        let enrichment = enrichment::read(config, &names, &all, reading.problems);
        tees.iter_mut().for_each(|tee| tee.read_receivers(&context, reading.problems));
        let used: Vec<(&Plugin, &PluginSettings)> = sources.iter().copied().zip(&plugins).collect();
        let origins = &enrichment.core.networks.sources;
        routes::check_sources(config, &names, origins, &used, reading.problems);
        let lookup = routes::read(config, origins, &used, reading.problems);
        // Without a table there is nothing to look up: the part has failed.
        let tables = correlate::Tables { bgp: reading.offers.take(), bmp: reading.offers.take() };
        let has_tables = tables.bgp.is_some() || tables.bmp.is_some();
        let routes = lookup.filter(|_| has_tables).map(|spec| Correlation { tables: Arc::new(tables), spec });
        let peer_state = PeerState::read(config);
        let wanted = Wanted {
            flows: plugins.iter().any(|plugin| plugin.aggregation.selection.shows(flow::column::Id::Flows)),
            networks: enrichment.uses_protocol_networks(),
            max_memory: peer_state.exporters,
        };
        let input = row.input.read(reading, &mut context, wanted);
        let problems = &mut *reading.problems;
        let files_read = read_files(&enrichment, &context, routes.as_ref(), problems);
        let inside = input.as_ref().and_then(|input| input.inside());
        let recognition = classes::recognition(config, row, &plugins, inside, problems);
        if problems.is_fatal() {
            return None;
        }
        let input = input?;
        if input.is_finite() {
            plugins.iter_mut().for_each(|plugin| plugin.sink.be_patient());
        }
        let listen = listen(config.core(&input::NFACCTD_IP), config.core(&input::NFACCTD_PORT));
        let settings = Self {
            listen: Some(listen).filter(|_| !row.input.is_packets()),
            allow_file: config.core(&maps::NFACCTD_ALLOW_FILE),
            allow,
            recognition,
            customs,
            plugins,
            enrichment,
            context,
            files_read,
            routes,
            tables_max: config.core(&core::PLUGIN_TABLES_MAX),
            peer_state,
            names,
        };
        Some((settings, tees, input))
    }
}

/// The daemon's socket in lines of statistics.
fn listen(address: Option<IpAddr>, port: u16) -> String {
    match address {
        Some(address) => SocketAddr::new(address, port).to_string(),
        None => format!("[::]:{port}"),
    }
}

/// How a plugin is read that replicates datagrams here.
fn replication(plugin: &Plugin, row: &Row) -> Option<ReadTee> {
    kinds::find(row.sinks, plugin.kind).filter(|kind| kind.takes == Takes::Datagrams).and(row.tee)
}

/// A daemon without any usable plugin would count nothing.
fn require_a_plugin_that_runs(config: &Config, running: usize, problems: &mut Diagnostics) {
    if let (Some(first), 0) = (config.plugins().first(), running)
        && !problems.is_fatal()
    {
        let named = |plugin: &Plugin| format!("{}[{}]", plugin.kind.word(), plugin.name);
        let names: Vec<String> = config.plugins().iter().map(named).collect();
        let what =
            format!("plugins: none of these can run here, so nothing would be counted: {}.", names.join(", "));
        problems.fatal(&first.origin, what, None);
    }
}

/// The allowed senders, if restricted.
fn allow_list(config: &Config, names: &Names, problems: &mut Diagnostics) -> Option<Arc<AllowList>> {
    let key = &maps::NFACCTD_ALLOW_FILE;
    allow::read(names.of(key), &config.core(key)?, blame(config, key), problems)
}

/// How far from their arrival flow times are trusted for time bins. In capture files all flows are old, and the operator chose them.
pub(super) fn time_limits(config: &Config) -> Limits {
    if config.core(&input::PCAP_SAVEFILE).is_some() {
        return Limits::NONE;
    }
    let limit = |limit: Duration| if limit.is_zero() { u64::MAX } else { limit.as_micros() as u64 };
    Limits {
        back: limit(config.core(&time::NFACCTD_TIME_MAX_AGE)),
        ahead: limit(config.core(&time::NFACCTD_TIME_MAX_AHEAD)),
    }
}

fn customs(config: &Config, problems: &mut Diagnostics) -> Vec<Custom> {
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
