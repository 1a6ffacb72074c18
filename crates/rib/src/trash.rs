//! Memory that is no longer used.
//!
//! The writer frees it when readers can enter the table again. To free is not always cheap: the allocator merges neighbours, and returns
//! memory to the system, which takes milliseconds at times.

use crate::body::Body;
use crate::routes::{List, Unit};
use crate::store::{LargeSets, Pages};
use crate::tree::Node;

/// What is to be freed. Vectors of vectors stand for their memory only: the inner ones are empty, or their elements own nothing.
#[derive(Debug, Default)]
pub(crate) struct Trash {
    pub(crate) units: Vec<Box<[Unit]>>,
    pub(crate) emptied: Vec<Vec<Unit>>,
    pub(crate) lists: Vec<Vec<List>>,
    pub(crate) v4: Vec<Vec<Node<u32>>>,
    pub(crate) v6: Vec<Vec<Node<u128>>>,
    pub(crate) octets: Vec<Box<[u8]>>,
    pub(crate) pages: Vec<Pages>,
    pub(crate) large: Vec<LargeSets>,
    #[expect(
        clippy::vec_box,
        reason = "they are boxed where they come from, and to free them is all that is left"
    )]
    pub(crate) bodies: Vec<Box<Body>>,
}

impl Trash {
    /// Frees everything. The table must not be locked.
    pub(crate) fn clear(&mut self) {
        let Self { units, emptied, lists, v4, v6, octets, pages, large, bodies } = self;
        units.clear();
        emptied.clear();
        lists.clear();
        v4.clear();
        v6.clear();
        octets.clear();
        pages.clear();
        large.clear();
        bodies.clear();
    }
}
