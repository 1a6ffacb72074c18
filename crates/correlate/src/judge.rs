//! The validity of the routes to an end.

use crate::directory::Directory;
use crate::find::{End, Finder, Found};
use crate::shown::Origin;
use crate::write::UNKNOWN;
use rpki::{Judgement, Validity};
use wire::Prefix;

impl<D: Directory> Finder<'_, D> {
    /// The letter of an end, by the routes of the owner that cover it: from the longest to the first that is not invalid. `origin` is that of
    /// the longest.
    pub(crate) fn judge(&self, end: &End<D::Owner>, found: &Found, origin: Origin) -> u8 {
        let Some(vrps) = self.vrps else { return UNKNOWN };
        let validity = |found: &Found, origin: Origin| {
            let origin = match origin {
                Origin::Local => Some(self.directory.local_as(end.owner, found.peer)),
                Origin::As(asn) => Some(asn),
                Origin::None => None,
            };
            let prefix = Prefix::new(end.address, found.length);
            prefix.map_or(Validity::Unknown, |prefix| vrps.validity(&prefix, origin))
        };
        let longest = validity(found, origin);
        if longest != Validity::Invalid {
            return Judgement::from(longest).letter();
        }
        let shorter = self.covering(end, found, |shorter| {
            Some(validity(shorter, self.origin(shorter.attributes)))
                .filter(|validity| *validity != Validity::Invalid)
        });
        Judgement::of([longest].into_iter().chain(shorter)).letter()
    }
}
