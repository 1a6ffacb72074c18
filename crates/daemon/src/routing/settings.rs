//! Settings of logs and dumps of routes.

use crate::host::files_of;
use config::{Config, Diagnostics, KeyPrefix};
use delivery::StoreError;
use encode::names::{self, Lookup, Variable};
use event_log::{Schedule, Schema, Sequence, Settings};
use std::path::PathBuf;

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
}

/// When and how tables are dumped.
#[derive(Clone, Debug)]
pub(crate) struct DumpSettings {
    pub(crate) log: Settings,
    pub(crate) schedule: Schedule,
}

/// The settings of a log, checked. `None` if it is not used.
pub(crate) fn log(config: &Config, kind: Kind, problems: &mut Diagnostics) -> Option<Settings> {
    Some(read(config, kind, problems)).filter(Settings::is_used)
}

/// The settings of dumps, checked. `None` if there are none.
pub(crate) fn dump(config: &Config, kind: Kind, problems: &mut Diagnostics) -> Option<DumpSettings> {
    let prefix = kind.prefix;
    let log = read(config, kind, problems);
    let schedule = Schedule::read(config, prefix, log.is_used(), problems)?;
    log.is_used().then_some(DumpSettings { log, schedule })
}

fn read(config: &Config, kind: Kind, problems: &mut Diagnostics) -> Settings {
    let Kind { prefix, variables, lookup, schemas, sequence } = kind;
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
