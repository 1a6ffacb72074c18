//! What BGP and BMP differ in: by which address routes are found, and which routes count.

use crate::peers::Wanted;
use crate::spec::Search;
use rib::{PeerId, Route, TableKey};
use std::fmt::Debug;
use wire::{Afi, Asn, Family, RouteDistinguisher, Safi};

/// Whose routes there are in a RIB: the peers of BGP, or the routers of BMP.
pub trait Directory: Clone + Debug + Default + Send + Sync + 'static {
    /// Whose routes count for an end of a flow.
    type Owner: Copy + Debug + PartialEq + Send;

    /// Which routes of an owner count.
    type Filter: Copy + Debug + PartialEq;

    /// An owner may have several RIBs, and a route for a prefix in each of them.
    ///
    /// If so, all its routes count, and among several paths those with the next hop of the record are preferred. Otherwise no other paths
    /// count.
    const HAS_SEVERAL_RIBS: bool;

    /// The first owner with an address.
    fn find(&self, wanted: &Wanted, search: &Search) -> Option<Self::Owner>;

    /// Where routes are looked up in step 0, 1, …; `None` after the last one.
    fn place(
        step: u8,
        family: Family,
        distinguisher: RouteDistinguisher,
        search: &Search,
    ) -> Option<Place<Self::Filter>>;

    /// What a route of a family is to an owner; `None` without such an owner. Asked for each route of a prefix.
    fn relation(
        &self,
        owner: Self::Owner,
        filter: Self::Filter,
        family: (Afi, Safi),
    ) -> Option<impl Fn(&Route) -> Relation>;

    /// Whether an owner may have several paths for one prefix of a family (ADD-PATH). If not, no route is a [`Relation::Path`].
    fn has_paths(&self, owner: Self::Owner, family: (Afi, Safi)) -> bool;

    /// The AS that routes with an empty path come from.
    fn local_as(&self, owner: Self::Owner, peer: PeerId) -> Asn;
}

/// Where routes are looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<F> {
    /// The table.
    pub(crate) table: TableKey,
    /// Which of its routes count.
    pub(crate) filter: F,
}

/// What a route is to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A route of somebody else, or one that does not count.
    Other,
    /// Its route.
    Route,
    /// One of several paths that it may have (ADD-PATH).
    Path,
}
