//! A capture file: pcap and pcapng, fragments, and TCP connections.
//!
//! Nothing is delivered twice: payloads and streams have no more octets than the file. The reader of datagrams passes on the same streams as the
//! reader of streams alone.
#![no_main]

use capture::Batch;
use capture::pcap_file::{Filled, Payloads, Settings, StreamEvent, StreamId, Streams};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A file in memory.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| format!("/dev/shm/pmacct-fuzz-{}", std::process::id()).into());

/// What happened to streams.
#[derive(Default)]
struct Log {
    events: Vec<String>,
    octets: usize,
    open: HashSet<StreamId>,
}

impl Log {
    fn note(&mut self, id: StreamId, event: StreamEvent<'_>) {
        match event {
            StreamEvent::Opened { .. } => assert!(self.open.insert(id), "{id:?} is open"),
            StreamEvent::Closed => assert!(self.open.remove(&id), "{id:?} is not open"),
            StreamEvent::Data(octets) => {
                assert!(self.open.contains(&id) && !octets.is_empty());
                self.octets += octets.len();
            }
            StreamEvent::Missing(octets) => assert!(self.open.contains(&id) && octets > 0),
        }
        self.events.push(format!("{id:?} {event:?}"));
    }
}

fuzz_target!(|input: &[u8]| {
    std::fs::write(&*FILE, input).expect("there is memory");
    let settings = Settings { path: FILE.clone(), ..Settings::default() };
    let Ok(mut streams) = Streams::open(&settings) else { return };
    let mut alone = Log::default();
    while streams.advance(|id, _, event| alone.note(id, event)).is_ok_and(|more| more) {}
    assert!(alone.octets <= input.len());

    let (mut with_datagrams, mut batch, mut octets) = (Log::default(), Batch::new(), 0);
    let mut payloads = Payloads::open(&settings).expect("it was opened before");
    while let Ok(Filled::Some) = payloads.fill_with_streams(&mut batch, |id, event| with_datagrams.note(id, event))
    {
        octets += batch.iter().map(|datagram| datagram.payload.len()).sum::<usize>();
    }
    assert!(octets + with_datagrams.octets <= input.len());
    assert_eq!(with_datagrams.events, alone.events);
});
