//! BGP messages in the bodies of messages.

use crate::error::{MessageError, Reason};
use bgp::message::{self, HEADER_LEN, Message, MessageType};
use wire::Reader;

/// The BGP message at the start of a reader, which must have the type. Its length may be up to 65535 octets: whether extended
/// messages were agreed does not matter here.
#[inline]
pub(crate) fn bgp_message<'a>(r: &mut Reader<'a>, wanted: MessageType) -> Result<Message<'a>, MessageError> {
    let at = r.at();
    let error = |reason| MessageError { at, reason };
    let header = |e| error(Reason::BgpHeader(e));
    let truncated = Reason::Truncated { wanted: HEADER_LEN, left: r.left() };
    let len = message::length(r.rest(), true).map_err(header)?.ok_or_else(|| error(truncated))?;
    let octets = r.take(len)?;
    let message = Message::first(octets, true).map_err(header)?.ok_or_else(|| error(truncated))?;
    if message.kind() == wanted {
        Ok(message)
    } else {
        Err(error(Reason::BgpType { wanted, found: message.kind() }))
    }
}

/// The error of octets that are left over.
pub(crate) fn trailing(r: &Reader<'_>) -> Option<MessageError> {
    let reason = Reason::Trailing { octets: r.left() };
    (!r.is_empty()).then(|| MessageError { at: r.at(), reason })
}
