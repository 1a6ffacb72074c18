//! Messages out, confirmations in.

use super::link::append;
use super::session::{CHANNEL, Session, short};
use crate::settings;
use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::protocol::basic::{self, AMQPProperties};
use amq_protocol::protocol::{AMQPClass, channel};
use amq_protocol::types::ShortString;
use delivery::messages::Messages;
use delivery::{Fault, Receipt, Sum, WriteBatch};
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Instant;

/// Messages that may be on their way at a time.
const ON_THE_WAY: usize = 8192;
/// Octets that are written at once.
const WRITE: usize = 1 << 16;
/// The class of `basic` methods.
const BASIC: u16 = 60;
/// The delivery mode of messages that are to survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Sends what the receipt does not have yet, and waits for all confirmations.
pub(super) fn publish(
    settings: &settings::Amqp,
    session: &mut Session,
    parcel: &WriteBatch,
    messages: &Messages<'_>,
    receipt: &mut Receipt,
) -> Result<(), Fault> {
    let deadline = Instant::now() + settings.timeout;
    let methods = methods(settings, &messages.head.topics)?;
    let mut properties = AMQPProperties::default()
        .with_content_type(ShortString::try_new(&*messages.head.content_type).unwrap_or_default());
    if settings.persistent {
        properties = properties.with_delivery_mode(PERSISTENT);
    }
    let prefix = format!("{}-", parcel.id);
    let mut window = Window::new(session.tag, &prefix);
    for (item, message) in (0u32..).zip(messages.iter()) {
        if receipt.has(item) {
            continue;
        }
        let Some(method) = methods.get(usize::from(message.topic)) else {
            return Err(Fault::Batch("a message has no routing key".to_owned()));
        };
        let mut id = String::with_capacity(prefix.len() + 10);
        // Writing to a `String` cannot fail.
        let _ = write!(id, "{prefix}{item}");
        properties = properties.with_message_id(ShortString::try_new(id).unwrap_or_default());
        let header = AMQPContentHeader {
            class_id: BASIC,
            body_size: message.payload.len() as u64,
            properties: std::mem::take(&mut properties),
        };
        let header = AMQPFrame::Header(CHANNEL, header);
        session.link.push_encoded(method);
        session.link.push(&header)?;
        session.link.push_body(CHANNEL, message.payload);
        if let AMQPFrame::Header(_, header) = header {
            properties = header.properties;
        }
        window.sent(item, message.sum);
        session.tag += 1;
        if session.link.unwritten() >= WRITE {
            session.link.write(deadline)?;
            session.link.read_ready()?;
            while let Some(frame) = session.link.taken()? {
                window.take(session, frame, receipt)?;
            }
        }
        while window.open() >= ON_THE_WAY {
            window.wait(session, receipt, deadline)?;
        }
    }
    while window.open() > 0 {
        window.wait(session, receipt, deadline)?;
    }
    match window.nacked {
        0 => Ok(()),
        count => Err(Fault::Down(format!("the broker could not take {count} messages"))),
    }
}

/// The method that begins a message, for each routing key.
fn methods(settings: &settings::Amqp, keys: &[String]) -> Result<Vec<Vec<u8>>, Fault> {
    let exchange = short(&settings.exchange, "amqp_exchange")?;
    let method = |key: &String| {
        let publish = basic::Publish {
            exchange: exchange.clone(),
            // Trying again would not make it shorter.
            routing_key: ShortString::try_new(key).map_err(|error| Fault::Batch(error.to_string()))?,
            mandatory: true,
            immediate: false,
        };
        let mut octets = Vec::new();
        let class = AMQPClass::Basic(basic::AMQPMethod::Publish(publish));
        append(&mut octets, &AMQPFrame::Method(CHANNEL, class))?;
        Ok(octets)
    };
    keys.iter().map(method).collect()
}

/// A message on its way.
struct Sent {
    item: u32,
    sum: Sum,
    open: bool,
}

/// Messages on their way: those from the first that is neither confirmed nor refused.
struct Window<'a> {
    sent: VecDeque<Sent>,
    /// The broker's number of the first; the others follow without a gap.
    first: u64,
    /// How many are open.
    count: usize,
    nacked: u64,
    /// The words that came with a message that comes back, until its header tells which it is.
    returned: Option<basic::Return>,
    /// Beginning of the ids of messages.
    prefix: &'a str,
}

impl<'a> Window<'a> {
    fn new(first: u64, prefix: &'a str) -> Self {
        Self { sent: VecDeque::new(), first, count: 0, nacked: 0, returned: None, prefix }
    }

    fn open(&self) -> usize {
        self.count
    }

    fn sent(&mut self, item: u32, sum: Sum) {
        self.sent.push_back(Sent { item, sum, open: true });
        self.count += 1;
    }

    /// Writes what waits, and takes one frame.
    fn wait(&mut self, session: &mut Session, receipt: &mut Receipt, deadline: Instant) -> Result<(), Fault> {
        session.link.write(deadline)?;
        let frame = session.link.next(deadline).map_err(|fault| match (fault, &session.blocked) {
            (Fault::Down(what), Some(reason)) => {
                Fault::Down(format!("{what}: the broker takes nothing at the moment, it says: {reason}"))
            }
            (fault, _) => fault,
        })?;
        self.take(session, frame, receipt)
    }

