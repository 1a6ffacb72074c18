//! Tags between a switch and the machine that manages it: they contain the port, at the offset of the EtherType in Ethernet.

use super::macs;
use crate::{Packet, tags};
use wire::{Reader, Truncated};

/// Length of a tag of both vendors, in octets.
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

/// Marvell with a configurable EtherType, and two unused octets.
pub(super) fn marvell_typed<'a>(r: &mut Reader<'a>, packet: &mut Packet<'a>) -> Result<(), Truncated> {
    macs(r, packet)?;
    r.take(4)?;
    dsa(r, packet)
}

/// The tag replaces a frame's VLAN tag and contains its values: priority and VLAN ID in its second half, as in 802.1Q. For
/// frames without a VLAN tag, they are those of the port.
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
