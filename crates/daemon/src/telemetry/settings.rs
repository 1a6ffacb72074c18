//! The settings of telemetry that its inputs share: `telemetry_daemon_*`, `telemetry_dump_*` and what they depend on.

use super::record::{Format, VARIABLES};
use crate::allow;
use crate::host::blame;
use crate::host::part::Reading;
use crate::routing::settings::{self as outputs, DumpSettings, Kind, fixed};
use crate::sessions::settings::read;
use ::maps::load::Context;
use ::maps::routing_tag::RoutingTagMap;
use ::telemetry::Framing;
use ::telemetry::sid::Sids;
use capture::allow::AllowList;
use capture::pcap_file;
use config::key::Key;
use config::keys::telemetry::TelemetryDecoder;
use config::keys::{core, input, maps, telemetry};
use config::{Config, Diagnostics, KeyPrefix, Names, Origin};
use event_log::{Sequence, Settings as LogSettings};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than a message its JSON may be: base64 of it, or a string with escapes.
const JSON_FACTOR: usize = 6;

/// The settings.
pub(super) struct Settings {
    pub(super) names: Names,
    pub(super) max_peers: usize,
    /// After which time nodes without a connection are forgotten.
    pub(super) peer_timeout: Duration,
    /// Octets of a message.
    pub(super) max_message: usize,
    /// `telemetry_decode`.
    pub(super) decodes: bool,
    /// The message log, if it is used.
    pub(super) log: Option<LogSettings>,
    /// The dumps, if they are used.
    pub(super) dump: Option<DumpSettings>,
    /// Bytes of messages that wait for the next dump.
    pub(super) max_event_bytes: u64,
    /// The daemon runs for telemetry, and not only as long as flows come.
    pub(super) keeps_running: bool,
    pub(super) sources: Files,
    /// How records are written.
    pub(super) format: Format,
}

/// The operator's files, which are read again on reload.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    allow: Option<PathBuf>,
    tags: Option<PathBuf>,
    sids: Vec<PathBuf>,
    context: Option<Context>,
}

/// Their contents.
#[derive(Clone, Default)]
pub(super) struct Loaded {
    pub(super) allow: Option<Arc<AllowList>>,
    pub(super) tags: Option<Arc<RoutingTagMap>>,
    /// All messages of a node have the same tags.
    pub(super) has_constant_tags: bool,
    pub(super) sids: Arc<Sids>,
}

impl Settings {
    /// Reads the settings; errors are added to the problems.
    pub(super) fn read(reading: &mut Reading<'_>) -> Self {
        let (config, problems) = (reading.config, &mut *reading.problems);
        let format = Format::read(config);
        let sequence = Sequence::default();
        let log = kind(KeyPrefix::TELEMETRY_DAEMON_MSGLOG, &sequence);
        let dump = kind(KeyPrefix::TELEMETRY_DUMP, &sequence);
        let sids = config.core(&telemetry::TELEMETRY_SID_FILES).unwrap_or_default();
        Self {
            max_peers: usize::try_from(config.core(&telemetry::TELEMETRY_DAEMON_MAX_PEERS)).unwrap_or(usize::MAX),
            peer_timeout: config.core(&telemetry::TELEMETRY_DAEMON_PEER_TIMEOUT),
            max_message: size(config.core(&telemetry::TELEMETRY_DAEMON_MAX_MESSAGE)),
            decodes: config.core(&telemetry::TELEMETRY_DECODE),
            log: outputs::log(config, log, problems),
            dump: outputs::dump(config, dump, problems),
            max_event_bytes: config.core(&core::PLUGIN_QUEUE_MEMORY),
            keeps_running: config.daemon() == config::Daemon::Pmtelemetryd,
            sources: Files {
                allow: config.core(&maps::TELEMETRY_DAEMON_ALLOW_FILE),
                tags: config.core(&maps::TELEMETRY_DAEMON_TAG_MAP),
                sids: sids.into_iter().map(PathBuf::from).collect(),
                context: Some(Context::new(config.daemon())),
            },
            format,
            names: reading.names.clone(),
        }
    }

