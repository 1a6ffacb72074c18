//! Which files the daemon needs, for `landlock`: those that the configuration names.

use config::keys::{
    amqp, bgp, bmp, core, encoding, event_log, geoip, http, input, ipfix, kafka, maps, nfprobe, output, print,
    rpki, sampling, sql, tee, telemetry,
};
use config::{Config, Key, KeyPrefix, Plugin};
use plugins::kinds::{self, Kind};
use runtime::confine::Access;
use std::path::{Path, PathBuf};

/// What `landlock` comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// This plugin starts programs, whose files are unknown.
    Triggers(String),
    /// Access is restricted to these files.
    To(Access),
}

/// Keys of files that are read, also while the daemon runs.
const READ: &[&Key<Option<PathBuf>>] = &[
    &maps::AGGREGATE_PRIMITIVES,
    &maps::PCAP_INTERFACES_MAP,
    &maps::NETWORKS_FILE,
    &maps::PORTS_FILE,
    &maps::PROTOS_FILE,
    &maps::TOS_FILE,
    &maps::NFACCTD_ALLOW_FILE,
    &maps::BGP_DAEMON_ALLOW_FILE,
    &maps::BGP_DAEMON_MD5_FILE,
    &maps::BGP_DAEMON_TAG_MAP,
    &maps::BGP_DAEMON_XCONNECT_MAP,
    &maps::BMP_DAEMON_ALLOW_FILE,
    &maps::BMP_DAEMON_TAG_MAP,
    &bmp::BMP_DAEMON_TLS_CERT_FILE,
    &bmp::BMP_DAEMON_TLS_KEY_FILE,
    &bmp::BMP_DAEMON_TLS_CA_FILE,
    &bmp::BMP_DAEMON_KAFKA_CONFIG_FILE,
    &input::NFACCTD_KAFKA_CONFIG_FILE,
    &input::NFACCTD_TEMPLATES_KAFKA_CONFIG_FILE,
    &maps::TELEMETRY_DAEMON_ALLOW_FILE,
    &maps::TELEMETRY_DAEMON_TAG_MAP,
    &telemetry::TELEMETRY_DAEMON_GRPC_COLLECTOR_CONF,
    &telemetry::TELEMETRY_DAEMON_KAFKA_CONFIG_FILE,
    &telemetry::TELEMETRY_GNMI_TARGETS,
    &maps::BGP_AGENT_MAP,
    &maps::BGP_PEER_DST_IP_MAP,
    &maps::BGP_PEER_SRC_AS_MAP,
    &maps::BGP_SRC_LOCAL_PREF_MAP,
    &maps::BGP_SRC_MED_MAP,
    &rpki::RPKI_ROAS_FILE,
    &rpki::RPKI_RTR_CACHE_CA_FILE,
    &rpki::RPKI_RTR_CACHE_CERT_FILE,
    &rpki::RPKI_RTR_CACHE_KEY_FILE,
    &maps::FLOW_TO_RD_MAP,
    &maps::PRE_TAG_MAP,
    &geoip::GEOIPV2_FILE,
    &tee::TEE_RECEIVERS,
    &tee::TEE_KAFKA_CONFIG_FILE,
    &input::DTLS_PATH,
    &ipfix::NFACCTD_TLS_CERT_FILE,
    &ipfix::NFACCTD_TLS_KEY_FILE,
    &ipfix::NFACCTD_TLS_CA_FILE,
    &nfprobe::NFPROBE_TLS_CA_FILE,
    &nfprobe::NFPROBE_TLS_CERT_FILE,
    &nfprobe::NFPROBE_TLS_KEY_FILE,
    &sampling::SAMPLING_MAP,
    &input::PCAP_SAVEFILE,
    &sql::SQL_TABLE_SCHEMA,
    &sql::SQL_CONN_CA_FILE,
];
/// The same, for keys that also exist with a prefix, for messages that the daemon itself sends to brokers.
const READ_WITH_PREFIX: &[&Key<Option<PathBuf>>] =
    &[&kafka::KAFKA_CONFIG_FILE, &amqp::AMQP_CONN_CA_FILE, &amqp::AMQP_CONN_CERT_FILE, &amqp::AMQP_CONN_KEY_FILE];
