//! How many messages of a router a second of CPU time takes, in the thread of the intake: from the socket to the channel.
//!
//!     cargo run --release --package telemetry_grpc --example grpc_load
#![allow(clippy::print_stdout, reason = "it prints what it measured")]
#![allow(clippy::unwrap_used, reason = "it measures, or it fails")]

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustix::time::{ClockId, clock_gettime};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use telemetry_gpb::cisco::Form;
use telemetry_gpb::messages::cisco::telemetry_field::ValueByType;
use telemetry_gpb::messages::cisco::{MdtDialoutArgs, Telemetry, TelemetryField};
use telemetry_grpc::{Event, Intake, Limits, Listener, Service, Services, Settings};

/// Messages in a piece of data.
const BATCH: usize = 16;
/// Pieces of data.
const BATCHES: u64 = 20_000;

/// A body of the same piece of data, many times.
struct Repeated {
    batch: Bytes,
    left: u64,
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.batch.clone()))))
    }
}

fn main() {
    let leaf = |index: usize| TelemetryField {
        name: format!("counter-{}-name", index % 6),
        value_by_type: Some(ValueByType::Uint64Value(1 << (index + 10))),
        ..TelemetryField::default()
    };
    let content = TelemetryField {
        name: "content".to_owned(),
        fields: (0..36).map(leaf).collect(),
        ..TelemetryField::default()
    };
    let row = TelemetryField { timestamp: 1_700_000_000_000, fields: vec![content], ..TelemetryField::default() };
    let key_value = Telemetry { data_gpbkv: vec![row], ..Telemetry::default() }.encode_to_vec();
    let json = format!("{{\"text\": \"{}\"}}", "x".repeat(900)).into_bytes();
    for (name, data) in [("key-value, 36 counters", key_value), ("JSON", json)] {
        for _ in 0..3 {
            measure(name, &data);
        }
    }
}

fn measure(name: &str, data: &[u8]) {
    let message = MdtDialoutArgs { req_id: 1, data: data.to_vec(), errors: String::new() }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0], &length[..], &message].concat();
    let body = Repeated { batch: frame.repeat(BATCH).into(), left: BATCHES };
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let settings = Settings {
        listeners: vec![Listener { socket, services: Services::ALL, tls: None }],
        targets: Vec::new(),
        limits: Limits::default(),
        cisco_form: Form::KeyValue,
        replies: [0; Service::COUNT],
        admit: Arc::new(|_| true),
    };
    let (intake, handle, mut receiver) = Intake::new(settings).unwrap();
    let intake = std::thread::spawn(move || {
        intake.run().unwrap();
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    });
    let consumer = std::thread::spawn(move || {
        let mut messages = 0u64;
        while let Some(event) = receiver.blocking_recv() {
            messages += u64::from(matches!(event, Event::Message(_)));
        }
        messages
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(address, body));
    handle.stop();
    let seconds = intake.join().unwrap();
    let messages = consumer.join().unwrap();
    assert_eq!(messages, BATCHES * BATCH as u64);
    println!("{name}: {:.0} messages/s, {} octets", messages as f64 / seconds, message.len());
}

async fn send(address: SocketAddr, body: Repeated) {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let client = http2::Builder::new(TokioExecutor::new());
    let (mut client, connection) = client.handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{address}{}", Service::Cisco.path()));
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(body).unwrap();
    let mut answer = client.send_request(request).await.unwrap().into_body();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut answer).poll_frame(context)).await {
        let trailers = frame.unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
}
