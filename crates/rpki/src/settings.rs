//! Where VRPs come from, as configured.

use crate::client;
use crate::rtr::Version;
use crate::runner::{self, Address, TlsFiles};
use config::keys::rpki::{
    RPKI_ROAS_FILE, RPKI_RTR_CACHE, RPKI_RTR_CACHE_CA_FILE, RPKI_RTR_CACHE_CERT_FILE, RPKI_RTR_CACHE_IPPREC,
    RPKI_RTR_CACHE_KEY_FILE, RPKI_RTR_CACHE_PIPE_SIZE, RPKI_RTR_CACHE_TLS, RPKI_RTR_CACHE_VERSION,
    RPKI_RTR_EXPIRE, RPKI_RTR_REFRESH, RPKI_RTR_RETRY,
};
use config::{AnyKey, Config, Diagnostics, Key, Origin};
use std::path::PathBuf;

/// Maximum number of caches.
const MAX_CACHES: usize = 16;

/// Where VRPs come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file: `rpki_roas_file`.
    File(PathBuf),
    /// RTR caches: `rpki_rtr_cache`.
    Caches(Box<runner::Settings>),
}

/// Reads and checks the settings; opens nothing. `None` if the configuration names no source, or a fatal problem was reported.
pub fn read(config: &Config, problems: &mut Diagnostics) -> Option<Source> {
    let caches = config.core(&RPKI_RTR_CACHE).map(|texts| addresses(config, &texts, problems));
    let tls = tls(config, problems);
    let timers = timers(config, problems);
    match (config.core(&RPKI_ROAS_FILE), caches) {
        (Some(_), Some(_)) => {
            let [file, cache] = [config.names().of(&RPKI_ROAS_FILE), config.names().of(&RPKI_RTR_CACHE)];
            let hint = "Remove one of them.".to_owned();
            problems.fatal(
                blame(config, &RPKI_RTR_CACHE),
                format!("{file} and {cache} are mutually exclusive."),
                Some(hint),
            );
            None
        }
        (Some(file), None) => Some(Source::File(file)),
        (None, Some(caches)) => Some(Source::Caches(Box::new(runner::Settings {
            caches: caches?,
            client: client::Settings {
                version: Version::of_number(config.core(&RPKI_RTR_CACHE_VERSION)).unwrap_or(Version::V0),
                timers: timers?,
                ..client::Settings::default()
            },
            tls: tls?,
            ip_precedence: config.core(&RPKI_RTR_CACHE_IPPREC),
            receive_buffer: config
                .core(&RPKI_RTR_CACHE_PIPE_SIZE)
                .map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
        }))),
        (None, None) => None,
    }
}

/// The line of a setting, or the whole file.
fn blame<'a, T>(config: &'a Config, key: &Key<T>) -> &'a Origin {
    config.core_origin(key).unwrap_or(config.source())
}

fn addresses(config: &Config, texts: &[String], problems: &mut Diagnostics) -> Option<Vec<Address>> {
    let (origin, key) = (blame(config, &RPKI_RTR_CACHE), config.names().of(&RPKI_RTR_CACHE));
    let mut caches = Vec::new();
    let mut is_valid = true;
    for text in texts {
        match Address::parse(text) {
            Some(cache) if caches.contains(&cache) => {
                problems.warn(origin, format!("{key}: '{text}' is named twice."), None);
            }
            Some(cache) => caches.push(cache),
            None => {
                is_valid = false;
                let hint = "It takes ADDRESS:PORT, such as 127.0.0.1:323 or [::1]:323.".to_owned();
                problems.fatal(origin, format!("{key}: '{text}' is not the address of a cache."), Some(hint));
            }
        }
    }
    if is_valid && caches.is_empty() {
        problems.fatal(origin, format!("{key}: no cache is named."), None);
    }
    if caches.len() > MAX_CACHES {
        is_valid = false;
        problems.fatal(origin, format!("{key}: more than {MAX_CACHES} caches."), None);
    }
    (is_valid && !caches.is_empty()).then_some(caches)
}

/// TLS, if it is enabled; `None` after a problem.
fn tls(config: &Config, problems: &mut Diagnostics) -> Option<Option<TlsFiles>> {
    let names = config.names();
    let files = TlsFiles {
        ca: config.core(&RPKI_RTR_CACHE_CA_FILE),
        certificate: config.core(&RPKI_RTR_CACHE_CERT_FILE),
        key: config.core(&RPKI_RTR_CACHE_KEY_FILE),
    };
    if !config.core(&RPKI_RTR_CACHE_TLS) {
        for key in [&RPKI_RTR_CACHE_CA_FILE, &RPKI_RTR_CACHE_CERT_FILE, &RPKI_RTR_CACHE_KEY_FILE] {
            if let Some(origin) = config.core_origin(key) {
                let what = format!("{} has no effect without {}.", names.of(key), names.of(&RPKI_RTR_CACHE_TLS));
                problems.warn(origin, what, None);
            }
        }
        return Some(None);
    }
    if cfg!(not(feature = "tls")) {
        let what = format!("{}: this build has no TLS.", names.of(&RPKI_RTR_CACHE_TLS));
        problems.fatal(blame(config, &RPKI_RTR_CACHE_TLS), what, None);
        return None;
    }
    let (written, missing): (_, &dyn AnyKey) = match (&files.certificate, &files.key) {
        (Some(_), None) => (&RPKI_RTR_CACHE_CERT_FILE, &RPKI_RTR_CACHE_KEY_FILE),
        (None, Some(_)) => (&RPKI_RTR_CACHE_KEY_FILE, &RPKI_RTR_CACHE_CERT_FILE),
        _ => return Some(Some(files)),
    };
    let what = format!("{} needs {}.", names.of(written), names.of(missing));
    problems.fatal(blame(config, written), what, None);
    None
}