    /// What a frame says about messages.
    fn take(&mut self, session: &mut Session, frame: AMQPFrame, receipt: &mut Receipt) -> Result<(), Fault> {
        match frame {
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
                self.settle(ack.delivery_tag, ack.multiple, |sent| receipt.confirm(sent.item))
            }
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Nack(nack))) => {
                let mut nacked = 0;
                self.settle(nack.delivery_tag, nack.multiple, |_| nacked += 1)?;
                self.nacked += nacked;
                Ok(())
            }
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Return(returned))) => {
                self.returned = Some(returned);
                Ok(())
            }
            AMQPFrame::Header(_, header) => {
                self.refuse(&header.properties, receipt);
                Ok(())
            }
            AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::Flow(_))) => {
                Err(Fault::Down("the broker asks for a pause".to_owned()))
            }
            AMQPFrame::Method(_, class) => session.look(&class, "amqp_exchange"),
            // The body of a message that comes back.
            _ => Ok(()),
        }
    }

    /// Closes one message, or all up to it (`multiple`; number 0 is the last).
    fn settle(&mut self, tag: u64, multiple: bool, mut each: impl FnMut(&Sent)) -> Result<(), Fault> {
        let last = self.first + self.sent.len() as u64;
        if tag >= last || (tag == 0 && !multiple) {
            return Err(Fault::Down(format!("it confirms message {tag} of {}", last.saturating_sub(1))));
        }
        let to = match tag {
            0 => self.sent.len(),
            // What was settled before has no place any more.
            tag => usize::try_from((tag + 1).saturating_sub(self.first)).unwrap_or(usize::MAX),
        };
        let from = if multiple { 0 } else { to.saturating_sub(1) };
        for sent in self.sent.range_mut(from..to).filter(|sent| sent.open) {
            sent.open = false;
            self.count -= 1;
            each(sent);
        }
        while self.sent.front().is_some_and(|sent| !sent.open) {
            self.sent.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    /// Refuses the message that came back; its confirmation follows and has nothing more to say.
    fn refuse(&mut self, properties: &AMQPProperties, receipt: &mut Receipt) {
        let id = properties.message_id().as_ref().map_or("", ShortString::as_str);
        let item = id.strip_prefix(self.prefix).and_then(|item| item.parse::<u32>().ok());
        let (Some(item), Some(returned)) = (item, self.returned.take()) else { return };
        let at = self.sent.partition_point(|sent| sent.item < item);
        if let Some(sent) = self.sent.get(at).filter(|sent| sent.item == item) {
            receipt.refuse(item, sent.sum, || {
                let (key, text) = (&returned.routing_key, &returned.reply_text);
                format!("no queue takes messages with the routing key '{key}' ({text})")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Settles, and says which items that closed.
    fn settle(window: &mut Window<'_>, tag: u64, multiple: bool) -> Result<Vec<u32>, Fault> {
        let mut items = Vec::new();
        window.settle(tag, multiple, |sent| items.push(sent.item))?;
        Ok(items)
    }

    #[test]
    fn confirmations_close_messages() {
        let mut window = Window::new(10, "");
        (0..5).for_each(|item| window.sent(item * 2, Sum::one(1, 1)));
        assert_eq!(settle(&mut window, 12, false), Ok(vec![4]));
        assert_eq!((window.open(), window.first), (4, 10));
        assert_eq!(settle(&mut window, 11, true), Ok(vec![0, 2]));
        assert_eq!((window.open(), window.first), (2, 13));
        // Late or doubled confirmations close nothing.
        assert_eq!(settle(&mut window, 11, false), Ok(vec![]));
        assert_eq!(settle(&mut window, 12, true), Ok(vec![]));
        assert!(settle(&mut window, 15, false).is_err());
        assert!(settle(&mut window, 0, false).is_err());
        assert_eq!(settle(&mut window, 0, true), Ok(vec![6, 8]));
        assert_eq!((window.open(), window.first), (0, 15));
    }

    #[test]
    fn what_comes_back_is_refused() {
        let mut window = Window::new(1, "7-1-");
        (0..3).for_each(|item| window.sent(item, Sum::one(u64::from(item), 100)));
        let mut receipt = Receipt::new(3);
        let properties = |id: &str| AMQPProperties::default().with_message_id(id.into());
        let returned = || basic::Return {
            reply_text: "NO_ROUTE".into(),
            routing_key: "acct".into(),
            ..basic::Return::default()
        };
        // Another's message, one that is not on its way, one that nothing was said of.
        for id in ["8-1-2", "7-1-3", "7-1-x", ""] {
            window.returned = Some(returned());
            window.refuse(&properties(id), &mut receipt);
        }
        window.returned = None;
        window.refuse(&properties("7-1-2"), &mut receipt);
        assert_eq!(receipt.refused(), None);
        window.returned = Some(returned());
        window.refuse(&properties("7-1-2"), &mut receipt);
        let (sum, reason) = receipt.refused().unwrap();
        assert_eq!(
            (sum, reason),
            (Sum::one(2, 100), "no queue takes messages with the routing key 'acct' (NO_ROUTE)")
        );
    }

    proptest! {
        /// Any confirmations close each message once at most, and never panic.
        #[test]
        fn each_message_is_closed_once(
            first in 1u64..5,
            settled in proptest::collection::vec((0u64..40, any::<bool>(), any::<bool>()), 0..60),
        ) {
            let mut window = Window::new(first, "");
            let (mut sent, mut closed) = (0u32, Vec::new());
            for (tag, multiple, send) in settled {
                if send {
                    window.sent(sent, Sum::default());
                    sent += 1;
                }
                closed.extend(settle(&mut window, tag, multiple).unwrap_or_default());
                prop_assert_eq!(window.open() + closed.len(), sent as usize);
            }
            closed.sort_unstable();
            closed.dedup();
            prop_assert_eq!(window.open() + closed.len(), sent as usize);
        }
    }
}
