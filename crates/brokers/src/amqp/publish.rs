//! Publishing of messages, and the confirmations of the broker.

use super::session::{Session, short_string};
use super::store_error;
use crate::settings;
use delivery::messages::{Message, Messages};
use delivery::{Receipt, StoreError, Sum, WriteBatch};
use futures_util::FutureExt;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// The maximum number of messages in flight. The client library scans all of them for each confirmation of several messages, so
/// more cost more than they gain: with 8192, a message took a fifth more CPU time.
const MAX_IN_FLIGHT: usize = 1024;
/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Sends the messages that the receipt does not list yet, and waits for all confirmations.
pub(super) fn publish(
    settings: &settings::Amqp,
    session: &mut Session,
    batch: &WriteBatch,
    messages: &Messages<'_>,
    receipt: &mut Receipt,
) -> Result<(), StoreError> {
    let publisher = Publisher::new(settings, session.channel.clone(), batch, messages)?;
    let mut answers = Answers::default();
    let missing = (0u32..).zip(messages.iter()).filter(|(item, _)| !receipt.has(*item));
    let mut in_flight = Vec::with_capacity(MAX_IN_FLIGHT);
    let run = {
        let sending = async {
            for (item, message) in missing {
                if in_flight.len() >= MAX_IN_FLIGHT {
                    wait_for_answers(&mut answers, &mut in_flight, MAX_IN_FLIGHT / 2).await;
                }
                let mut answer = Box::pin(publisher.send(item, message));
                // The first poll queues the message in the client library.
                match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => answers.add(item, answer),
                    Poll::Pending => in_flight.push((item, Some(answer))),
                }
            }
            let rest = in_flight.len();
            wait_for_answers(&mut answers, &mut in_flight, rest).await;
        };
        session.run(sending, settings.timeout)
    };
    // After a timeout, some confirmations have arrived that were not polled yet.
    for (item, answer) in in_flight {
        if let Some(answer) = answer.and_then(FutureExt::now_or_never) {
            answers.add(item, answer);
        }
    }
    let sums: Vec<Sum> = messages.iter().map(|message| message.sum).collect();
    let recorded = answers.record(receipt, &publisher.prefix, &sums);
    // The error that broke the connection says more than those that followed from it.
    run.and(recorded)
}

/// Waits for the answers to the first `count` messages. Begins with the last of them: when its answer is there, mostly all are,
/// and the thread was woken only once.
async fn wait_for_answers<F: Future<Output = lapin::Result<Confirmation>>>(
    answers: &mut Answers,
    sent: &mut Vec<(u32, Option<Pin<Box<F>>>)>,
    count: usize,
) {
    for (item, answer) in sent.iter_mut().take(count).rev() {
        if let Some(waiting) = answer {
            answers.add(*item, waiting.as_mut().await);
            *answer = None;
        }
    }
    sent.drain(..count);
}

/// What all messages of a write batch have in common.
struct Publisher {
    channel: Channel,
    exchange: ShortString,
    routing_keys: Vec<ShortString>,
    properties: BasicProperties,
    /// The common prefix of the message ids.
    prefix: String,
}

impl Publisher {
    fn new(
        settings: &settings::Amqp,
        channel: Channel,
        batch: &WriteBatch,
        messages: &Messages<'_>,
    ) -> Result<Self, StoreError> {
        let routing_key =
            |key: &String| ShortString::try_new(key).map_err(|error| StoreError::Batch(error.to_string()));
        let routing_keys: Vec<_> = messages.head.topics.iter().map(routing_key).collect::<Result<_, _>>()?;
        if messages.iter().any(|message| usize::from(message.topic) >= routing_keys.len()) {
            return Err(StoreError::Batch("a message has no routing key".to_owned()));
        }
        let content_type = ShortString::try_new(&*messages.head.content_type).unwrap_or_default();
        let properties = BasicProperties::default().with_content_type(content_type);
        Ok(Self {
            channel,
            exchange: short_string(&settings.exchange, "amqp_exchange")?,
            routing_keys,
            properties: if settings.persistent { properties.with_delivery_mode(PERSISTENT) } else { properties },
            prefix: format!("{}-", batch.id),
        })
    }

    /// Sends a message, and waits for its confirmation.
    async fn send(&self, item: u32, message: Message<'_>) -> lapin::Result<Confirmation> {
        let id = ShortString::try_new(format!("{}{item}", self.prefix)).unwrap_or_default();
        let sent = self.channel.basic_publish(
            self.exchange.clone(),
            self.routing_keys.get(usize::from(message.topic)).cloned().unwrap_or_default(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            message.payload,
            self.properties.clone().with_message_id(id),
        );
        sent.await?.await
    }
}

/// The answers of the broker to messages.
#[derive(Default)]
struct Answers {
    confirmed: Vec<u32>,
    nacked: u64,
    /// Messages that could not be routed to a queue. The client library attaches one to the next confirmation, which need not be
    /// that of the same message, and its own confirmation looks like any other. So all of these are recorded on the receipt
    /// before any confirmation.
    returned: Vec<BasicReturnMessage>,
    error: Option<StoreError>,
}

impl Answers {
    fn add(&mut self, item: u32, answer: lapin::Result<Confirmation>) {
        let returned = match answer {
            Ok(Confirmation::Ack(returned)) => {
                self.confirmed.push(item);
                returned
            }
            Ok(Confirmation::Nack(returned)) => {
                self.nacked += 1;
                returned
            }
            Ok(Confirmation::NotRequested) => {
                self.error
                    .get_or_insert_with(|| StoreError::Down("the channel does not confirm messages".to_owned()));
                None
            }
            Err(error) => {
                let error = store_error(&error, "amqp_exchange");
                // After the first error, the client library reports for all other messages only that the channel is not open.
                if self.error.is_none() || matches!(error, StoreError::Configuration { .. }) {
                    self.error = Some(error);
                }
                None
            }
        };
        self.returned.extend(returned);
    }

