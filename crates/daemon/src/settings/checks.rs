//! What would keep the daemon from starting, or make it do what nobody means, and can be known before anything is opened.
//!
//! `--check` and a start both come through here, so that they find the same.

use super::{PluginKind, PluginSettings, blame};
use aggregate::time_bin::Roundoff;
use config::keys::{core, kafka, memory, output, print, sql};
use config::{Config, Plugin, Problems};
use delivery::Fault;
use encode::markers;
use encode::names::{self, Lookup, Variable};
use flow::primitive::PRIMITIVES;
use runtime::privileges;

/// Bytes of the name of a socket at most (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// Checks the plugins that run, each with its settings.
pub(super) fn plugins(sources: &[&Plugin], plugins: &[PluginSettings], problems: &mut Problems) {
    for (source, plugin) in sources.iter().zip(plugins) {
        variables(source, plugin, problems);
        roundoff(source, plugin, problems);
        if let PluginKind::Memory(memory) = &plugin.kind
            && memory.path.as_os_str().len() > LONGEST_SOCKET
        {
            let what = format!("imt_path[{}]: names of sockets have up to {LONGEST_SOCKET} bytes.", plugin.name);
            problems.fatal(source.blame(&memory::IMT_PATH), what, None);
        }
        if let PluginKind::Store(_, target) = &plugin.kind
            && let Err(Fault::Configuration { key, what }) = target.check_settings()
        {
            problems.fatal(source.blame_named(key), format!("{key}[{}]: {what}.", plugin.name), None);
        }
    }
    for (number, (source, plugin)) in sources.iter().zip(plugins).enumerate() {
        for other in plugins.iter().take(number) {
            one_place(source, plugin, other, problems);
        }
    }
}

/// Two plugins that would take each other's place: a socket has one owner, and a file that two write has what was written last.
fn one_place(source: &Plugin, plugin: &PluginSettings, other: &PluginSettings, problems: &mut Problems) {
    let (name, first) = (&plugin.name, &other.name);
    match (&plugin.kind, &other.kind) {
        (PluginKind::Memory(own), PluginKind::Memory(others)) if own.path == others.path => problems.fatal(
            source.blame(&memory::IMT_PATH),
            format!("imt_path[{name}]: '{}' is the socket of plugin '{first}', too.", own.path.display()),
            Some(format!("Give each a socket of its own: imt_path[{name}].")),
        ),
        (PluginKind::Print(own), PluginKind::Print(others)) => {
            for (key, origin, file, same) in [
                ("print_output_file", source.blame(&output::PRINT_OUTPUT_FILE), &own.file, &others.file),
                ("print_latest_file", source.blame(&output::PRINT_LATEST_FILE), &own.latest, &others.latest),
            ] {
                // Files whose names come from records differ where the plugins' records do, and appending loses nothing.
                let is_same = file.as_ref().is_some_and(|file| !file.has_record() && Some(file) == same.as_ref());
                if is_same && !(own.append && others.append) {
                    problems.error(
                        origin,
                        format!("{key}[{name}]: plugin '{first}' writes the same file, and each overwrites the other's."),
                        Some(format!("Give each a file of its own: {key}[{name}].")),
                    );
                }
            }
        }
        _ => {}
    }
}

/// The names that a plugin fills with variables: the key that was written, the text, and the variables that it may have.
fn names_of(source: &Plugin, plugin: &PluginSettings) -> Vec<(&'static str, String, Lookup)> {
    let path = |path: Option<std::path::PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    let named = |key, text: Option<String>, lookup: Lookup| text.map(|text| (key, text, lookup));
    let found = match source.kind {
        config::PluginKind::Print => vec![
            named("print_output_file", path(source.get(&output::PRINT_OUTPUT_FILE)), names::of_names),
            named("print_latest_file", path(source.get(&output::PRINT_LATEST_FILE)), names::of_names),
        ],
        config::PluginKind::Kafka => vec![
            named("kafka_topic", Some(source.get(&kafka::KAFKA_TOPIC)), names::of_records),
            named("kafka_partition_key", source.get(&kafka::KAFKA_PARTITION_KEY), brokers::encoder::of_keys),
        ],
        config::PluginKind::Amqp => {
            let key = source.get(&config::keys::amqp::AMQP_ROUTING_KEY);
            vec![named("amqp_routing_key", Some(key), names::of_records)]
        }
        _ => vec![named("sql_table", source.get(&sql::SQL_TABLE), names::of_names)],
    };
    let is_memory = matches!(plugin.kind, PluginKind::Memory(_));
    let writer = source.origin_of(&output::WRITER_ID_STRING).map(|_| source.get(&output::WRITER_ID_STRING));
    let writer = named("writer_id_string", writer, markers::of_writer_ids);
    found.into_iter().chain([writer]).flatten().filter(|_| !is_memory).collect()
}