    /// The bound of the JSON of a message.
    pub(super) fn max_json(&self) -> usize {
        self.max_message.saturating_mul(JSON_FACTOR)
    }

    /// Files that this daemon alone may write, each with its key.
    pub(super) fn owned_files(&self) -> Vec<(&'static str, PathBuf)> {
        let log = self.log.as_ref().and_then(|log| log.file.clone());
        let dump = self.dump.as_ref().and_then(|dump| dump.log.file.clone());
        let files = [("telemetry_daemon_msglog_file", log), ("telemetry_dump_file", dump)];
        files.into_iter().filter_map(|(key, path)| Some((key, fixed(path)?))).collect()
    }
}

impl Files {
    /// All files that are named.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        [&self.allow, &self.tags].into_iter().flatten().chain(&self.sids).cloned().collect()
    }

    /// Reads the files. Errors that prevent their use are fatal.
    pub(super) fn load(&self, names: &Names, problems: &mut Diagnostics) -> Loaded {
        let mut loaded = Loaded::default();
        if let Some(path) = &self.allow {
            let key = names.of(&maps::TELEMETRY_DAEMON_ALLOW_FILE);
            loaded.allow = allow::read(key, path, &Origin::whole(&path.display().to_string()), problems);
        }
        if let Some(context) = &self.context
            && let Some((origin, text)) = read("telemetry_daemon_tag_map", self.tags.as_deref(), problems)
        {
            let map = RoutingTagMap::parse_telemetry(&origin, &text, context, problems);
            loaded.has_constant_tags = map.is_constant();
            loaded.tags = Some(Arc::new(map));
        }
        let mut sids = Sids::default();
        for path in &self.sids {
            if let Some((origin, text)) = read("telemetry_sid_files", Some(path), problems)
                && let Err(error) = sids.add_file(&text)
            {
                problems.fatal(&origin, format!("telemetry_sid_files: {error}."), None);
            }
        }
        loaded.sids = Arc::new(sids);
        loaded
    }
}

/// The log, or the dump, of telemetry.
fn kind(prefix: KeyPrefix, sequence: &Sequence) -> Kind {
    let lookup = |text: &str| {
        let longest = VARIABLES.iter().filter(|word| text.starts_with(**word)).max_by_key(|word| word.len());
        longest.map(|word| (*word, None))
    };
    let (schemas, sequence) = (Vec::new(), sequence.clone());
    Kind { prefix, variables: VARIABLES, lookup, schemas, sequence, standby: None }
}

/// The framing of messages over TCP and UDP, which `key` needs.
pub(super) fn framing<T>(config: &Config, key: &'static Key<T>, problems: &mut Diagnostics) -> Framing {
    match config.core(&telemetry::TELEMETRY_DAEMON_DECODER) {
        Some(TelemetryDecoder::Json) => Framing::Json,
        Some(TelemetryDecoder::Gpb) => Framing::Gpb,
        Some(TelemetryDecoder::CiscoV0) => Framing::CiscoV0,
        Some(TelemetryDecoder::CiscoV1) => Framing::CiscoV1,
        None => {
            let what = format!("{} needs telemetry_daemon_decoder.", key.row().name());
            let hint = "Set telemetry_daemon_decoder to json, gpb, cisco_v0 or cisco_v1.".to_owned();
            problems.fatal(blame(config, key), what, Some(hint));
            Framing::Json
        }
    }
}

/// A number of bytes in memory.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The capture file of pmtelemetryd; that of other daemons has flows.
pub(super) fn savefile(config: &Config) -> Option<pcap_file::Settings> {
    let path = config.core(&input::PCAP_SAVEFILE).filter(|_| config.daemon() == config::Daemon::Pmtelemetryd)?;
    Some(pcap_file::Settings {
        path,
        wait: config.core(&input::PCAP_SAVEFILE_WAIT),
        delay: config.core(&input::PCAP_SAVEFILE_DELAY),
        replay: config.core(&input::PCAP_SAVEFILE_REPLAY),
    })
}
