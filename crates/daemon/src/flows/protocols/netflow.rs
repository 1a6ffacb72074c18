//! NetFlow and IPFIX, with the templates that survive a restart.

use super::renormalizes_at_once;
use crate::flows::input::{Decoder, Wanted};
use crate::flows::pipeline::Require;
use crate::flows::settings::time_limits;
use crate::flows::templates_file::{self, Keeper, StoredTemplate};
use crate::flows::templates_topic::{self, Topic};
use crate::flows::worker::{self, Forward, Learned, Limits};
use crate::host::part::{Reading, Services};
use crate::host::{blame, files_of};
use config::keys::{aggregation, input, time};
use config::{Config, Names};
use decode::from_netflow;
use flow::needs::Needs;
use netflow::template::Template;
use runtime::clock;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use tracing::{info, warn};

/// How NetFlow and IPFIX are read.
pub(crate) struct NetFlow {
    decode: from_netflow::Settings,
    /// The limits within which flow times select time bins.
    times: Limits,
    templates_file: Option<templates_file::Settings>,
    /// `nfacctd_disable_sanity_checks`: no lines about versions and sequence numbers.
    unchecked: bool,
    names: Names,
    /// Templates of an earlier run.
    restored: Vec<StoredTemplate>,
    keeper: Option<Keeper>,
    templates_topic: Option<templates_topic::Settings>,
    topic: Option<Topic>,
    /// `nfacctd_templates_receiver`: host and port.
    receiver: Option<String>,
    /// What workers forward with, until they have it.
    forwards: Vec<Forward>,
}

impl Decoder for NetFlow {
    type Protocol = worker::NetFlow;
    const WHAT: &'static str = "NetFlow/IPFIX data";
    const REQUIRE: Require = from_netflow::require;

    fn read(reading: &mut Reading<'_>, wanted: Wanted) -> Self {
        let templates_topic = templates_topic::Settings::read(reading);
        let config = reading.config;
        Self {
            decode: decode(config, wanted),
            times: time_limits(config),
            templates_file: templates_file(config),
            unchecked: config.core(&input::NFACCTD_DISABLE_SANITY_CHECKS),
            names: reading.names.clone(),
            restored: Vec::new(),
            keeper: None,
            templates_topic,
            topic: None,
            receiver: receiver(reading),
            forwards: Vec::new(),
        }
    }

    fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        let file = self.templates_file.iter();
        file.map(|file| ("nfacctd_templates_file", file.path.clone())).collect()
    }

    fn prepare(&mut self) -> Result<(), String> {
        if let Some(file) = &self.templates_file {
            self.restored = read_templates(&file.path)?;
        }
        Ok(())
    }

    fn open(&mut self, workers: usize) -> Result<(), String> {
        let Some(receiver) = &self.receiver else { return Ok(()) };
        let key = "nfacctd_templates_receiver";
        let addresses = receiver.to_socket_addrs().map_err(|error| format!("{key}: {receiver}: {error}"))?;
        let address = addresses.into_iter().next().ok_or_else(|| format!("{key}: {receiver} has no address"))?;
        let open = |_| {
            Forward::open(address).map_err(|error| {
                let hint = match error.kind() {
                    io::ErrorKind::PermissionDenied => "; it needs the capability CAP_NET_RAW",
                    _ => "",
                };
                format!("{key}: cannot open a raw socket: {error}{hint}")
            })
        };
        self.forwards = (0..workers).map(open).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn start(&mut self, services: &Services) -> io::Result<()> {
        if let Some(file) = &self.templates_file {
            let (keeper, writer) = Keeper::new(file.clone(), &self.restored);
            services.threads.spawn("templates", services.identity.clone(), move || writer.run())?;
            self.keeper = Some(keeper);
        }
        if let Some(settings) = &self.templates_topic {
            self.topic = Some(Topic::start(settings, services)?);
        }
        Ok(())
    }

    fn protocols(&mut self, needs: &Needs, workers: usize) -> Vec<Self::Protocol> {
        let restored = std::mem::take(&mut self.restored);
        let known: Vec<_> = restored.into_iter().map(|known| (known.exporter, known.template)).collect();
        let mut forwards = std::mem::take(&mut self.forwards).into_iter();
        let protocol = |_| {
            let (decode, names) = (self.decode.clone(), self.names.clone());
            let follower = self.topic.as_ref().map(Topic::follower);
            let known = (&known[..], follower);
            worker::NetFlow::new(needs.clone(), decode, self.times, known, self.unchecked, names, forwards.next())
        };
        (0..workers).map(protocol).collect()
    }

    fn learn(&mut self, exporter: IpAddr, learned: Learned) {
        if let Some(topic) = &self.topic {
            topic.learn(exporter, learned.clone());
        }
        if let (Some(keeper), Learned::Template(template)) = (&self.keeper, learned) {
            keeper.learn(exporter, template);
        }
    }

    fn end(&mut self, templates: Vec<(IpAddr, Template)>) {
        self.topic = None;
        if let Some(keeper) = self.keeper.take() {
            keeper.end(templates);
        }
    }

    fn line(&self) -> Option<String> {
        let lines = [self.keeper.as_ref().map(Keeper::line), self.topic.as_ref().map(Topic::line)];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }
}

