//! The configuration: `redis_*`, `cluster_*`, and `bgp_daemon_ha*`, which is also written `bmp_daemon_ha*`.

use crate::client::Server;
use crate::election::Member;
use config::keys::core::CORE_PROC_NAME;
use config::keys::ha::{
    BGP_DAEMON_HA, BGP_DAEMON_HA_CLUSTER_ID, BGP_DAEMON_HA_CLUSTER_NAME, BGP_DAEMON_HA_QUEUE_MAX_SIZE,
    BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT, CLUSTER_ID, CLUSTER_NAME, REDIS_DB, REDIS_HOST, REDIS_PASSWD,
};
use config::keys::{bgp, bmp, telemetry};
use config::{AnyKey, Config, Diagnostics, Key, Origin};
use std::time::Duration;

/// The port of Redis.
const PORT: u16 = 6379;

/// What the thread does, and what is held back on stand-by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The server.
    pub server: Server,
    /// Keys, with their values, by which the cluster is monitored.
    pub presence: Vec<(String, String)>,
    /// The place in a group; `None` without `bgp_daemon_ha`.
    pub member: Option<Member>,
    /// How much is held back on stand-by.
    pub queue: Queue,
}

/// How many messages are kept on stand-by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// For how long.
    pub max_age: Duration,
    /// The maximum number; `None` if only their memory is limited.
    pub max_messages: Option<u64>,
}

/// Reads and checks the settings. `None` if Redis is not used, or a fatal problem was reported.
pub fn read(config: &Config, problems: &mut Diagnostics) -> Option<Settings> {
    let member = member(config, problems);
    let Some(text) = config.core(&REDIS_HOST) else {
        without_redis(config, problems);
        return None;
    };
    let address = address(&text);
    if address.is_none() {
        let what = format!("redis_host: '{text}' is not an address.");
        let hint = "It takes HOST:PORT, such as 192.0.2.1:6379 or [2001:db8::1]:6379.".to_owned();
        problems.fatal(blame(config, &REDIS_HOST), what, Some(hint));
    }
    let Some(cluster) = config.core(&CLUSTER_NAME) else {
        let what = "redis_host requires cluster_name to be specified. Exiting...";
        problems.fatal(blame(config, &REDIS_HOST), what, None);
        return None;
    };
    let (host, port) = address?;
    let (database, password) = (config.core(&REDIS_DB), config.core(&REDIS_PASSWD));
    Some(Settings {
        server: Server { host, port, database, password },
        presence: presence(config, &cluster),
        member: member?,
        queue: queue(config, problems),
    })
}

/// The line of a setting, or the whole file.
fn blame<'a, T>(config: &'a Config, key: &Key<T>) -> &'a Origin {
    config.core_origin(key).unwrap_or(config.source())
}

/// `host:port`, `host`, or the same with an IPv6 address in brackets.
fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '/'));
    let port = match port {
        None => PORT,
        Some(port) if port.bytes().all(|octet| octet.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port > 0)?
        }
        Some(_) => return None,
    };
    is_host.then(|| (host.to_owned(), port))
}

/// The place in a group, if there is one. `None` after a fatal problem.
fn member(config: &Config, problems: &mut Diagnostics) -> Option<Option<Member>> {
    if !config.core(&BGP_DAEMON_HA) {
        let keys: [&dyn AnyKey; 4] = [
            &BGP_DAEMON_HA_CLUSTER_NAME,
            &BGP_DAEMON_HA_CLUSTER_ID,
            &BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT,
            &BGP_DAEMON_HA_QUEUE_MAX_SIZE,
        ];
        has_no_effect(config, &keys, &BGP_DAEMON_HA, problems);
        return Some(None);
    }
    let daemon = config.daemon();
    let has_sessions = config.core(&bgp::BGP_DAEMON) || config.core(&bmp::BMP_DAEMON);
    if daemon.accounts_flows() && !has_sessions {
        let name = config.names().of(&BGP_DAEMON_HA);
        let what = format!("{name} has no effect without bgp_daemon or bmp_daemon.");
        problems.warn(blame(config, &BGP_DAEMON_HA), what, None);
    }
    let Some(group) = config.core(&BGP_DAEMON_HA_CLUSTER_NAME) else {
        let what = "BMP-BGP-HA: bgp_bmp_daemon_ha_cluster_name not configured, exiting!";
        let hint = format!("Set {}.", config.names().of(&BGP_DAEMON_HA_CLUSTER_NAME));
        problems.fatal(blame(config, &BGP_DAEMON_HA), what, Some(hint));
        return None;
    };
    let (id, process) = (config.core(&BGP_DAEMON_HA_CLUSTER_ID), config.core(&CORE_PROC_NAME));
    Some(Some(Member::new(&group, id, &process)))
}

