//! What a switch, an access point or a translator of addresses did with the packet.

use super::records;
use crate::Words;
use wire::Mac;

records! {
    /// VLANs and priorities (802.1Q); 0 where there is no tag.
    Switch {
        /// VLAN that the packet came in.
        in_vlan: u32,
        /// Priority that it came with.
        in_priority: u32,
        /// VLAN that it is sent in.
        out_vlan: u32,
        /// Priority that it is sent with.
        out_priority: u32,
    }

    /// VLAN tags.
    VlanTags<'a> {
        /// The tags, outermost first: TPID in the upper 16 bits, TCI in the lower.
        tags: Words<'a>,
    }

    /// Ports after translation; those of the packet where nothing was translated.
    NatPorts {
        /// Source port.
        src: u32,
        /// Destination port.
        dst: u32,
    }

    /// What an encrypted 802.11 frame carries, decrypted.
    WifiPayload<'a> {
        /// Cipher suite: OUI in the upper 24 bits, type in the lower 8.
        cipher_suite: u32,
        /// Its octets.
        octets: &'a [u8],
    }

    /// How an 802.11 frame was received.
    WifiRx<'a> {
        /// SSID.
        ssid: &'a [u8],
        /// BSSID.
        bssid: Mac,
        /// 1: a, 2: b, 3: g, 4: n.
        version: u32,
        /// Channel.
        channel: u32,
        /// Bits per second.
        speed: u64,
        /// Ratio of signal and noise (RSNI of 802.11v).
        rsni: u32,
        /// Power (RCPI of 802.11v).
        rcpi: u32,
        /// Duration on the medium, in microseconds.
        duration_us: u32,
    }

    /// Transmission of an 802.11 frame.
    WifiTx<'a> {
        /// SSID.
        ssid: &'a [u8],
        /// BSSID.
        bssid: Mac,
        /// 1: a, 2: b, 3: g, 4: n.
        version: u32,
        /// Number of transmissions; 0 if unknown.
        transmissions: u32,
        /// Duration of the successful transmission on the medium, in microseconds.
        duration_us: u32,
        /// Duration of the retransmissions on the medium, in microseconds.
        retries_us: u32,
        /// Channel.
        channel: u32,
        /// Bits per second.
        speed: u64,
        /// Milliwatts.
        power_mw: u32,
    }

    /// The route in a Fibre Channel fabric (RFC 4625).
    FibreChannel {
        /// Length of the source mask, in bits.
        src_mask: u32,
        /// Length of the destination mask, in bits.
        dst_mask: u32,
        /// Address of the next-hop switch.
        next_hop: u32,
        /// Type (1 bit), protocol (7 bits) and metric (24 bits) of the route.
        metric: u32,
    }
}