/// Variables that are not known, and those that nothing fills.
fn variables(source: &Plugin, plugin: &PluginSettings, problems: &mut Problems) {
    let name = &plugin.name;
    for (key, text, lookup) in names_of(source, plugin) {
        let origin = source.blame_named(key);
        for variable in names::variables(&text, lookup) {
            match variable {
                Variable::Unknown(word) => {
                    let what = format!("{key}[{name}]: '${word}' is no variable here, and stays as it is.");
                    problems.warn(origin, what, Some(meant(word, lookup)));
                }
                Variable::Known(word, Some(json)) => {
                    let selection = &plugin.aggregation.selection;
                    if selection.primitives().any(|primitive| primitive.json == json) {
                        continue;
                    }
                    let primitive = PRIMITIVES.iter().find(|primitive| primitive.json == json);
                    let primitive = primitive.map_or(json, |primitive| primitive.name);
                    let what = format!(
                        "{key}[{name}]: '${word}' is one and the same for all: aggregate[{name}] has no {primitive}."
                    );
                    problems.warn(origin, what, Some(format!("Add {primitive} to aggregate[{name}].")));
                }
                Variable::Known(_, None) => {}
            }
        }
    }
}

/// The variables that there are, or the one that was probably meant.
fn meant(word: &str, lookup: Lookup) -> String {
    let all = names::words().chain(markers::WRITER_ID_WORDS).chain(brokers::encoder::key_words());
    let mut known: Vec<&str> = all.filter(|word| lookup(word).is_some_and(|(known, _)| known == *word)).collect();
    known.sort_unstable();
    known.dedup();
    match config::nearest(word, known.iter().copied()) {
        Some(near) => format!("Did you mean '${near}'?"),
        None => format!("Variables are ${}.", known.join(", $")),
    }
}

fn roundoff(source: &Plugin, plugin: &PluginSettings, problems: &mut Problems) {
    let key = &print::PRINT_HISTORY_ROUNDOFF;
    let letters = source.get(key).filter(|_| !matches!(plugin.kind, PluginKind::Memory(_)));
    if let Some(doubt) = letters.and_then(|letters| Roundoff::doubt(&letters)) {
        let (written, name) = (source.written_as(key).unwrap_or("print_history_roundoff"), &plugin.name);
        problems.warn(source.blame(key), format!("{written}[{name}]: {doubt}."), None);
    }
}

/// Checks what the daemon writes by itself.
pub(super) fn event_log(config: &Config, settings: &event_log::Settings, problems: &mut Problems) {
    let prefix = settings.prefix.0;
    // Only the peer is known here.
    let lookup: Lookup = |text| names::of_records(text).filter(|(word, _)| *word == "peer_src_ip");
    for fault in settings.check() {
        if let Fault::Configuration { key, what } = fault {
            let key = format!("{prefix}{key}");
            let origin = config.core_origin_named(&key).unwrap_or(config.source());
            problems.fatal(origin, format!("{key}: {what}."), None);
        }
    }
    for (key, text) in settings.names() {
        let key = format!("{prefix}{key}");
        let origin = config.core_origin_named(&key).unwrap_or(config.source());
        for variable in names::variables(text, lookup) {
            if let Variable::Unknown(word) = variable {
                let what = format!("{key}: '${word}' is no variable here, and stays as it is.");
                problems.warn(origin, what, Some(meant(word, lookup)));
            }
        }
    }
}

/// The user and the group that the daemon is to become.
pub(super) fn accounts(config: &Config, problems: &mut Problems) {
    let (user, group) = (config.core(&core::RUN_AS_USER), config.core(&core::RUN_AS_GROUP));
    if let Err(problem) = privileges::check(user.as_deref(), group.as_deref()) {
        let (key, origin) = match (&problem, group.is_some()) {
            (privileges::Problem::Group(_), true) => ("run_as_group", blame(config, &core::RUN_AS_GROUP)),
            _ => ("run_as_user", blame(config, &core::RUN_AS_USER)),
        };
        problems.fatal(origin, format!("{key}: {problem}."), None);
    }
}
