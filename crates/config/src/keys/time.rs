//! Which clock counts, and how times are written.

use std::time::Duration;

use crate::daemons::*;
use crate::key::*;

keys! {
    /// Goes by the time of arrival, not by the times that datagrams or captures carry.
    ///
    /// Once a line has set it, no later one can take it back. Excludes `nfacctd_time_secs`.
    NFACCTD_TIME_NEW: bool = boolean(&["nfacctd_time_new", "sfacctd_time_new", "pmacctd_time_new"]).default("false")
        .daemons(COLLECTORS.and(PMACCTD)).acts();

    /// Reads the times of NetFlow v5 as seconds where the protocol has milliseconds.
    ///
    /// Excludes `nfacctd_time_new`: whichever line comes first counts.
    NFACCTD_TIME_SECS: bool = boolean(&["nfacctd_time_secs"]).default("false").daemons(NFACCTD).acts();

    /// Keeps the milliseconds of flow times that NetFlow v5 and v9 tell by the exporter's uptime.
    ///
    /// Without it they are whole seconds, as they have always been here: where times are part of what is aggregated,
    /// finer ones make more aggregates.
    NFACCTD_TIME_FRACTIONS: bool = boolean(&["nfacctd_time_fractions"]).default("false").daemons(NFACCTD).acts();

    /// How far a flow may have started before its arrival to count to the time bin of its start; 0: any time.
    ///
    /// Earlier ones count to the bin of their arrival (`flow_times_outside`). When the clock of an exporter is off by more
    /// than that, the export time of its datagrams stands for the arrival. Times as they are shown do not change. Not applied to
    /// capture files (`pcap_savefile`).
    NFACCTD_TIME_MAX_AGE: Duration = seconds(&["nfacctd_time_max_age"], 0).default("86400").daemons(NFACCTD).acts();

    /// How far a flow may have started after its arrival to count to the time bin of its start; 0: any time.
    ///
    /// See `nfacctd_time_max_age`.
    NFACCTD_TIME_MAX_AHEAD: Duration = seconds(&["nfacctd_time_max_ahead"], 0).default("300").daemons(NFACCTD)
        .acts();

    /// Leaves out fractions of seconds.
    TIMESTAMPS_SECS: bool = boolean(&["timestamps_secs"]).default("false").both().acts();

    /// Writes times as seconds since 1970.
    TIMESTAMPS_SINCE_EPOCH: bool = boolean(&["timestamps_since_epoch"]).default("false").both().acts();

    /// Writes times with a `T` between date and time, and with the offset of the zone.
    TIMESTAMPS_RFC9557: bool = boolean(&["timestamps_rfc9557", "timestamps_rfc3339"]).default("false").both()
        .acts();

    /// Writes times in UTC, not in the zone of the system; those of log lines, too.
    TIMESTAMPS_UTC: bool = boolean(&["timestamps_utc"]).default("false").both().acts();
}
