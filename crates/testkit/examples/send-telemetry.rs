//! Sends streaming telemetry to a collector, to measure what a message costs it:
//!
//! ```text
//! cargo run --release -p testkit --example send-telemetry -- tcp|udp|notif ADDRESS:PORT MESSAGES RATE [SEGMENT]
//! ```
//!
//! A message is a JSON object of about 700 octets with the counters of an interface, as YANG-Push and model-driven telemetry have them. With
//! `SEGMENT`, messages of UDP-notif are sent in segments of that many octets. RATE is in messages per second, which are sent one by one; 0
//! is no limit, and messages over TCP are then sent in large pieces.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use testkit::conditions::pause;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, target, count, rate, segment @ ..] = arguments.as_slice() else {
        return Err("usage: send-telemetry tcp|udp|notif ADDRESS:PORT MESSAGES RATE [SEGMENT]".to_owned());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let (count, rate) = (number(count)?, number(rate)?);
    let segment = segment.first().map(number).transpose()?.map_or(usize::MAX, |octets| octets as usize);
    let mut send = sender(kind, target, segment, rate > 0).map_err(|error| format!("{kind} {target}: {error}"))?;
    let begun = Instant::now();
    for id in 0..count {
        send(id).map_err(|error| format!("message {id}: {error}"))?;
        if rate > 0 {
            let due = Duration::from_secs_f64(id as f64 / rate as f64);
            let early = due.saturating_sub(begun.elapsed());
            if !early.is_zero() {
                pause(early);
            }
        }
    }
    println!("{count} messages in {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

type Send = Box<dyn FnMut(u64) -> std::io::Result<()>>;

fn sender(kind: &str, target: &str, segment: usize, is_paced: bool) -> std::io::Result<Send> {
    let mut text = Vec::new();
    if kind == "tcp" {
        let mut stream = TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        let mut buffer = Vec::new();
        return Ok(Box::new(move |id| {
            message(id, &mut text);
            buffer.extend_from_slice(&text);
            if is_paced || buffer.len() > 32 * 1024 || id % 1000 == 999 {
                stream.write_all(&buffer)?;
                buffer.clear();
            }
            Ok(())
        }));
    }
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(target)?;
    let is_notif = kind == "notif";
    let mut datagram = Vec::new();
    Ok(Box::new(move |id| {
        message(id, &mut text);
        if !is_notif {
            return socket.send(&text).map(drop);
        }
        let pieces = text.chunks(segment.min(60_000));
        let count = pieces.len();
        for (number, piece) in pieces.enumerate() {
            let options = if count > 1 { 4 } else { 0 };
            datagram.clear();
            datagram.extend_from_slice(&[0x21, 12 + options]);
            datagram.extend_from_slice(&(12 + u16::from(options) + piece.len() as u16).to_be_bytes());
            datagram.extend_from_slice(&1u32.to_be_bytes());
            datagram.extend_from_slice(&(id as u32).to_be_bytes());
            if count > 1 {
                datagram.extend_from_slice(&[1, 4]);
                datagram.extend_from_slice(&((number as u16) << 1 | u16::from(number + 1 == count)).to_be_bytes());
            }
            datagram.extend_from_slice(piece);
            socket.send(&datagram)?;
        }
        Ok(())
    }))
}

/// A notification with the counters of an interface.
fn message(id: u64, out: &mut Vec<u8>) {
    out.clear();
    let octets = id.wrapping_mul(1_000_003);
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        concat!(
            r#"{{"ietf-yp-notification:envelope":{{"event-time":"2026-11-01T00:00:00.{:06}Z","hostname":"router-1","#,
            r#""sequence-number":{},"contents":{{"ietf-yang-push:push-update":{{"id":5,"datastore-contents":"#,
            r#"{{"openconfig-interfaces:interfaces":{{"interface":[{{"name":"HundredGigE0/0/0/{}","state":{{"counters":{{"#,
            r#""in-octets":"{octets}","in-unicast-pkts":"{}","in-multicast-pkts":"53","in-broadcast-pkts":"0","in-errors":"0","#,
            r#""in-discards":"12","out-octets":"{octets}","out-unicast-pkts":"{}","out-multicast-pkts":"9","out-broadcast-pkts":"0","#,
            r#""out-errors":"0","out-discards":"0","carrier-transitions":"1","last-clear":"2026-10-01T00:00:00Z"}},"#,
            r#""enabled":true,"oper-status":"UP","admin-status":"UP","mtu":9216,"ifindex":{}}}}}]}}}}}}}}}}}}"#
        ),
        id % 1_000_000,
        id,
        id % 64,
        octets / 700,
        octets / 900,
        id % 64,
        octets = octets,
    );
}
