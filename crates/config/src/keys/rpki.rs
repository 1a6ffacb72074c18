//! RPKI: which AS may originate which prefix.

use crate::daemons::*;
use crate::key::*;
use std::path::PathBuf;
use std::time::Duration;

keys! {
    /// Route origin authorizations, as a JSON file that a validator wrote.
    ///
    /// An object with a list `roas`, whose entries have `prefix`, `maxLength` and `asn` (a number or a text such as `"AS64496"`), as rpki-client,
    /// Routinator and others write it. Entries that are incomplete or wrong are skipped with a warning. Cannot be combined with
    /// `rpki_rtr_cache`.
    RPKI_ROAS_FILE: Option<PathBuf> = path(&["rpki_roas_file"]).daemons(FLOW.and(PMBGPD).and(PMBMPD)).usr2()
        .acts();

    /// RTR caches that supply them, as `address:port` or `[address]:port`, in order of preference.
    ///
    /// A cache may also be named. The next cache is used as long as those before it cannot be reached, and left again when one of them has
    /// delivered its data. Data are used until they expire while no cache can be reached.
    RPKI_RTR_CACHE: Option<Vec<String>> = list(&["rpki_rtr_cache"]).daemons(FLOW.and(PMBGPD).and(PMBMPD))
        .acts();

    /// Version of the RTR protocol to start with: 0 (RFC 6810), 1 (RFC 8210) or 2 (with ASPAs).
    ///
    /// A cache that only speaks a lower version is spoken to in that. Only from version 1 on can a cache choose the intervals.
    RPKI_RTR_CACHE_VERSION: u8 = integer(&["rpki_rtr_cache_version"], 0, 2).default("0")
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Receive buffer of the RTR session, in bytes.
    RPKI_RTR_CACHE_PIPE_SIZE: Option<u64> = bytes(&["rpki_rtr_cache_pipe_size"], 1)
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// IP precedence of packets to the RTR server.
    RPKI_RTR_CACHE_IPPREC: u8 = integer(&["rpki_rtr_cache_ipprec"], 0, 7).default("0")
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Connects to RTR caches over TLS.
    ///
    /// The certificate of a cache must be for the address or the name in `rpki_rtr_cache`.
    RPKI_RTR_CACHE_TLS: bool = boolean(&["rpki_rtr_cache_tls"]).default("false")
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// File of the certificate authorities (PEM) that certificates of RTR caches must come from; by default those of the system.
    RPKI_RTR_CACHE_CA_FILE: Option<PathBuf> = path(&["rpki_rtr_cache_ca_file"])
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Certificate (PEM) that is shown to RTR caches.
    RPKI_RTR_CACHE_CERT_FILE: Option<PathBuf> = path(&["rpki_rtr_cache_cert_file"])
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Private key (PEM) of that certificate.
    RPKI_RTR_CACHE_KEY_FILE: Option<PathBuf> = path(&["rpki_rtr_cache_key_file"])
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Seconds between two queries; by default what the cache asks for, or 3600.
    RPKI_RTR_REFRESH: Option<Duration> = seconds(&["rpki_rtr_refresh"], 1)
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Seconds before a failed attempt is repeated; by default what the cache asks for, or 600, but 10 as long as there are no data.
    RPKI_RTR_RETRY: Option<Duration> = seconds(&["rpki_rtr_retry"], 1)
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();

    /// Seconds for which data are used that cannot be refreshed; by default what the cache asks for, or 7200. All routes are unknown afterwards.
    RPKI_RTR_EXPIRE: Option<Duration> = seconds(&["rpki_rtr_expire"], 1)
        .daemons(FLOW.and(PMBGPD).and(PMBMPD)).acts();
}
