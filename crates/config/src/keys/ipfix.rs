//! IPFIX over TCP, TLS and DTLS; the port and the path of DTLS, which upstream has, are in [`super::input`].

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;
use std::time::Duration;

keys! {
    /// TCP port on which IPFIX is accepted, besides UDP; the registered one is 4739.
    NFACCTD_TCP_PORT: Option<u16> = port(&["nfacctd_tcp_port"]).daemons(NFACCTD).acts();

    /// TCP port on which IPFIX over TLS is accepted; the registered one is 4740.
    NFACCTD_TLS_PORT: Option<u16> = port(&["nfacctd_tls_port"]).daemons(NFACCTD).acts();

    /// PEM file with the certificate chain of the daemon, for TLS and DTLS.
    ///
    /// Without it, `cert.pem` in `dtls_path`.
    NFACCTD_TLS_CERT_FILE: Option<PathBuf> = path(&["nfacctd_tls_cert_file"]).daemons(NFACCTD).usr2().acts();

    /// PEM file with the private key of the certificate, without a password.
    ///
    /// Without it, `key.pem` in `dtls_path`.
    NFACCTD_TLS_KEY_FILE: Option<PathBuf> = path(&["nfacctd_tls_key_file"]).daemons(NFACCTD).usr2().acts();

    /// PEM file with the certificates of the authorities that sign those of exporters. With it, exporters must have a certificate, over TLS and
    /// DTLS.
    NFACCTD_TLS_CA_FILE: Option<PathBuf> = path(&["nfacctd_tls_ca_file"]).daemons(NFACCTD).usr2().acts();

    /// Maximum number of connections over TCP and TLS, and of sessions over DTLS.
    ///
    /// Further connections are closed. A further DTLS session takes the place of the one that was silent longest. One address may have a
    /// quarter of the connections, but at least 16.
    NFACCTD_SESSIONS_MAX: usize = integer(&["nfacctd_sessions_max"], 1, 100_000).default("1024").daemons(NFACCTD).acts();

    /// Time after which a session over TCP, TLS or DTLS is closed if nothing arrives; 0 for never.
    NFACCTD_SESSION_TIMEOUT: Duration = seconds(&["nfacctd_session_timeout"], 0).default("3600").daemons(NFACCTD).acts();
}
