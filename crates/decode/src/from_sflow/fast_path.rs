//! The fast path for common flow samples, in one pass.
//!
//! Most samples consist of the start of an Ethernet frame with headers at fixed offsets ([`packet::plain`]), and at most
//! the extended switch and router data. They are decoded to rows directly here. [`Reader::flow`] decodes all others. A
//! test checks that both give the same rows.

use super::Settings;
use super::packet::packet_ref;
use super::sample::{Head, Reader};
use crate::headers::Headers;
use flow::output::Output;
use flow::row;
use packet::LinkType;
use packet::plain::plain;
use sflow::DataFormat;
use sflow::flow::{HeaderProtocol, is_known};
use sflow::frame::{Contents, FlowFrame};

/// Raw packet header.
const RAW_HEADER: u32 = 1;
/// Decoded packet fields: Ethernet, IPv4, IPv6.
const FIELDS: std::ops::RangeInclusive<u32> = 2..=4;
/// Extended switch data: VLANs and priorities.
pub(super) const SWITCH: u32 = 1001;
/// Extended router data: next hop and prefix lengths.
pub(super) const ROUTER: u32 = 1002;

/// The extended data that rows need.
#[derive(Clone, Copy, Debug)]
pub(super) struct WantedRecords {
    switch: bool,
    router: bool,
}

impl WantedRecords {
    /// Returns `None` if the rows need more than headers at fixed offsets.
    pub(super) fn new(wanted: &[DataFormat], headers: &Headers, settings: &Settings) -> Option<Self> {
        let has = |format| wanted.contains(&DataFormat(format));
        let is_supported = settings.inside.is_none() && headers.supports_plain();
        is_supported.then(|| Self { switch: has(SWITCH), router: has(ROUTER) })
    }
}

/// The records of a sample that fill its row.
struct SampleRecords<'a> {
    header: Contents<'a>,
    switch: Option<Contents<'a>>,
    router: Option<Contents<'a>>,
    unknown: u64,
}

impl Reader<'_> {
    /// Adds the row of a sample of datagram `unit`. Returns false, and adds and counts nothing, if the fast path does not
    /// support the sample.
    #[inline]
    pub(super) fn fast_path(
        &mut self,
        unit: u32,
        datagram: &[u8],
        sample: &FlowFrame<'_>,
        output: &mut Output,
    ) -> bool {
        self.row(unit, datagram, sample, output).is_some()
    }

    #[inline]
    fn row(&mut self, unit: u32, datagram: &[u8], sample: &FlowFrame<'_>, output: &mut Output) -> Option<()> {
        let records = self.find_records(sample)?;
        let header = records.header.raw_header().filter(|header| header.protocol == HeaderProtocol::ETHERNET)?;
        let packet = plain(header.octets)?;
        // Errors are not reported here, so all records are decoded before a row is added.
        let switch = match records.switch {
            Some(contents) => Some(contents.switch()?),
            None => None,
        };
        let router = match records.router {
            Some(contents) => Some(contents.router()?),
            None => None,
        };
        let mut row = output.rows.push(self.base);
        (*row.head(row::PACKETS), *row.head(row::FLOWS)) = (1, 1);
        *row.head(row::BYTES) = u64::from(header.frame_length);
        self.headers.fill_plain(&packet, &mut row);
        self.head(&Head::from(sample), &mut row);
        if let Some(switch) = switch {
            self.switch(&switch, row.bytes());
        }
        if let Some(router) = router {
            self.router(&router, row.bytes());
        }
        self.networks(row.bytes());
        output.packets.push(packet_ref(unit, datagram, &header, LinkType::ETHERNET));
        self.counts.samples += 1;
        self.counts.unknown_records += records.unknown;
        Some(())
    }

    /// Collects the records in one pass. Returns `None` if there are others than the supported ones, or truncated ones.
    #[inline]
    fn find_records<'a>(&self, sample: &FlowFrame<'a>) -> Option<SampleRecords<'a>> {
        let wanted_records = self.wanted_records?;
        let (mut header, mut switch, mut router, mut unknown) = (None, None, None, 0);
        let mut records = sample.records;
        while let Some((format, contents)) = records.next_frame() {
            match format.0 {
                RAW_HEADER if header.is_none() => header = Some(contents),
                SWITCH if wanted_records.switch && switch.is_none() => switch = Some(contents),
                ROUTER if wanted_records.router && router.is_none() => router = Some(contents),
                SWITCH if !wanted_records.switch => {}
                ROUTER if !wanted_records.router => {}
                // Duplicates: each has to be valid, and the last one counts.
                RAW_HEADER | SWITCH | ROUTER => return None,
                number if FIELDS.contains(&number) => return None,
                _ if !is_known(format) => unknown += 1,
                _ if self.wanted.contains(&format) => return None,
                _ => {}
            }
        }
        if !records.is_at_end() {
            return None;
        }
        Some(SampleRecords { header: header?, switch, router, unknown })
    }
}
