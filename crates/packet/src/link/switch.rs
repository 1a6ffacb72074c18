//! Tags between a switch and the machine that manages it: they contain the port, at the place of the EtherType in Ethernet.

use super::macs;
use crate::{Packet, tags};
use wire::{Reader, Truncated};

/// Octets of a tag, with both makers.
pub(super) const TAG: usize = 4;

/// Broadcom: the tag is between addresses and EtherType.
pub(super) fn broadcom<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    macs(r, packet)?;
    r.take(TAG)?;
    let etype = r.u16()?;
    tags::follow(etype, r, packet)
}

/// Marvell: as with Broadcom.
pub(super) fn marvell<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    macs(r, packet)?;
    dsa(r, packet)
}

/// Marvell with an EtherType, which whoever sets the switch up chooses, and two octets that are not used.
pub(super) fn marvell_typed<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    macs(r, packet)?;
    r.take(4)?;
    dsa(r, packet)
}

/// The tag replaces a frame's VLAN tag, and contains its values: priority and number of the VLAN in its second half, as
/// 802.1Q has them. Of frames without such a tag, those are only the port's.
fn dsa<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    const WAS_TAGGED: u8 = 0x20;
    /// The bit of 802.1Q for frames that may be dropped means something else here.
    const NOT_OF_TAG: u16 = 0x1000;
    let at = r.at();
    let [first, _, high, low] = r.array::<TAG>()?;
    if first & WAS_TAGGED != 0 {
        packet.offsets.vlan = Some(at);
        packet.add_tag(u16::from_be_bytes([high, low]) & !NOT_OF_TAG);
    }
    let etype = r.u16()?;
    tags::follow(etype, r, packet)
}
