//! Flow samples of version 5 as frames of octets: found, but not read.
//!
//! Reading a sample to a [`Sample`](crate::Sample) and its records to [`FlowRecord`](crate::FlowRecord)s moves values of many shapes
//! from hand to hand. Who wants two or three records of millions of samples takes frames instead: [`Samples::next_flow_frame`], then
//! [`Frames`], then [`Contents`]. If anything is not as expected they give nothing, and the general decoder finds the error.

use crate::datagram::Samples;
use crate::flow::{RawHeader, Router, Switch};
use crate::sample::{DataFormat, SourceId};
use crate::xdr::{Xdr, size};
use wire::Reader;

/// Octets of format and length before a sample or record.
const FRAME: usize = 8;

/// A flow sample whose records are not read.
#[derive(Clone, Copy, Debug)]
pub struct FlowFrame<'a> {
    /// [`DataFormat::FLOW`] or [`DataFormat::FLOW_EXPANDED`].
    pub format: DataFormat,
    /// Index of what the sample was taken of.
    pub source_index: u32,
    /// One packet of so many is sampled.
    pub sampling_rate: u32,
    /// Where the packet came in, as [`FlowHead::input_number`](crate::FlowHead::input_number).
    pub input: u32,
    /// Where it went out, as [`FlowHead::output_number`](crate::FlowHead::output_number).
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
    /// The next sample, if it is a flow sample of version 5 with all of its head. Else nothing is moved, and
    /// [`next`](Iterator::next) tells what is there.
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
    /// The next record. None at the end, and where a record is not whole.
    #[inline]
    pub fn next_frame(&mut self) -> Option<(DataFormat, Contents<'a>)> {
        let left = self.left.checked_sub(1)?;
        let (format, octets) = framed(self.octets)?;
        let rest = self.octets.get(FRAME..)?;
        self.octets = rest.get(padded(octets.len(), rest.len())..)?;
        self.left = left;
        Some((format, Contents(octets)))
    }

    /// True when all records that were announced were given.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Contents<'a> {
    /// As the start of a packet.
    #[inline]
    pub fn raw_header(self) -> Option<RawHeader<'a>> {
        RawHeader::read(&mut Reader::new(self.0)).ok()
    }

    /// As VLANs and priorities of a switch.
    #[inline]
    pub fn switch(self) -> Option<Switch> {
        Switch::read(&mut Reader::new(self.0)).ok()
    }

    /// As next hop and prefix lengths of a router.
    #[inline]
    pub fn router(self) -> Option<Router> {
        Router::read(&mut Reader::new(self.0)).ok()
    }
}

/// The format, and the octets that it announces after it, as [`xdr::contents`](crate::xdr::contents) gives them.
#[inline]
fn framed(octets: &[u8]) -> Option<(DataFormat, &[u8])> {
    let (head, rest) = octets.split_first_chunk::<FRAME>()?;
    let [format, len] = words(head);
    let len = size(len);
    let contents = rest.get(..len).or_else(|| (len - rest.len() < 4).then_some(rest))?;
    Some((DataFormat(format), contents))
}

/// Octets that `len` of them take with their padding, of which the end may be missing.
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
