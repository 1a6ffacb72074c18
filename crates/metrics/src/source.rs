//! What other parts of the daemon show besides the table of counters: metrics of their own, and answers to queries.

use crate::family::Family;
use hyper::body::{Body, Bytes, Frame};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Receives a sample: its labels and its value.
pub type Sample<'a> = dyn FnMut(&[(&str, &str)], u64) + 'a;

/// Metrics of a part of the daemon. They are read by the endpoint's thread, so reading must not make others wait.
pub trait Source: Send + Sync {
    /// The families, which docs/metrics.md lists.
    fn families(&self) -> &'static [Family<'static>];

    /// Visits the samples of the family of that number.
    fn samples(&self, family: usize, sample: &mut Sample<'_>);

    /// Why the daemon is not ready, if it is not because of this part.
    fn unready(&self) -> Option<String> {
        None
    }

    /// Adds what `/readyz` says besides, a line each, without any effect on its status.
    fn remarks(&self, _remarks: &mut Vec<String>) {}
}

/// Answers to queries under one path.
pub trait Pages: Send + Sync {
    /// Answers a request for a path below its own. `query`: what follows the question mark.
    fn answer(&self, path: &str, query: &str) -> Reply;
}

/// The answer to a query.
pub enum Reply {
    /// There is no such page.
    NotFound,
    /// The query is invalid: what is wrong, and what would be right.
    Invalid(String),
    /// JSON objects, one per line, in pieces that are made while the client reads.
    Lines(Box<dyn Iterator<Item = Vec<u8>> + Send>),
}

/// The body of a response.
pub(crate) enum Content {
    Whole(Bytes),
    Pieces(Box<dyn Iterator<Item = Vec<u8>> + Send>),
}

impl Content {
    /// Whether it is made while the client reads.
    pub(crate) fn is_streamed(&self) -> bool {
        matches!(self, Self::Pieces(_))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Pieces(_) => "Pieces",
        })
    }
}

// A piece is made when the one before has been sent, so a slow client holds one piece.
impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            Self::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Self::Pieces(pieces) => pieces.find(|piece| !piece.is_empty()).map(Bytes::from),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }
}