    /// Records the answers on the receipt; `sums` are those of the messages, `prefix` is the common prefix of their ids.
    fn record(self, receipt: &mut Receipt, prefix: &str, sums: &[Sum]) -> Result<(), StoreError> {
        for returned in &self.returned {
            let id = returned.properties.message_id().as_ref().map_or("", ShortString::as_str);
            let item = id.strip_prefix(prefix).and_then(|item| item.parse::<u32>().ok());
            let sum = item.and_then(|item| sums.get(item as usize));
            if let (Some(item), Some(sum)) = (item, sum) {
                receipt.refuse(item, *sum, || {
                    let (key, text) = (&returned.routing_key, &returned.reply_text);
                    format!("no queue takes messages with the routing key '{key}' ({text})")
                });
            }
        }
        self.confirmed.iter().for_each(|item| receipt.confirm(*item));
        match (self.error, self.nacked) {
            (Some(error), _) => Err(error),
            (None, 0) => Ok(()),
            (None, count) => Err(StoreError::Down(format!("the broker could not process {count} messages"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::message::Delivery;
    use proptest::prelude::*;

    fn returned(id: &str) -> BasicReturnMessage {
        let mut delivery = Delivery::mock(0, "pmacct".into(), "acct".into(), false, Vec::new());
        delivery.properties = BasicProperties::default().with_message_id(id.into());
        BasicReturnMessage { delivery, reply_code: 312, reply_text: "NO_ROUTE".into() }
    }

    fn sums(count: u32) -> Vec<Sum> {
        (0..count).map(|item| Sum::one(u64::from(item), 100)).collect()
    }

    #[test]
    fn returned_messages_are_refused_whichever_confirmation_they_came_with() {
        let mut answers = Answers::default();
        answers.add(2, Ok(Confirmation::Ack(None)));
        answers.add(0, Ok(Confirmation::Ack(Some(returned("7-1-2")))));
        let mut receipt = Receipt::new(3);
        assert_eq!(answers.record(&mut receipt, "7-1-", &sums(3)), Ok(()));
        assert_eq!((receipt.has(0), receipt.has(1), receipt.has(2)), (true, false, true));
        let reason = "no queue takes messages with the routing key 'acct' (NO_ROUTE)";
        assert_eq!(receipt.refused(), Some((Sum::one(2, 100), reason)));
    }

    #[test]
    fn returned_messages_with_other_ids_are_ignored() {
        let mut answers = Answers::default();
        for id in ["8-1-2", "7-1-3", "7-1-x", ""] {
            answers.add(0, Ok(Confirmation::Ack(Some(returned(id)))));
        }
        let mut receipt = Receipt::new(3);
        assert_eq!(answers.record(&mut receipt, "7-1-", &sums(3)), Ok(()));
        assert_eq!(receipt.refused(), None);
    }

    #[test]
    fn a_configuration_error_is_kept_over_the_errors_that_follow() {
        let mut answers = Answers::default();
        answers.add(0, Ok(Confirmation::Ack(None)));
        answers.add(1, Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()));
        answers.error = Some(StoreError::Configuration { key: "amqp_exchange", what: "gone".to_owned() });
        answers.add(2, Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()));
        let mut receipt = Receipt::new(3);
        let error = answers.record(&mut receipt, "7-1-", &sums(3)).unwrap_err();
        assert_eq!(error, StoreError::Configuration { key: "amqp_exchange", what: "gone".to_owned() });
        assert_eq!((receipt.has(0), receipt.has(1), receipt.has(2)), (true, false, false));
    }

    proptest! {
        /// Whatever a broker answers, a message is on the receipt only if it was confirmed or returned.
        #[test]
        fn only_confirmed_and_returned_messages_are_on_the_receipt(
            replies in proptest::collection::vec((any::<bool>(), proptest::option::of(0u32..60)), 0..40),
        ) {
            let mut answers = Answers::default();
            let mut expected = std::collections::BTreeSet::new();
            let count = replies.len() as u32;
            for (item, (ack, back)) in (0..count).zip(&replies) {
                let message = back.map(|back| returned(&format!("7-1-{back}")));
                expected.extend(back.filter(|back| *back < count));
                expected.extend(Some(item).filter(|_| *ack));
                answers.add(item, Ok(if *ack { Confirmation::Ack(message) } else { Confirmation::Nack(message) }));
            }
            let mut receipt = Receipt::new(count);
            let all = replies.iter().all(|(ack, _)| *ack);
            prop_assert_eq!(answers.record(&mut receipt, "7-1-", &sums(count)).is_ok(), all);
            prop_assert!((0..count).all(|item| receipt.has(item) == expected.contains(&item)));
        }
    }
}
