//! A fast path for flow samples of version 5: it finds records without decoding them.
//!
//! Decoding to [`Sample`](crate::Sample) and [`FlowRecord`](crate::FlowRecord) moves large values. A caller that needs two or three
//! records of millions of samples uses [`Samples::next_flow_frame`], [`Frames`] and [`Contents`] instead. They return nothing for
//! unexpected input, and the general decoder reports the error.

use crate::datagram::Samples;
use crate::flow::{RawHeader, Router, Switch};
use crate::sample::{DataFormat, SourceId};
use crate::xdr::{Xdr, size};
use wire::Reader;

/// Octets of the format and length before a sample or record.
const FRAME: usize = 8;

/// A flow sample whose records are not decoded.
#[derive(Clone, Copy, Debug)]
pub struct FlowFrame<'a> {
    /// [`DataFormat::FLOW`] or [`DataFormat::FLOW_EXPANDED`].
    pub format: DataFormat,
    /// Index of the data source.
    pub source_index: u32,
    /// Sampling rate N: one in N packets is sampled.
    pub sampling_rate: u32,
    /// Input interface, as [`FlowHead::input_number`](crate::FlowHead::input_number).
    pub input: u32,
    /// Output interface, as [`FlowHead::output_number`](crate::FlowHead::output_number).
    pub output: u32,
    /// Its records.
    pub records: Frames<'a>,
}

/// The records of a flow sample.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    octets: &'a [u8],
    left: u32,
}

/// The contents of one record.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a>(&'a [u8]);

impl<'a> Samples<'a> {
    /// The next sample, if it is a flow sample of version 5 with a complete head. Otherwise the position does not change, and
    /// [`next`](Iterator::next) returns the sample or the error.
    #[inline]
    pub fn next_flow_frame(&mut self) -> Option<FlowFrame<'a>> {
        if self.version != 5 {
            return None;
        }
        let left = self.left.checked_sub(1)?;
        let mut r = self.r;
        let (format, octets) = framed(r.rest())?;
        let frame = match format {
            DataFormat::FLOW => {
                let (head, octets) = octets.split_first_chunk::<32>()?;
                let [_, source, sampling_rate, _, _, input, output, left] = words(head);
                let source_index = SourceId::compact(source).index;
                let records = Frames { octets, left };
                FlowFrame { format, source_index, sampling_rate, input, output, records }
            }
            DataFormat::FLOW_EXPANDED => {
                let (head, octets) = octets.split_first_chunk::<44>()?;
                let [_, _, source_index, sampling_rate, _, _, _, input, _, output, left] = words(head);
                let records = Frames { octets, left };
                FlowFrame { format, source_index, sampling_rate, input, output, records }
            }
            _ => return None,
        };
        r.take(FRAME + padded(octets.len(), r.left().saturating_sub(FRAME))).ok()?;
        (self.r, self.left) = (r, left);
        Some(frame)
    }
}

impl<'a> Frames<'a> {
    /// The next record. `None` at the end, and if a record is truncated.
    #[inline]
    pub fn next_frame(&mut self) -> Option<(DataFormat, Contents<'a>)> {
        let left = self.left.checked_sub(1)?;
        let (format, octets) = framed(self.octets)?;
        let rest = self.octets.get(FRAME..)?;
        self.octets = rest.get(padded(octets.len(), rest.len())..)?;
        self.left = left;
        Some((format, Contents(octets)))
    }

    /// Returns true if all announced records were returned.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Contents<'a> {
    /// Reads the raw header of a packet.
    #[inline]
    pub fn raw_header(self) -> Option<RawHeader<'a>> {
        RawHeader::read(&mut Reader::new(self.0)).ok()
    }

    /// Reads VLANs and priorities of a switch.
    #[inline]
    pub fn switch(self) -> Option<Switch> {
        Switch::read(&mut Reader::new(self.0)).ok()
    }

    /// Reads next hop and prefix lengths of a router.
    #[inline]
    pub fn router(self) -> Option<Router> {
        Router::read(&mut Reader::new(self.0)).ok()
    }
}

/// The format, and the contents of the announced length, as [`xdr::contents`](crate::xdr::contents) returns them.
#[inline]
fn framed(octets: &[u8]) -> Option<(DataFormat, &[u8])> {
    let (head, rest) = octets.split_first_chunk::<FRAME>()?;
    let [format, len] = words(head);
    let len = size(len);
    let contents = rest.get(..len).or_else(|| (len - rest.len() < 4).then_some(rest))?;
    Some((DataFormat(format), contents))
}

/// `len` with padding; the padding at the end may be missing.
#[inline]
fn padded(len: usize, left: usize) -> usize {
    len.next_multiple_of(4).min(left)
}

#[inline]
fn words<const OCTETS: usize, const N: usize>(octets: &[u8; OCTETS]) -> [u32; N] {
    const { assert!(OCTETS == 4 * N) };
    let mut words = [0; N];
    for (word, octets) in words.iter_mut().zip(octets.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*octets);
    }
    words
}
