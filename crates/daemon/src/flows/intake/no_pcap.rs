//! Capture files in a build without libpcap: not supported.

/// Datagrams of a capture file.
pub(crate) mod datagram_file {
    use crate::flows::input::Choice;
    use crate::host::blame;
    use crate::host::part::Reading;
    use config::keys::input;
    use enrich::Context;

    /// Rejects a file.
    pub(crate) fn choose<P>(reading: &mut Reading<'_>, _: &Context) -> Choice<P> {
        if reading.config.core(&input::PCAP_SAVEFILE).is_none() {
            return Choice::Other;
        }
        reading.problems.fatal(
            blame(reading.config, &input::PCAP_SAVEFILE),
            "pcap_savefile: this program was built without support for capture files",
            Some("Build it with the feature pcap.".to_owned()),
        );
        Choice::Invalid
    }
}

/// Packets of a capture file.
pub(crate) mod packet_file {
    use crate::flows::input::Choice;
    use crate::flows::worker::Packets;
    use crate::host::part::Reading;
    use enrich::Context;

    /// The intake of interfaces rejects all of its sources.
    pub(crate) fn choose(_: &mut Reading<'_>, _: &Context) -> Choice<Packets> {
        Choice::Other
    }
}
