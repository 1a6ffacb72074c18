//! Messages out, confirmations in.

use super::fault;
use super::session::{Session, short};
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

/// Messages that may be on their way at a time. The client looks through all of them at each confirmation of several, so that more
/// cost more than they gain: with 8192 a message took a fifth more CPU time.
const ON_THE_WAY: usize = 1024;
/// The delivery mode of messages that are to survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Sends what the receipt does not have yet, and waits for all confirmations.
pub(super) fn publish(
    settings: &settings::Amqp,
    session: &mut Session,
    batch: &WriteBatch,
    messages: &Messages<'_>,
    receipt: &mut Receipt,
) -> Result<(), StoreError> {
    let publisher = Publisher::new(settings, session.channel.clone(), batch, messages)?;
    let mut settled = Settled::default();
    let missing = (0u32..).zip(messages.iter()).filter(|(item, _)| !receipt.has(*item));
    let mut on_the_way = Vec::with_capacity(ON_THE_WAY);
    let run = {
        let sending = async {
            for (item, message) in missing {
                if on_the_way.len() >= ON_THE_WAY {
                    settle(&mut settled, &mut on_the_way, ON_THE_WAY / 2).await;
                }
                let mut answer = Box::pin(publisher.send(item, message));
                // The first poll queues the message with the client.
                match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) => settled.add(item, answer),
                    Poll::Pending => on_the_way.push((item, Some(answer))),
                }
            }
            let rest = on_the_way.len();
            settle(&mut settled, &mut on_the_way, rest).await;
        };
        session.run(sending, settings.timeout)
    };
    // When the time is up, some confirmations are there that nobody has asked for yet.
    for (item, answer) in on_the_way {
        if let Some(answer) = answer.and_then(FutureExt::now_or_never) {
            settled.add(item, answer);
        }
    }
    let sums: Vec<Sum> = messages.iter().map(|message| message.sum).collect();
    let settled = settled.onto(receipt, &publisher.prefix, &sums);
    // What broke the connection says more than what followed from it.
    run.and(settled)
}

/// Waits for the confirmations of the first so many messages. It begins with the last of them: when that is there, mostly all
/// are, and the thread was woken up once.
async fn settle<F: Future<Output = lapin::Result<Confirmation>>>(
    settled: &mut Settled,
    sent: &mut Vec<(u32, Option<Pin<Box<F>>>)>,
    count: usize,
) {
    for (item, answer) in sent.iter_mut().take(count).rev() {
        if let Some(waiting) = answer {
            settled.add(*item, waiting.as_mut().await);
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
    /// Beginning of the ids of messages.
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
            exchange: short(&settings.exchange, "amqp_exchange")?,
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

/// What the broker said of messages.
#[derive(Default)]
struct Settled {
    confirmed: Vec<u32>,
    nacked: u64,
    /// Messages that no queue takes. The client hands one over with the next confirmation, which need not be its own, and its
    /// own confirmation looks like that of any other message: so all of these come onto the receipt before any confirmation.
    returned: Vec<BasicReturnMessage>,
    fault: Option<StoreError>,
}

impl Settled {
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
                self.fault.get_or_insert_with(|| StoreError::Down("the channel does not confirm".to_owned()));
                None
            }
            Err(error) => {
                let fault = fault(&error, "amqp_exchange");
                // After the first error, the client says of all others only that the channel is not open.
                if self.fault.is_none() || matches!(fault, StoreError::Configuration { .. }) {
                    self.fault = Some(fault);
                }
                None
            }
        };
        self.returned.extend(returned);
    }

    /// Puts down what the broker said; `sums` are those of the messages, `prefix` the beginning of their ids.
    fn onto(self, receipt: &mut Receipt, prefix: &str, sums: &[Sum]) -> Result<(), StoreError> {
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
        match (self.fault, self.nacked) {
            (Some(fault), _) => Err(fault),
            (None, 0) => Ok(()),
            (None, count) => Err(StoreError::Down(format!("the broker could not take {count} messages"))),
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
    fn what_comes_back_is_refused_whichever_confirmation_it_came_with() {
        let mut settled = Settled::default();
        settled.add(2, Ok(Confirmation::Ack(None)));
        settled.add(0, Ok(Confirmation::Ack(Some(returned("7-1-2")))));
        let mut receipt = Receipt::new(3);
        assert_eq!(settled.onto(&mut receipt, "7-1-", &sums(3)), Ok(()));
        assert_eq!((receipt.has(0), receipt.has(1), receipt.has(2)), (true, false, true));
        let reason = "no queue takes messages with the routing key 'acct' (NO_ROUTE)";
        assert_eq!(receipt.refused(), Some((Sum::one(2, 100), reason)));
    }

    #[test]
    fn ids_of_others_refuse_nothing() {
        let mut settled = Settled::default();
        for id in ["8-1-2", "7-1-3", "7-1-x", ""] {
            settled.add(0, Ok(Confirmation::Ack(Some(returned(id)))));
        }
        let mut receipt = Receipt::new(3);
        assert_eq!(settled.onto(&mut receipt, "7-1-", &sums(3)), Ok(()));
        assert_eq!(receipt.refused(), None);
    }

    #[test]
    fn what_the_broker_objects_to_says_more_than_what_follows() {
        let mut settled = Settled::default();
        settled.add(0, Ok(Confirmation::Ack(None)));
        settled.add(1, Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()));
        settled.fault = Some(StoreError::Configuration { key: "amqp_exchange", what: "gone".to_owned() });
        settled.add(2, Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()));
        let mut receipt = Receipt::new(3);
        let fault = settled.onto(&mut receipt, "7-1-", &sums(3)).unwrap_err();
        assert_eq!(fault, StoreError::Configuration { key: "amqp_exchange", what: "gone".to_owned() });
        assert_eq!((receipt.has(0), receipt.has(1), receipt.has(2)), (true, false, false));
    }

    proptest! {
        /// Whatever a broker answers, a message is on the receipt only if it was confirmed or came back.
        #[test]
        fn only_what_the_broker_answered_is_on_the_receipt(
            answers in proptest::collection::vec((any::<bool>(), proptest::option::of(0u32..60)), 0..40),
        ) {
            let mut settled = Settled::default();
            let mut expected = std::collections::BTreeSet::new();
            let count = answers.len() as u32;
            for (item, (ack, back)) in (0..count).zip(&answers) {
                let message = back.map(|back| returned(&format!("7-1-{back}")));
                expected.extend(back.filter(|back| *back < count));
                expected.extend(Some(item).filter(|_| *ack));
                settled.add(item, Ok(if *ack { Confirmation::Ack(message) } else { Confirmation::Nack(message) }));
            }
            let mut receipt = Receipt::new(count);
            let all = answers.iter().all(|(ack, _)| *ack);
            prop_assert_eq!(settled.onto(&mut receipt, "7-1-", &sums(count)).is_ok(), all);
            prop_assert!((0..count).all(|item| receipt.has(item) == expected.contains(&item)));
        }
    }
}