fn timers(config: &Config, problems: &mut Diagnostics) -> Option<client::Timers<Option<std::time::Duration>>> {
    let timers = client::Timers {
        refresh: config.core(&RPKI_RTR_REFRESH),
        retry: config.core(&RPKI_RTR_RETRY),
        expire: config.core(&RPKI_RTR_EXPIRE),
    };
    // As in RFC 8210 section 6.
    let too_long = |interval| timers.expire.is_some_and(|expire| interval >= Some(expire));
    for (key, interval) in [(&RPKI_RTR_REFRESH, timers.refresh), (&RPKI_RTR_RETRY, timers.retry)] {
        if too_long(interval) {
            let names = config.names();
            let what = format!("{} must be less than {}.", names.of(key), names.of(&RPKI_RTR_EXPIRE));
            problems.fatal(blame(config, key), what, None);
            return None;
        }
    }
    Some(timers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Daemon, Severity};
    use std::time::Duration;

    fn parse(text: &str) -> (Option<Source>, Vec<String>) {
        let (config, mut problems) = config::parse_bytes(Daemon::Pmbgpd, "c.conf", text.as_bytes());
        let source = read(&config, &mut problems);
        let shown = problems.iter().filter(|problem| problem.severity > Severity::Debug);
        (source, shown.map(ToString::to_string).collect())
    }

    #[test]
    fn reads_the_source_of_vrps() {
        assert!(matches!(parse("bgp_daemon_port: 1790\n"), (None, problems) if problems.is_empty()));
        let (source, problems) = parse("rpki_roas_file: /tmp/roas.json\n");
        assert!(
            matches!(source, Some(Source::File(path)) if path.as_os_str() == "/tmp/roas.json"),
            "{problems:?}"
        );
        let (source, problems) = parse(
            "rpki_rtr_cache: 127.0.0.1:323, [::1]:324\nrpki_rtr_cache_version: 1\nrpki_rtr_cache_ipprec: 5\n\
             rpki_rtr_cache_pipe_size: 100000\nrpki_rtr_retry: 7\nrpki_rtr_cache_tls: true\nrpki_rtr_cache_ca_file: /ca\n",
        );
        assert_eq!(problems, [""; 0]);
        let Some(Source::Caches(settings)) = source else { panic!("no caches") };
        assert_eq!(
            settings.caches.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.1:323", "[::1]:324"]
        );
        assert_eq!((settings.client.version, settings.ip_precedence), (Version::V1, 5));
        assert_eq!(settings.client.timers.retry, Some(Duration::from_secs(7)));
        assert_eq!(settings.receive_buffer, Some(100_000));
        assert_eq!(settings.tls, Some(TlsFiles { ca: Some("/ca".into()), certificate: None, key: None }));
    }

    #[test]
    fn reports_what_cannot_be() {
        for (text, expected) in [
            (
                "rpki_roas_file: /r\nrpki_rtr_cache: 127.0.0.1:323\n",
                "ERROR: [c.conf:2] rpki_roas_file and rpki_rtr_cache are mutually exclusive. Remove one of them.",
            ),
            (
                "rpki_rtr_cache: 127.0.0.1\n",
                "ERROR: [c.conf:1] rpki_rtr_cache: '127.0.0.1' is not the address of a cache. It takes ADDRESS:PORT, such as \
                 127.0.0.1:323 or [::1]:323.",
            ),
            (
                "rpki_rtr_cache: c:1\nrpki_rtr_cache_tls: true\nrpki_rtr_cache_key_file: /k\n",
                "ERROR: [c.conf:3] rpki_rtr_cache_key_file needs rpki_rtr_cache_cert_file.",
            ),
            (
                "rpki_rtr_cache: c:1\nrpki_rtr_expire: 600\nrpki_rtr_refresh: 600\n",
                "ERROR: [c.conf:3] rpki_rtr_refresh must be less than rpki_rtr_expire.",
            ),
        ] {
            let (source, problems) = parse(text);
            assert!(source.is_none());
            assert_eq!(problems, [expected]);
        }
        let (source, problems) = parse("rpki_rtr_cache: c:1, c:1\nrpki_rtr_cache_ca_file: /ca\n");
        assert!(source.is_some());
        assert_eq!(
            problems,
            [
                "WARN: [c.conf:1] rpki_rtr_cache: 'c:1' is named twice.",
                "WARN: [c.conf:2] rpki_rtr_cache_ca_file has no effect without rpki_rtr_cache_tls.",
            ]
        );
    }
}
