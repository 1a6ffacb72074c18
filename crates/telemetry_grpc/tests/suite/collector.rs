//! A collector that runs, and its events.

use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry_gpb::cisco::Form;
use telemetry_grpc::{
    Counters, End, Event, Handle, Intake, Limits, Listener, Message, Payload, Services, Settings, Source, Target,
    tls,
};
use testkit::{conditions, eventually};
use tokio::sync::mpsc;

pub(crate) const CISCO: &str = "/mdt_dialout.gRPCMdtDialout/MdtDialout";
pub(crate) const HUAWEI: &str = "/huawei_dialout.gRPCDataservice/dataPublish";
pub(crate) const JUNIPER: &str = "/Subscriber/DialOutSubscriber";
pub(crate) const NOKIA: &str = "/Nokia.SROS.DialoutTelemetry/Publish";

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    receiver: mpsc::Receiver<Event>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

pub(crate) fn limits() -> Limits {
    Limits { retry: (Duration::from_millis(20), Duration::from_millis(80)), ..Limits::default() }
}

pub(crate) fn settings() -> Settings {
    Settings {
        listeners: Vec::new(),
        targets: Vec::new(),
        limits: limits(),
        cisco_form: Form::KeyValue,
        replies: [0; 4],
        admit: Arc::new(|_| true),
    }
}

impl Collector {
    pub(crate) fn start(settings: Settings) -> Self {
        Self::listen(settings, Services::ALL, None)
    }

    pub(crate) fn with_targets(targets: Vec<Arc<Target>>) -> Self {
        Self::start(Settings { targets, ..settings() })
    }

    pub(crate) fn listen(settings: Settings, services: Services, tls: Option<tls::Server>) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let listeners = vec![Listener { socket, services, tls }];
        let (intake, handle, receiver) = Intake::new(Settings { listeners, ..settings }).unwrap();
        let thread = Some(std::thread::spawn(|| intake.run()));
        Self { address, handle, receiver, thread }
    }

    pub(crate) fn event(&mut self) -> Event {
        eventually("an event", || self.receiver.try_recv().ok())
    }

    /// The next message, and the events before it are passed over.
    pub(crate) fn message(&mut self) -> Message {
        loop {
            if let Event::Message(message) = self.event() {
                return message;
            }
        }
    }

    pub(crate) fn json(&mut self) -> Value {
        json(&self.message())
    }

    /// Why the next stream that ends does, and what it had.
    pub(crate) fn end(&mut self) -> (Source, End) {
        loop {
            if let Event::Closed { source, why, .. } = self.event() {
                return (source, why);
            }
        }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        self.handle.counters()
    }

    pub(crate) fn expect(&self, family: &str, label: &str, value: u64) {
        let counters = self.counters();
        let reached =
            conditions::within(Duration::from_secs(30), || (counters.value(family, label) == value).then_some(()));
        assert!(reached.is_some(), "{family}[{label}] is {}, not {value}", counters.value(family, label));
    }

    /// Stops it, and returns the events that were left.
    pub(crate) fn stop(mut self) -> Vec<Event> {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
        let mut left = Vec::new();
        while let Ok(event) = self.receiver.try_recv() {
            left.push(event);
        }
        left
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn json(message: &Message) -> Value {
    match &message.payload {
        Payload::Json(text) => serde_json::from_slice(text).unwrap(),
        other => panic!("{other:?}"),
    }
}