fn decode(config: &Config, wanted: Wanted) -> from_netflow::Settings {
    from_netflow::Settings {
        renormalize: renormalizes_at_once(config),
        networks: wanted.networks,
        max_memory: wanted.max_memory,
        use_ip_next_hop: config.core(&aggregation::USE_IP_NEXT_HOP),
        account_options: config.core(&aggregation::NFACCTD_ACCOUNT_OPTIONS),
        ignore_exporter_address: config.core(&input::NFACCTD_IGNORE_EXPORTER_ADDRESS),
        ignore_scope: config.core(&input::NFACCTD_DISABLE_OPT_SCOPE_CHECK),
        time_secs: config.core(&time::NFACCTD_TIME_SECS),
        bin_by_arrival: config.core(&time::NFACCTD_TIME_NEW),
        uptime_fractions: config.core(&time::NFACCTD_TIME_FRACTIONS),
        check_padding: config.core(&input::NFACCTD_PRE_PROCESSING_CHECKS),
        max_exporters: config.core(&input::NFACCTD_EXPORTERS_MAX),
        max_templates: config.core(&input::NFACCTD_TEMPLATES_MAX),
        pending_bytes: usize::try_from(config.core(&input::NFACCTD_PENDING_BYTES)).unwrap_or(usize::MAX),
        pending_age: config.core(&input::NFACCTD_PENDING_TIME).as_micros() as u64,
    }
}

/// The receiver of templates, if configured.
fn receiver(reading: &mut Reading<'_>) -> Option<String> {
    let key = &input::NFACCTD_TEMPLATES_RECEIVER;
    let text = reading.config.core(key)?;
    let is_valid = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if !is_valid {
        let what = format!("nfacctd_templates_receiver: '{text}' is not HOST:PORT.");
        let hint = "For example 192.0.2.1:2101, or [2001:db8::1]:2101.".to_owned();
        reading.problems.fatal(blame(reading.config, key), what, Some(hint));
    }
    Some(text)
}

/// The file of templates, if configured.
fn templates_file(config: &Config) -> Option<templates_file::Settings> {
    let bound = config.core(&input::NFACCTD_TEMPLATES_FILE_SIZE).min(config::text::MAX_TEXT);
    Some(templates_file::Settings {
        path: config.core(&input::NFACCTD_TEMPLATES_FILE)?,
        bound: usize::try_from(bound).unwrap_or(usize::MAX),
        files: files_of(config),
    })
}

fn read_templates(path: &Path) -> Result<Vec<StoredTemplate>, String> {
    let contents = templates_file::read(path, clock::now())
        .map_err(|error| format!("nfacctd_templates_file: {}: {error}", path.display()))?;
    let templates_file::Contents { templates, old, bad } = contents;
    if bad > 0 {
        warn!("nfacctd_templates_file: {}: {bad} lines are not templates: ignored", path.display());
    }
    if old > 0 {
        info!(
            "nfacctd_templates_file: {}: {old} templates were not announced for 30 days: ignored",
            path.display()
        );
    }
    Ok(templates)
}
