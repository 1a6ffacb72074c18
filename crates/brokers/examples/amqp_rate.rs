//! Messages per second that an AMQP broker confirms.
//!
//! ```text
//! cargo run --release -p brokers --no-default-features --features amqp --example amqp_rate -- \
//!     amqp://guest:guest@127.0.0.1:5672/ [MESSAGES [BATCH]]
//! ```
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use brokers::amqp::Amqp;
use brokers::settings;
use config::keys::amqp::ExchangeType;
use delivery::messages::{Builder, Message};
use delivery::{Backend, BatchId, Receipt, Sum, WriteBatch};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use std::time::{Duration, Instant};

/// The exchange and the queue; the queue is deleted with its connection.
const NAME: &str = "amqp_rate";
/// Bytes of a message: about the size of a JSON object with ten fields.
const PAYLOAD: usize = 300;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "amqp://guest:guest@127.0.0.1:5672/".to_owned());
    let total: u32 = arguments.next().map_or(200_000, |text| text.parse().unwrap());
    let batch: u32 = arguments.next().map_or(10_000, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let queue = runtime.block_on(queue(&url));

    let mut amqp = Amqp::new(settings(&url));
    amqp.open().unwrap();
    let mut rates: Vec<f64> = (0..5).map(|round| rate(&mut amqp, round, total, batch)).collect();
    amqp.close();
    drop(queue);
    rates.sort_by(f64::total_cmp);
    println!("messages/s: median {:.0}, lowest {:.0}, highest {:.0}", rates[2], rates[0], rates[4]);
}

fn rate(amqp: &mut Amqp, round: u32, total: u32, batch: u32) -> f64 {
    let payload = [b'x'; PAYLOAD];
    let mut builder = Builder::new("application/json", None);
    let began = Instant::now();
    for number in 0..total / batch {
        let topic = builder.topic(NAME).unwrap();
        for _ in 0..batch {
            builder.push(Message { topic, key: None, payload: &payload, sum: Sum::one(1, 1) });
        }
        let (items, sum) = (builder.count(), builder.sum());
        let id = BatchId { run: u64::from(round), number: u64::from(number) };
        let write_batch = WriteBatch { id, purge: 0, items, sum, body: builder.take() };
        let mut receipt = Receipt::new(batch);
        amqp.deliver(&write_batch, &mut receipt).unwrap();
        assert!((0..batch).all(|item| receipt.has(item)) && receipt.refused().is_none());
    }
    f64::from(total) / began.elapsed().as_secs_f64()
}

/// Declares a queue for the messages, which exists as long as the connection.
async fn queue(url: &str) -> Connection {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = ExchangeDeclareOptions::default();
    channel.exchange_declare(NAME.into(), ExchangeKind::Direct, options, FieldTable::default()).await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), 10_000.into());
    channel.queue_declare(NAME.into(), options, arguments).await.unwrap();
    let options = QueueBindOptions::default();
    channel.queue_bind(NAME.into(), NAME.into(), NAME.into(), options, FieldTable::default()).await.unwrap();
    connection
}

fn settings(url: &str) -> settings::Amqp {
    let uri: lapin::uri::AMQPUri = url.parse().unwrap();
    settings::Amqp {
        host: uri.authority.host,
        port: uri.authority.port,
        tls: None,
        user: uri.authority.userinfo.username,
        password: uri.authority.userinfo.password,
        vhost: "/".to_owned(),
        exchange: NAME.to_owned(),
        exchange_type: ExchangeType::Direct,
        persistent: false,
        frame_max: 131_072,
        heartbeat: 0,
        timeout: Duration::from_secs(60),
    }
}