/// Keys of files that are written.
const WRITTEN: &[&Key<Option<PathBuf>>] = &[
    &core::LOGFILE,
    &core::PIDFILE,
    &output::PRINT_OUTPUT_LOCK_FILE,
    &output::PRINT_LATEST_FILE,
    &output::SFACCTD_COUNTER_FILE,
    &input::NFACCTD_TEMPLATES_FILE,
    &encoding::AVRO_SCHEMA_FILE,
    &bgp::BGP_NEIGHBORS_FILE,
];
/// Keys of files that event logs write; they exist with prefixes only.
const WRITTEN_WITH_PREFIX: &[&Key<Option<PathBuf>>] = &[
    &event_log::MSGLOG_FILE,
    &event_log::DUMP_FILE,
    &event_log::DUMP_LATEST_FILE,
    &event_log::ROUTE_AVRO_SCHEMA_FILE,
];
/// The prefixes of event logs that are implemented.
const PREFIXES: &[KeyPrefix] = &[
    KeyPrefix::SFACCTD_COUNTER,
    KeyPrefix::BGP_DAEMON_MSGLOG,
    KeyPrefix::BGP_TABLE_DUMP,
    KeyPrefix::BMP_DAEMON_MSGLOG,
    KeyPrefix::BMP_DUMP,
    KeyPrefix::TELEMETRY_DAEMON_MSGLOG,
    KeyPrefix::TELEMETRY_DUMP,
];
/// Keys of folders for files of our own.
const FOLDERS: &[&Key<Option<PathBuf>>] = &[&core::PLUGIN_SPOOL_DIR];
/// Stands for files of a folder whose names are not known yet.
const ANY: &str = "any";

/// Reads the configuration; `None` without `landlock`.
pub(super) fn read(config: &Config, kinds: &'static [&'static Kind]) -> Option<Confinement> {
    if !config.core(&core::LANDLOCK) {
        return None;
    }
    let trigger = config.plugins().iter().find(|plugin| plugin.get(&print::PRINT_TRIGGER_EXEC).is_some());
    if let Some(plugin) = trigger {
        return Some(Confinement::Triggers(plugin.name.clone()));
    }
    let mut access = Access::default();
    access.read.extend(READ.iter().filter_map(|key| config.core(key)));
    access
        .read
        .extend(config.core(&telemetry::TELEMETRY_SID_FILES).unwrap_or_default().into_iter().map(PathBuf::from));
    // A line of the file may name others, which are in its folder unless their path is absolute.
    if let Some(targets) = config.core(&telemetry::TELEMETRY_GNMI_TARGETS) {
        access.read.extend(named_within(&targets));
        access.read.push(folder_of(&targets));
    }
    access.written.extend(WRITTEN.iter().filter_map(|key| config.core(key)));
    access.read.extend(READ_WITH_PREFIX.iter().flat_map(|key| with_prefixes(config, key)));
    access.written.extend(WRITTEN_WITH_PREFIX.iter().flat_map(|key| with_prefixes(config, key)));
    // The socket of the endpoint is removed at the end.
    access
        .written_in_existing
        .extend(config.core(&http::HTTP_LISTEN).map(PathBuf::from).filter(|path| path.is_absolute()));
    for plugin in config.plugins() {
        add_plugin(&mut access, plugin, kinds);
    }
    let named: Vec<PathBuf> = with_prefixes(config, &kafka::KAFKA_CONFIG_FILE)
        .chain(config.plugins().iter().filter_map(|plugin| plugin.get(&kafka::KAFKA_CONFIG_FILE)))
        .chain(config.plugins().iter().filter_map(|plugin| plugin.get(&tee::TEE_KAFKA_CONFIG_FILE)))
        .chain(config.core(&input::NFACCTD_KAFKA_CONFIG_FILE))
        .chain(config.core(&input::NFACCTD_TEMPLATES_KAFKA_CONFIG_FILE))
        .flat_map(|path| named_within(&path))
        .collect();
    access.read.extend(named);
    for path in access.written.iter_mut().chain(&mut access.written_in_existing) {
        *path = without_variables(path);
    }
    Some(Confinement::To(access))
}

/// The folder of a file.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The values of a key with the prefixes of event logs.
fn with_prefixes<'a>(
    config: &'a Config,
    key: &'static Key<Option<PathBuf>>,
) -> impl Iterator<Item = PathBuf> + use<'a> {
    let prefixes = PREFIXES.iter().filter(|prefix| key.row().prefixes.contains(prefix));
    prefixes.filter_map(|prefix| config.core_at(key, *prefix))
}

fn add_plugin(access: &mut Access, plugin: &Plugin, kinds: &'static [&'static Kind]) {
    access.read.extend(READ.iter().chain(READ_WITH_PREFIX).filter_map(|key| plugin.get(key)));
    access.written.extend(FOLDERS.iter().filter_map(|key| plugin.get(key)).map(|folder| folder.join(ANY)));
    access.written.extend(WRITTEN.iter().filter_map(|key| plugin.get(key)));
    if let Some(kind) = kinds::find(kinds, plugin.kind) {
        (kind.access)(plugin, access);
    }
}