/// Reports what was set in vain.
fn without_redis(config: &Config, problems: &mut Diagnostics) {
    has_no_effect(config, &[&REDIS_DB, &REDIS_PASSWD], &REDIS_HOST, problems);
    if config.core(&BGP_DAEMON_HA) {
        let name = config.names().of(&BGP_DAEMON_HA);
        let what = format!("{name} has no effect without redis_host: this daemon is always active.");
        problems.warn(blame(config, &BGP_DAEMON_HA), what, Some("Set redis_host and cluster_name.".to_owned()));
    }
}

/// Warns of keys that depend on another one.
fn has_no_effect(config: &Config, keys: &[&dyn AnyKey], without: &dyn AnyKey, problems: &mut Diagnostics) {
    let names = config.names();
    for key in keys {
        if let Some(origin) = config.core_origin_of(*key) {
            let what = format!("{} has no effect without {}.", names.of(*key), names.of(without));
            problems.warn(origin, what, None);
        }
    }
}

fn queue(config: &Config, problems: &mut Diagnostics) -> Queue {
    /// What 0 stands for.
    const AGE: Duration = Duration::from_secs(15);
    /// A key expires after three seconds, and others look for it once a second.
    const TAKE_OVER: Duration = Duration::from_secs(4);
    let age = config.core(&BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT);
    let max_age = if age.is_zero() { AGE } else { age };
    if max_age <= TAKE_OVER {
        let key = config.names().of(&BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT);
        let what = format!("{key}: a take-over may take {} s, and messages would be lost.", TAKE_OVER.as_secs());
        let hint = format!("Set {key}: {}.", AGE.as_secs());
        problems.warn(blame(config, &BGP_DAEMON_HA_QUEUE_MESSAGE_TIMEOUT), what, Some(hint));
    }
    let messages = config.core(&BGP_DAEMON_HA_QUEUE_MAX_SIZE);
    Queue { max_age, max_messages: u64::try_from(messages).ok().filter(|messages| *messages > 0) }
}

