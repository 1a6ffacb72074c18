//! Settings of logs and dumps of routes.

use crate::ha::Standby;
use crate::host::files_of;
use config::{Config, Diagnostics, KeyPrefix};
use delivery::StoreError;
use encode::names::{self, Lookup, Variable};
use event_log::{Gate, Schedule, Schema, Sequence, Settings};
use std::path::PathBuf;
use std::sync::Arc;

/// What distinguishes the log, or the dump, of one protocol from that of others.
pub(crate) struct Kind {
    /// The prefix of its keys.
    pub(crate) prefix: KeyPrefix,
    /// Variables in names.
    pub(crate) variables: &'static [&'static str],
    /// Finds them.
    pub(crate) lookup: Lookup,
    /// The Avro schemas of its events.
    pub(crate) schemas: Vec<Schema>,
    /// The number of events, which a log and a dump share.
    pub(crate) sequence: Sequence,
    /// When they are held back.
    pub(crate) standby: Option<Standby>,
}

/// When and how tables are dumped.
#[derive(Clone, Debug)]
pub(crate) struct DumpSettings {
    pub(crate) log: Settings,
    pub(crate) schedule: Schedule,
    /// Open while this daemon dumps tables; `None` if it always does.
    gate: Option<Arc<Gate>>,
}

impl DumpSettings {
    /// Whether this daemon dumps tables now, and no other one.
    pub(crate) fn is_active(&self) -> bool {
        self.gate.as_ref().is_none_or(|gate| gate.is_open())
    }
}

/// The settings of a log, checked. `None` if it is not used.
pub(crate) fn log(config: &Config, mut kind: Kind, problems: &mut Diagnostics) -> Option<Settings> {
    let (standby, prefix) = (kind.standby.take(), kind.prefix);
    let mut settings = read(config, kind, problems);
    if settings.is_used() {
        settings.hold = standby.map(|standby| standby.hold(prefix));
    }
    Some(settings).filter(Settings::is_used)
}

/// The settings of dumps, checked. `None` if there are none.
pub(crate) fn dump(config: &Config, kind: Kind, problems: &mut Diagnostics) -> Option<DumpSettings> {
    let (prefix, gate) = (kind.prefix, kind.standby.as_ref().map(Standby::gate));
    let log = read(config, kind, problems);
    let schedule = Schedule::read(config, prefix, log.is_used(), problems)?;
    log.is_used().then_some(DumpSettings { log, schedule, gate })
}

fn read(config: &Config, kind: Kind, problems: &mut Diagnostics) -> Settings {
    let Kind { prefix, variables, lookup, schemas, sequence, standby: _ } = kind;
    let mut settings = Settings::read(config, prefix, variables);
    settings.files = files_of(config);
    settings.style = plugins::sink::core_style(config);
    settings.schemas = schemas.into();
    settings.sequence = sequence;
    check(config, &settings, lookup, problems);
    settings
}

/// Checks the settings of a log, and the variables in its names.
fn check(config: &Config, settings: &Settings, lookup: Lookup, problems: &mut Diagnostics) {
    let prefix = settings.prefix.0;
    let origin = |key: &str| config.core_origin_named(key).unwrap_or(config.source()).clone();
    for error in settings.check() {
        if let StoreError::Configuration { key, what } = error {
            let key = format!("{prefix}{key}");
            problems.fatal(&origin(&key), format!("{key}: {what}."), None);
        }
    }
    for (key, text) in settings.names() {
        let key = format!("{prefix}{key}");
        for variable in names::variables(text, lookup) {
            if let Variable::Unknown(word) = variable {
                let what = format!("{key}: '${word}' is not a variable here and is used literally.");
                problems.warn(&origin(&key), what, Some(crate::flows::meant(word, lookup)));
            }
        }
    }
}

/// The file of a log or dump that only one daemon may write: one whose name has no variables.
pub(crate) fn fixed(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.to_string_lossy().contains(['$', '%']))
}
