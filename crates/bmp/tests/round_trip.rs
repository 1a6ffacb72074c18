//! Messages that are written and read again, and messages that are cut or damaged.

#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod generate;

use bmp::code::MessageType;
use bmp::error::Reason;
use bmp::frame::{Frame, Version};
use bmp::message::Message;
use bmp::v4::CodePoints;
use generate::{Parts, messages};
use proptest::prelude::*;

const MAX: usize = 100_000;

fn frame(octets: &[u8]) -> Frame<'_> {
    let frame = Frame::first(octets, MAX).unwrap().unwrap();
    assert_eq!(frame.octets(), octets);
    frame
}

/// Compares a message with what was written.
fn check(parts: &Parts, message: Message<'_>) -> Result<(), TestCaseError> {
    parts.with(|expected| {
        match (&message, &expected) {
            // The TLVs have the UPDATE among them.
            (Message::RouteMonitoring(found), Message::RouteMonitoring(written)) => {
                prop_assert_eq!((found.peer, found.update), (written.peer, written.update));
                let type_of_update = CodePoints::default().bgp_message;
                let others = found.tlvs.filter(|tlv| tlv.registered() != Some(type_of_update));
                prop_assert_eq!(others.collect::<Vec<_>>(), written.tlvs.collect::<Vec<_>>());
            }
            _ => prop_assert_eq!(message, expected),
        }
        prop_assert_eq!(message.kind(), parts.kind);
        prop_assert_eq!(message.fault(), None);
        let has_peer = matches!(parts.kind.0, 0..=3 | 6);
        prop_assert_eq!(message.peer().copied(), has_peer.then_some(parts.peer));
        Ok(())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(parts in messages()) {
        let octets = parts.octets();
        let frame = frame(&octets);
        prop_assert_eq!((frame.version(), frame.kind()), (parts.version, parts.kind));
        check(&parts, Message::decode(frame, &CodePoints::default()).unwrap())?;
    }

    #[test]
    fn every_cut_of_a_stream_is_incomplete(parts in messages(), cut: prop::sample::Index) {
        let octets = parts.octets();
        prop_assert_eq!(Frame::first(&octets[..cut.index(octets.len())], MAX), Ok(None));
        let stream = [&octets[..], &[9]].concat();
        prop_assert_eq!(Frame::first(&stream, MAX).unwrap().unwrap().octets(), &octets[..]);
    }

    /// The length of the header is right, but the message ends early: nothing is read that was not there.
    #[test]
    fn a_message_that_ends_early_is_an_error_or_has_a_fault(parts in messages(), cut: prop::sample::Index) {
        let octets = parts.octets();
        let len = 6 + cut.index(octets.len() - 5);
        let mut short = octets[..len].to_vec();
        short[1..5].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
        match Message::decode(frame(&short), &CodePoints::default()) {
            Err(error) => prop_assert!(error.at <= len, "{error}"),
            Ok(message) => {
                prop_assert!(message.fault().is_none_or(|fault| fault.at <= len));
                // What is left is what was there, so that TLVs and counters are as many at most.
                parts.with(|whole| match (&message, &whole) {
                    (Message::Statistics(found), Message::Statistics(all)) => {
                        let (found, all) = (found.counters.collect::<Vec<_>>(), all.counters.collect::<Vec<_>>());
                        prop_assert!(all.starts_with(&found));
                        Ok(())
                    }
                    (Message::PeerUp(found), Message::PeerUp(all)) => {
                        let (found, all) = (found.tlvs.collect::<Vec<_>>(), all.tlvs.collect::<Vec<_>>());
                        prop_assert!(all.starts_with(&found));
                        Ok(())
                    }
                    _ => Ok(()),
                })?;
            }
        }
    }

    #[test]
    fn any_octets_are_a_message_or_an_error(kind in 0u8..8, v4: bool, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let version = if v4 { Version::V4 } else { Version::V3 };
        let mut octets = Vec::new();
        prop_assert!(bmp::frame::write(&mut octets, version, MessageType(kind), &body));
        match Message::decode(frame(&octets), &CodePoints::default()) {
            Err(error) => prop_assert!(error.at <= octets.len() && error.reason.index() < Reason::LABELS.len()),
            Ok(message) => {
                let mut again = Vec::new();
                message.write(&mut again, version, &CodePoints::default()).unwrap();
            }
        }
    }
}