/// The path up to the first component with a variable, and a file in there.
fn without_variables(path: &Path) -> PathBuf {
    let has_variable = |part: &std::path::Component<'_>| {
        part.as_os_str().as_encoded_bytes().iter().any(|octet| matches!(octet, b'%' | b'$'))
    };
    let fixed: PathBuf = path.components().take_while(|part| !has_variable(part)).collect();
    if fixed == path { fixed } else { fixed.join(ANY) }
}

/// Files that a file names by absolute paths, such as certificates in librdkafka's options.
fn named_within(path: &Path) -> Vec<PathBuf> {
    // An unreadable file is reported where it is used.
    let text = config::text::read_lossy(path).unwrap_or_default();
    let words = text.split(|sign: char| sign.is_whitespace() || matches!(sign, ',' | '=' | '"' | '\''));
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::OF_COLLECTORS;
    use config::Daemon;
    use config::key::State;
    use config::keys::memory;
    use config::value::Syntax;
    use std::collections::BTreeSet;

    /// Keys of files that are read before access is restricted, and never again.
    const READ_BEFORE: &[&Key<Option<PathBuf>>] = &[
        &input::NFACCTD_RP_EBPF_PROG,
        &bgp::BGP_DAEMON_RP_EBPF_PROG,
        &bmp::BMP_DAEMON_RP_EBPF_PROG,
        &telemetry::TELEMETRY_DAEMON_RP_EBPF_PROG,
        &telemetry::TELEMETRY_DAEMON_UDP_NOTIF_RP_EBPF_PROG,
    ];

    fn access(lines: &str) -> Confinement {
        let (config, _) = config::parse_bytes(Daemon::Nfacctd, "test", lines.as_bytes());
        read(&config, OF_COLLECTORS).expect("landlock is on")
    }

    /// A file whose key is missing here would be inaccessible.
    #[test]
    fn every_file_key_is_listed() {
        let lists = [READ, READ_BEFORE, READ_WITH_PREFIX, WRITTEN, WRITTEN_WITH_PREFIX, FOLDERS].concat();
        let mut known: BTreeSet<&str> = lists.iter().map(|key| key.row().name()).collect();
        known.extend([memory::IMT_PATH.row().name(), output::PRINT_OUTPUT_FILE.row().name()]);
        let keys = config::keys::groups().into_iter().flat_map(|group| group.keys);
        let keys = keys.map(|key| key.row()).filter(|row| row.state == State::Acts);
        let is_file = |name: &str| name.ends_with("_file") || name.ends_with("_dir") || name.ends_with("_path");
        let files = keys.filter(|row| {
            matches!(row.syntax, Syntax::Path) || is_file(row.name()) && !matches!(row.syntax, Syntax::Boolean)
        });
        let names: BTreeSet<&str> = files.map(|row| row.name()).collect();
        assert!(names.len() > 20, "{names:?}");
        assert_eq!(names.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn folders_are_those_before_the_first_variable() {
        let Confinement::To(access) = access(
            "landlock: true\nplugins: print[p], sqlite3[s], memory[m]\npre_tag_map: /etc/p/map\nlogfile: /l/log\n\
             print_output_file[p]: /out/a/%Y/$peer_src_ip/x\nprint_latest_file[p]: /out/latest\n\
             sql_table[s]: acct_%Y\nsql_db[s]: /db/flows.db\nimt_path[m]: /run/m\nplugin_spool_dir[s]: /spool",
        ) else {
            panic!("there is no trigger");
        };
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let written: BTreeSet<_> = access.written.into_iter().collect();
        assert_eq!(written, paths(&["/l/log", "/out/a/any", "/out/latest", "/spool/any"]));
        assert!(access.read.contains(&PathBuf::from("/etc/p/map")));
        for name in ["/db/flows.db", "/run/m", "/tmp/any"] {
            assert!(access.written_in_existing.contains(&PathBuf::from(name)), "{name}");
        }
    }

    #[test]
    fn triggers_are_not_confined() {
        let asked = access("landlock: true\nplugins: print[p]\nprint_trigger_exec[p]: /bin/true");
        assert_eq!(asked, Confinement::Triggers("p".to_owned()));
        let (config, _) = config::parse_bytes(Daemon::Nfacctd, "test", b"plugins: print[p]");
        assert_eq!(read(&config, OF_COLLECTORS), None);
    }

    #[test]
    fn files_that_options_of_kafka_name_are_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "global, ssl.ca.location, /certs/ca.pem\ntopic,acks,1\nglobal,ssl.key=/k/key")
            .unwrap();
        assert_eq!(named_within(file.path()), [PathBuf::from("/certs/ca.pem"), PathBuf::from("/k/key")]);
    }
}
