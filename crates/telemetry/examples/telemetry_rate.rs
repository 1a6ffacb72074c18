//! Measures messages per CPU-second on one thread: `cargo run --release -p telemetry --example telemetry_rate [SECONDS]`.
//!
//! Each case decodes the same messages again and again and appends their payloads to a buffer, as a collector does. Times are those of the
//! thread's CPU clock where /proc has it, so that other load on the machine matters less.

use std::fmt::Write;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};
use telemetry::payload::Writer;
use telemetry::subscriptions::Notice;
use telemetry::udp_notif::{Datagram, Limits, Outcome, Reassembler, Segment, Variant, decode};
use telemetry::{Encoding, Framing, StreamDecoder, Subscriptions, datagram};

/// Messages of a case; one of them is the subscription that the others belong to.
const MESSAGES: u32 = 1000;
/// Octets of a read from a socket.
const READ: usize = 64 << 10;
/// Octets of payload in a segment.
const SEGMENT: usize = 1400;

const SENDER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1000));

/// A notification with the counters of `interfaces` interfaces.
fn notification(number: u32, interfaces: u32) -> String {
    let mut text = String::new();
    let host = "{\"ietf-yp-notification:envelope\":{\"event-time\":\"2026-11-01T00:00:00.123Z\",\"hostname\":\"router-1\",";
    _ = write!(text, "{host}\"sequence-number\":{number},\"contents\":{{");
    if number == 0 {
        text.push_str(
            "\"ietf-subscribed-notifications:subscription-started\":{\"id\":7,\"encoding\":\"encode-json\",\
             \"ietf-yang-push:datastore\":\"operational\",\"ietf-yang-push:periodic\":{\"period\":1000}}}}}",
        );
        return text;
    }
    text.push_str("\"ietf-yang-push:push-update\":{\"id\":7,\"datastore-contents\":{\"openconfig-interfaces:interfaces\":{\"interface\":[");
    for interface in 0..interfaces {
        let comma = if interface > 0 { "," } else { "" };
        let octets = u64::from(number) * 7919 + u64::from(interface);
        _ = write!(
            text,
            "{comma}{{\"name\":\"GigabitEthernet0/0/{interface}\",\"state\":{{\"oper-status\":\"UP\",\"counters\":{{\
             \"in-octets\":\"{octets}00000\",\"in-unicast-pkts\":\"{octets}\",\"out-octets\":\"{octets}12345\",\
             \"in-discards\":\"0\",\"load\":0.25,\"description\":\"to \\\"core\\\" 1\"}}}}}}"
        );
    }
    text.push_str("]}}}}}}");
    text
}

/// CPU time of this thread.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Runs a case, which returns the messages that it decoded, for a while and prints its rate.
fn measure(name: &str, seconds: u64, octets: usize, mut case: impl FnMut() -> u32) {
    case();
    let (start, cpu_start) = (Instant::now(), cpu_time());
    let (mut messages, mut rounds) = (0_u64, 0_usize);
    while start.elapsed() < Duration::from_secs(seconds) {
        messages += u64::from(black_box(case()));
        rounds += 1;
    }
    let elapsed = match (cpu_start, cpu_time()) {
        (Some(before), Some(after)) => after - before,
        _ => start.elapsed(),
    };
    let seconds = elapsed.as_secs_f64();
    let (rate, volume) = (messages as f64 / seconds, (octets * rounds) as f64 / seconds / 1e9);
    println!("{name:50} {rate:12.0} messages/s {volume:7.2} GB/s");
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2);
    for interfaces in [1, 4, 30] {
        let texts: Vec<String> = (0..MESSAGES).map(|number| notification(number, interfaces)).collect();
        let total: usize = texts.iter().map(String::len).sum();
        println!("messages of {} octets", total / MESSAGES as usize);
        let (writer, mut out) = (Writer::default(), Vec::new());

        let stream = texts.concat().into_bytes();
        let mut decoder = StreamDecoder::new(Framing::Json, 1 << 20);
        measure("  JSON over TCP, framing only", seconds, total, || {
            let mut count = 0;
            for octets in stream.chunks(READ) {
                decoder.push(octets);
                while let Ok(Some(message)) = decoder.next_message() {
                    count += u32::from(!message.octets.is_empty());
                }
            }
            count
        });
        measure("  JSON over TCP", seconds, total, || {
            let mut count = 0;
            for octets in stream.chunks(READ) {
                decoder.push(octets);
                while let Ok(Some(message)) = decoder.next_message() {
                    out.clear();
                    count += u32::from(writer.append(&message, &mut out).is_ok());
                }
            }
            count
        });
        measure("  JSON datagrams", seconds, total, || {
            let mut count = 0;
            for text in &texts {
                out.clear();
                let message = datagram(Framing::Json, text.as_bytes()).expect("it is an object");
                count += u32::from(writer.append(&message, &mut out).is_ok());
            }
            count
        });

        let segments = |text: &str, message, size| -> Vec<Vec<u8>> {
            let count = text.len().div_ceil(size);
            let parts = text.as_bytes().chunks(size).enumerate().map(|(number, payload)| {
                let segment = Segment { number: number as u16, is_last: number + 1 == count };
                let segment = (count > 1).then_some(segment);
                let mut octets = Vec::new();
                assert!(
                    Datagram { encoding: Encoding::Json, publisher: 1, message, segment, payload }
                        .write(&mut octets)
                );
                octets
            });
            parts.collect()
        };
        let mut round = 0_u64;
        for (name, size, with_subscriptions) in [
            ("  UDP-notif", 60_000, false),
            ("  UDP-notif with subscriptions", 60_000, true),
            ("  UDP-notif in segments, with subscriptions", SEGMENT, true),
            ("  UDP-notif in segments of 400, with subscriptions", 400, true),
        ] {
            let datagrams: Vec<_> =
                texts.iter().zip(0..).flat_map(|(text, message)| segments(text, message, size)).collect();
            let mut reassembler = Reassembler::new(Limits::default());
            let mut subscriptions = Subscriptions::new(1000, 1 << 20);
            measure(name, seconds, total, || {
                let mut count = 0;
                // The ids of messages repeat in every round, which therefore begins 10 s after the last one.
                round += 10_000_000;
                for octets in &datagrams {
                    let Ok(datagram) = decode(Variant::Current, octets) else { continue };
                    let Outcome::Message(message) = reassembler.push(round, SENDER, &datagram) else { continue };
                    out.clear();
                    if writer.append(&message, &mut out).is_err() {
                        continue;
                    }
                    if with_subscriptions {
                        let notice = subscriptions.observe(&out);
                        count += u32::from(!matches!(notice, Notice::Unknown(_)));
                    } else {
                        count += 1;
                    }
                }
                assert_eq!(count, MESSAGES);
                count
            });
        }
    }
}