/// The keys by which the cluster is monitored: of the daemon, its plugins, and its threads for sessions.
fn presence(config: &Config, cluster: &str) -> Vec<(String, String)> {
    let (daemon, prefix) = (config.daemon(), format!("{cluster}+{}", config.core(&CLUSTER_ID)));
    let process = |name: &str, kind: &str| (format!("{prefix}+process+{name}+{kind}"), "1".to_owned());
    let core = config.core(&CORE_PROC_NAME);
    let mut keys = vec![(format!("{prefix}+daemon_type"), daemon.name().to_owned()), process(&core, "core")];
    if daemon.accounts_flows() {
        let threads = [
            (config.core(&bgp::BGP_DAEMON), "core+bgp"),
            (config.core(&bmp::BMP_DAEMON), "core+bmp"),
            (config.core(&telemetry::TELEMETRY_DAEMON), "core+telemetry"),
        ];
        keys.extend(threads.into_iter().filter(|(runs, _)| *runs).map(|(_, thread)| process(&core, thread)));
    }
    keys.extend(config.plugins().iter().map(|plugin| process(&plugin.name, plugin.kind.word())));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Daemon;

    fn read_as(daemon: Daemon, lines: &str) -> (Option<Settings>, Vec<String>, bool) {
        let (config, _) = config::parse_bytes(daemon, "f", lines.as_bytes());
        let mut problems = Diagnostics::new();
        let settings = read(&config, &mut problems);
        let texts = problems.joined().iter().map(|problem| problem.what.clone()).collect();
        (settings, texts, problems.is_fatal())
    }

    const GROUP: &str =
        "redis_host: 127.0.0.1\ncluster_name: flows\nbgp_daemon_ha: true\nbgp_daemon_ha_cluster_name: pair\n";

    #[test]
    fn addresses_have_a_port_or_that_of_redis() {
        for (text, expected) in [
            ("127.0.0.1:6399", Some(("127.0.0.1", 6399))),
            ("redis.example.net", Some(("redis.example.net", 6379))),
            ("[2001:db8::1]:1", Some(("2001:db8::1", 1))),
            ("[::1]", Some(("::1", 6379))),
            ("::1", None),
            ("a:b", None),
            ("a:0", None),
            ("a:65536", None),
            ("a:+1", None),
            ("a:", None),
            (":1", None),
            ("[a]:1", None),
            ("[::1]1", None),
            ("redis://a", None),
        ] {
            assert_eq!(address(text), expected.map(|(host, port)| (host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_missing_prevents_the_start() {
        let (settings, problems, is_fatal) = read_as(Daemon::Pmbgpd, "redis_host: 127.0.0.1");
        assert_eq!((settings, is_fatal), (None, true));
        assert_eq!(problems, ["redis_host requires cluster_name to be specified. Exiting..."]);
        let (_, problems, is_fatal) =
            read_as(Daemon::Pmbmpd, "bmp_daemon_ha: true\nredis_host: a\ncluster_name: c");
        assert!(is_fatal);
        assert_eq!(problems, ["BMP-BGP-HA: bgp_bmp_daemon_ha_cluster_name not configured, exiting!"]);
        assert!(read_as(Daemon::Nfacctd, "redis_host: a:b\ncluster_name: c").2);
    }

    #[test]
    fn what_has_no_effect_is_a_warning() {
        for (daemon, lines, expected) in [
            (Daemon::Nfacctd, "redis_db: 1", "redis_db has no effect without redis_host."),
            (Daemon::Nfacctd, "redis_passwd: x", "redis_passwd has no effect without redis_host."),
            (
                Daemon::Pmbmpd,
                "bmp_daemon_ha_cluster_id: 1",
                "bmp_daemon_ha_cluster_id has no effect without bmp_daemon_ha.",
            ),
            (
                Daemon::Pmbmpd,
                "bmp_daemon_ha: true\nbmp_daemon_ha_cluster_name: n",
                "bmp_daemon_ha has no effect without redis_host: this daemon is always active.",
            ),
            (Daemon::Nfacctd, GROUP, "bgp_daemon_ha has no effect without bgp_daemon or bmp_daemon."),
        ] {
            let (_, problems, is_fatal) = read_as(daemon, lines);
            assert_eq!((problems, is_fatal), (vec![expected.to_owned()], false), "{lines}");
        }
        let (_, problems, _) = read_as(Daemon::Pmbgpd, &format!("{GROUP}bgp_daemon_ha_queue_message_timeout: 4"));
        assert!(problems[0].contains("a take-over may take 4 s"), "{problems:?}");
        assert_eq!(read_as(Daemon::Pmbgpd, "cluster_name: c\ncluster_id: 4"), (None, Vec::new(), false));
    }

    #[test]
    fn a_group_has_its_queue_and_its_keys() {
        let (settings, problems, _) = read_as(Daemon::Pmbgpd, GROUP);
        let settings = settings.expect("the settings are complete");
        assert_eq!((settings.member, problems), (Some(Member::new("pair", 0, "default")), Vec::new()));
        assert_eq!(settings.queue, Queue { max_age: Duration::from_secs(15), max_messages: None });
        let lines = format!(
            "{GROUP}bgp_daemon_ha_queue_message_timeout: 5\nbgp_daemon_ha_queue_max_size: 7\nredis_db: 2\n\
             redis_passwd: secret\nbgp_daemon_ha_cluster_id: 3\ncore_proc_name: east"
        );
        let settings = read_as(Daemon::Pmbgpd, &lines).0.expect("the settings are complete");
        assert_eq!(settings.member, Some(Member::new("pair", 3, "east")));
        assert_eq!(settings.queue, Queue { max_age: Duration::from_secs(5), max_messages: Some(7) });
        assert_eq!((settings.server.database, settings.server.password.as_deref()), (2, Some("secret")));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn all_processes_of_the_reference_have_keys() {
        let lines = "redis_host: a\ncluster_name: c\ncluster_id: 4\ncore_proc_name: n\nbgp_daemon: true\n\
                     telemetry_daemon: true\nplugins: print[p], memory[m]";
        let settings = read_as(Daemon::Nfacctd, lines).0.expect("the settings are complete");
        let keys: Vec<_> = settings.presence.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = [
            "daemon_type=nfacctd",
            "process+n+core=1",
            "process+n+core+bgp=1",
            "process+n+core+telemetry=1",
            "process+p+print=1",
            "process+m+memory=1",
        ];
        assert_eq!(keys, expected.map(|key| format!("c+4+{key}")));
        let keys = read_as(Daemon::Pmbgpd, GROUP).0.expect("the settings are complete").presence;
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert_eq!(keys[1].0, "flows+0+process+default+core");
    }
}
