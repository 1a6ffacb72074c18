//! Which clock is used, and how times are written.

use std::time::Duration;

use crate::daemons::*;
use crate::key::*;

keys! {
    /// Uses the time of arrival instead of the times in datagrams or captures.
    ///
    /// Later lines cannot unset it. Cannot be combined with `nfacctd_time_secs`.
    NFACCTD_TIME_NEW: bool = boolean(&["nfacctd_time_new", "sfacctd_time_new", "pmacctd_time_new"]).default("false")
        .daemons(COLLECTORS.and(PMACCTD)).acts();

    /// Reads the times of NetFlow v5 as seconds instead of milliseconds.
    ///
    /// Cannot be combined with `nfacctd_time_new`: the first of the two lines is used.
    NFACCTD_TIME_SECS: bool = boolean(&["nfacctd_time_secs"]).default("false").daemons(NFACCTD).acts();

    /// Keeps the milliseconds of flow times that NetFlow v5 and v9 express as uptimes.
    ///
    /// By default they are whole seconds, as in pmacct: if times are part of the key, finer times create more aggregates.
    NFACCTD_TIME_FRACTIONS: bool = boolean(&["nfacctd_time_fractions"]).default("false").daemons(NFACCTD).acts();

    /// How long before its arrival a flow may have started to belong to the time bin of its start; 0 means no limit.
    ///
    /// Earlier flows belong to the time bin of their arrival (`flow_times_outside`). If the exporter's clock is off by more than
    /// that, the export time of its datagrams is used instead of the arrival. The times in the output do not change. Not applied
    /// to capture files (`pcap_savefile`).
    NFACCTD_TIME_MAX_AGE: Duration = seconds(&["nfacctd_time_max_age"], 0).default("86400").daemons(NFACCTD).acts();

    /// How long after its arrival a flow may have started to belong to the time bin of its start; 0 means no limit.
    ///
    /// See `nfacctd_time_max_age`.
    NFACCTD_TIME_MAX_AHEAD: Duration = seconds(&["nfacctd_time_max_ahead"], 0).default("300").daemons(NFACCTD)
        .acts();

    /// Omits fractions of seconds.
    TIMESTAMPS_SECS: bool = boolean(&["timestamps_secs"]).default("false").both().acts();

    /// Writes times as seconds since 1970.
    TIMESTAMPS_SINCE_EPOCH: bool = boolean(&["timestamps_since_epoch"]).default("false").both().acts();

    /// Writes times with a `T` between date and time, and with the offset of the time zone.
    TIMESTAMPS_RFC9557: bool = boolean(&["timestamps_rfc9557", "timestamps_rfc3339"]).default("false").both()
        .acts();

    /// Writes times in UTC instead of the system's time zone, also in log lines.
    TIMESTAMPS_UTC: bool = boolean(&["timestamps_utc"]).default("false").both().acts();
}
