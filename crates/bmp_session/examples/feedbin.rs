#![allow(warnings)]
use bmp_session::*;
use std::collections::BTreeMap;
fn main() {
    let mut n: BTreeMap<String, u32> = BTreeMap::new();
    for f in std::env::args().skip(1) {
        let o = std::fs::read(&f).unwrap();
        let mut s = Session::new(Config::default());
        let mut d = bgp::update::Decoder::new();
        let mut i = &o[..];
        while let Some(r) = s.next(&mut i) {
            let what = match &r.event {
                Event::PeerUp { peer, change, message } => {
                    if *change == PeerChange::Replaced {
                        println!(
                            "{f}: replaced {:?} flags {:02x} ribs {:?}",
                            peer.key, message.peer.flags.0, peer.announced_ribs
                        );
                    }
                    format!("up {change:?}")
                }
                Event::PeerDown { peer, message } => {
                    format!("down known {} reason {}", peer.is_some(), message.reason)
                }
                Event::Routes { peer, decoding, message } => match d.decode(message.update.body(), decoding) {
                    Err(e) => {
                        println!(
                            "{f} at {}: {e} asn4 {} addpath {:?} {:?}",
                            r.position, decoding.asn4, decoding.add_path, message.peer
                        );
                        "update error".into()
                    }
                    Ok(u) => {
                        if !u.faults.is_empty() {
                            println!(
                                "{f} at {}: {:?} asn4 {} {:?}",
                                r.position,
                                u.faults,
                                decoding.asn4,
                                message.peer.rib_type()
                            );
                        }
                        let agreed = peer.decoding(message.peer.rib_type()).asn4;
                        format!(
                            "update ok {} asn4 {} agreed {} addpath {}",
                            message.peer.rib_type(),
                            decoding.asn4,
                            agreed,
                            !decoding.add_path.is_empty()
                        )
                    }
                },
                Event::UnknownPeer(m) => {
                    format!("unknown peer {} {}", f.rsplit('/').next().unwrap(), m.peer.rib_type())
                }
                Event::Statistics { peer, .. } => format!("stats {}", peer.is_some()),
                Event::Rejected(x) => {
                    println!("{f} {x}");
                    "rejected".into()
                }
                e => format!("{:?}", std::mem::discriminant(e)),
            };
            *n.entry(what).or_default() += 1;
            if r.fault.is_some() {
                *n.entry("fault".into()).or_default() += 1;
            }
        }
        s.disconnected();
        println!("{f}: {}", s.closed().unwrap());
    }
    for (k, v) in n {
        println!("{v} {k}");
    }
}
