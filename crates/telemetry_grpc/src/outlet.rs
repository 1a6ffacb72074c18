//! The way of messages out: decompression, conversion to JSON, and the queue.
//!
//! Streams take turns. The one whose turn it is uses the two buffers that all share, so that no message needs buffers of its own, and keeps
//! its turn until its payload is in the queue. While the queue is full, all streams wait, in the order in which their messages arrived.

use crate::Settings;
use crate::counters::{Counters, Ignored};
use crate::event::{End, Event, Message, Payload, Source};
use crate::frames::Frame;
use crate::limits::Limits;
use crate::service::Service;
use flate2::read::GzDecoder;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry_gpb::dial_out::Args;
use telemetry_gpb::{Fault, append_json, cisco, gnmi, huawei};
use tokio::sync::{Mutex, Semaphore, mpsc};

/// What a shared buffer keeps after a message.
const KEPT: usize = 1 << 20;

/// The end of the channel at which messages go in.
#[derive(Debug)]
pub(crate) struct Outlet {
    sender: mpsc::Sender<Event>,
    /// Bytes of payloads that may wait.
    queue: Arc<Semaphore>,
    buffers: Mutex<Buffers>,
    limits: Limits,
    cisco_form: cisco::Form,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Buffers {
    inflated: Vec<u8>,
    json: Vec<u8>,
}

/// What became of a message.
enum Decoded<'a> {
    /// JSON is in the buffer.
    Json,
    /// There is nothing to hand over.
    Ignored(Ignored),
    /// The data of the message is not what it should be.
    Undecoded(&'a [u8], Fault),
}

impl Outlet {
    pub(crate) fn new(settings: &Settings, counters: Arc<Counters>) -> (Self, mpsc::Receiver<Event>) {
        let limits = settings.limits;
        let (sender, receiver) = mpsc::channel(limits.events.max(1));
        let queue = Arc::new(Semaphore::new(limits.queue.min(Semaphore::MAX_PERMITS)));
        let buffers = Mutex::default();
        (Self { sender, queue, buffers, limits, cisco_form: settings.cisco_form, counters }, receiver)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Waits until nobody receives events any more.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Hands an event over. It is lost if nobody receives any more, which ends everything.
    pub(crate) async fn send(&self, event: Event) {
        let _ = self.sender.send(event).await;
    }

    /// Hands an event over unless the channel is full.
    pub(crate) fn offer(&self, event: Event) {
        let _ = self.sender.try_send(event);
    }

    /// Hands a message over.
    pub(crate) async fn deliver(&self, peer: SocketAddr, source: &Source, frame: Frame) -> Result<(), End> {
        let mut buffers = self.buffers.lock().await;
        let Buffers { inflated, json } = &mut *buffers;
        let octets = if frame.is_compressed {
            inflate(&frame.octets, self.limits.message, inflated)?;
            &inflated[..]
        } else {
            &frame.octets[..]
        };
        self.counters.message(source, octets.len());
        json.clear();
        let payload = match self.decode(source, octets, json) {
            Decoded::Json => Payload::Json(json.as_slice().into()),
            Decoded::Ignored(why) => {
                self.counters.ignored(why);
                return Ok(());
            }
            Decoded::Undecoded(octets, fault) => {
                self.counters.undecoded(&fault);
                Payload::Undecoded { octets: octets.into(), fault }
            }
        };
        for buffer in [inflated, json] {
            buffer.clear();
            buffer.shrink_to(KEPT);
        }
        // Of the frame, the payload is left.
        drop(frame);
        let (Payload::Json(bytes) | Payload::Undecoded { octets: bytes, .. }) = &payload;
        // One payload may be all that is in the queue.
        let share = bytes.len().min(self.limits.queue).min(Semaphore::MAX_PERMITS);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.queue).acquire_many_owned(share).await.map_err(|_| End::Stopped)?;
        let message = Message { peer, source: source.clone(), payload, _memory: memory };
        self.sender.send(Event::Message(message)).await.map_err(|_| End::Stopped)
    }

    fn decode<'a>(&self, source: &Source, octets: &'a [u8], json: &mut Vec<u8>) -> Decoded<'a> {
        let limits = &self.limits.json;
        let form = match source {
            Source::Target(_) => gnmi::Form::Notification,
            Source::DialOut(Service::Juniper) => gnmi::Form::Juniper,
            Source::DialOut(Service::Nokia) => gnmi::Form::Nokia,
            Source::DialOut(Service::Cisco) => {
                return self.decode_args(Service::Cisco, Args::cisco(octets), octets, json);
            }
            Source::DialOut(Service::Huawei) => {
                return self.decode_args(Service::Huawei, Args::huawei(octets), octets, json);
            }
        };
        match gnmi::to_json(octets, form, limits, json) {
            Ok(gnmi::Content::Update) => Decoded::Json,
            Ok(gnmi::Content::Sync) => Decoded::Ignored(Ignored::Sync),
            Ok(gnmi::Content::Error) => Decoded::Ignored(Ignored::Error),
            Ok(gnmi::Content::Empty) => Decoded::Ignored(Ignored::Empty),
            Err(fault) => Decoded::Undecoded(octets, fault),
        }
    }

    fn decode_args<'a>(
        &self,
        service: Service,
        args: Result<Args<'a>, Fault>,
        octets: &'a [u8],
        json: &mut Vec<u8>,
    ) -> Decoded<'a> {
        let limits = &self.limits.json;
        let args = match args {
            Ok(args) => args,
            Err(fault) => return Decoded::Undecoded(octets, fault),
        };
        if !args.errors.is_empty() {
            self.counters.router_error();
        }
        if args.is_blank() {
            return Decoded::Ignored(Ignored::Empty);
        }
        // The first octets of a message may be those of JSON: then it is not valid JSON.
        if args.is_json || args.looks_like_json() {
            match append_json(args.data, limits, json) {
                Ok(()) => return Decoded::Json,
                Err(fault) if args.is_json => return Decoded::Undecoded(args.data, fault),
                Err(_) => {}
            }
        }
        let result = match service {
            Service::Huawei => huawei::to_json(args.data, limits, json),
            _ => cisco::to_json(args.data, self.cisco_form, limits, json).map(drop),
        };
        match result {
            Ok(()) => Decoded::Json,
            // It was meant to be JSON, most likely.
            Err(_) if args.looks_like_json() => Decoded::Undecoded(args.data, Fault::NotJson),
            Err(fault) => Decoded::Undecoded(args.data, fault),
        }
    }
}

/// Decompresses a message (gzip, RFC 1952).
fn inflate(octets: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), End> {
    out.clear();
    let max = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(octets).take(max).read_to_end(out).map_err(|_| End::Compression)?;
    if out.len() > limit { Err(End::Size(out.len(), limit)) } else { Ok(()) }
}
