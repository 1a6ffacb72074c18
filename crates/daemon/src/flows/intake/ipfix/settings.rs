//! The settings of sessions.

use crate::host::blame;
use crate::host::part::Reading;
use crate::sessions::tls::{self, File};
use config::keys::{ha, input, ipfix};
use config::{Config, Diagnostics, Key};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// When a silent connection may be dead: after that time the kernel asks its exporter.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The files of the daemon's certificate.
const TLS: tls::Keys = tls::Keys {
    cert: &ipfix::NFACCTD_TLS_CERT_FILE,
    key: &ipfix::NFACCTD_TLS_KEY_FILE,
    ca: &ipfix::NFACCTD_TLS_CA_FILE,
};

/// The settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Addresses to listen on.
    pub(super) tcp: Option<SocketAddr>,
    pub(super) tls: Option<SocketAddr>,
    pub(super) dtls: Option<u16>,
    /// For TLS and DTLS.
    pub(super) files: Option<tls::Files>,
    pub(super) options: listener::Options,
    /// `nfacctd_sessions_max`.
    pub(super) max_sessions: usize,
    /// `nfacctd_session_timeout`.
    pub(super) timeout: Option<Duration>,
}

impl Settings {
    /// Reads the settings. `None` if no port is configured; `Err` if something is wrong, which was reported.
    pub(super) fn read(reading: &mut Reading<'_>) -> Result<Option<Self>, ()> {
        let (config, problems) = (reading.config, &mut *reading.problems);
        let ports: Vec<_> = PORTS.iter().filter(|key| config.core(key).is_some()).collect();
        let Some(first) = ports.first() else {
            warn_of_files(config, problems);
            return Ok(None);
        };
        let others = OTHERS.iter().filter(|other| other.is_set(config));
        let mut is_fine = true;
        for other in others {
            let what = format!("{}: cannot be combined with {}.", first.row().name(), other.name());
            problems.fatal(blame(config, first), what, None);
            is_fine = false;
        }
        let address = |key: &'static Key<Option<u16>>| {
            let ip = config.core(&input::NFACCTD_IP).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
            config.core(key).map(|port| SocketAddr::new(ip, port))
        };
        let dtls = config.core(&input::NFACCTD_DTLS_PORT);
        is_fine &= dtls.is_none() || super::dtls::check(config, problems);
        let tls = address(&ipfix::NFACCTD_TLS_PORT);
        let files = if tls.is_some() || dtls.is_some() { files(config, problems) } else { None };
        if (tls.is_some() || dtls.is_some()) && files.is_none() {
            return Err(());
        }
        if files.is_none() {
            warn_of_files(config, problems);
        }
        let settings = Self {
            tcp: address(&ipfix::NFACCTD_TCP_PORT),
            tls,
            dtls,
            files,
            options: listener::Options {
                interface: config.core(&input::NFACCTD_INTERFACE),
                ipv6_only: config.core(&input::NFACCTD_IPV6_ONLY),
                keepalive: Some(KEEPALIVE),
                is_shared: config.core(&ha::CLUSTER_NAME).is_some(),
                ..listener::Options::default()
            },
            max_sessions: config.core(&ipfix::NFACCTD_SESSIONS_MAX),
            timeout: Some(config.core(&ipfix::NFACCTD_SESSION_TIMEOUT)).filter(|timeout| !timeout.is_zero()),
        };
        if is_fine { Ok(Some(settings)) } else { Err(()) }
    }

    /// Connections of one address.
    pub(super) fn max_per_address(&self) -> usize {
        (self.max_sessions / 4).max(16)
    }
}

/// The ports, of which one is enough.
const PORTS: [&Key<Option<u16>>; 3] =
    [&ipfix::NFACCTD_TCP_PORT, &ipfix::NFACCTD_TLS_PORT, &input::NFACCTD_DTLS_PORT];

/// Another input, with which there are no sockets.
enum Other {
    Path(&'static Key<Option<PathBuf>>),
    Text(&'static Key<Option<String>>),
}

const OTHERS: [Other; 3] = [
    Other::Path(&input::PCAP_SAVEFILE),
    Other::Text(&input::NFACCTD_KAFKA_TOPIC),
    Other::Text(&input::NFACCTD_ZMQ_ADDRESS),
];

impl Other {
    fn is_set(&self, config: &Config) -> bool {
        match self {
            Self::Path(key) => config.core(key).is_some(),
            Self::Text(key) => config.core(key).is_some(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Path(key) => key.row().name(),
            Self::Text(key) => key.row().name(),
        }
    }
}

/// The files of the certificate: those that are named, or those of `dtls_path`.
fn files(config: &Config, problems: &mut Diagnostics) -> Option<tls::Files> {
    let named = [TLS.cert, TLS.key].iter().any(|key| config.core(key).is_some());
    let path = config.core(&input::DTLS_PATH).filter(|_| !named);
    if let Some(path) = path {
        let file = |name| File { key: "dtls_path", path: path.join(name) };
        let ca = config.core(TLS.ca).map(|path| File { key: TLS.ca.row().name(), path });
        return Some(tls::Files { cert: file("cert.pem"), key: file("key.pem"), ca });
    }
    if named {
        return tls::Files::read(config, TLS, problems);
    }
    let hint =
        "Set it to a folder with cert.pem and key.pem, or set nfacctd_tls_cert_file and nfacctd_tls_key_file.";
    let (key, what) = match config.core(&input::NFACCTD_DTLS_PORT) {
        Some(_) => (
            &input::NFACCTD_DTLS_PORT,
            "'nfacctd_dtls_port' specified but missing 'dtls_path'. Exiting.".to_owned(),
        ),
        None => {
            let what = "nfacctd_tls_port: TLS needs the certificate and its private key.".to_owned();
            (&ipfix::NFACCTD_TLS_PORT, what)
        }
    };
    problems.fatal(blame(config, key), what, Some(hint.to_owned()));
    None
}

/// Files without a port that uses them.
fn warn_of_files(config: &Config, problems: &mut Diagnostics) {
    for key in [TLS.cert, TLS.key, TLS.ca].into_iter().filter(|key| config.core(key).is_some()) {
        let what = format!("{}: has no effect without nfacctd_tls_port or nfacctd_dtls_port.", key.row().name());
        problems.warn(blame(config, key), what, None);
    }
}
