//! Keys on real sockets of the loopback interface, with both ends signing.

use super::*;
use crate::{Options, open};
use config::{Diagnostics, Origin};
use socket2::{Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// How long a connection that must fail is tried. Segments with a wrong signature are dropped silently.
const PATIENCE: Duration = Duration::from_millis(300);

fn keys(text: &str) -> Keys {
    let mut problems = Diagnostics::new();
    let keys = Keys::parse(&Origin::whole("keys.lst"), text.as_bytes(), &mut problems);
    assert_eq!(problems.iter().count(), 0);
    keys
}

fn listener(address: &str) -> TcpListener {
    open(address.parse().unwrap(), &Options::default()).unwrap().listener
}

/// Whether a peer with this address and key can connect; it must not take long if it should.
fn connects(listener: &TcpListener, source: &str, secret: Option<&Secret>, expected: bool) {
    let source: IpAddr = source.parse().unwrap();
    let socket = Socket::new(Domain::for_address((source, 0).into()), Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    let loopback: IpAddr = if source.is_ipv4() { [127, 0, 0, 1].into() } else { "::1".parse().unwrap() };
    if let Some(secret) = secret {
        sign(&socket, loopback, secret).unwrap();
    }
    let target = SocketAddr::from((loopback, listener.local_addr().unwrap().port()));
    let patience = if expected { Duration::from_secs(20) } else { PATIENCE };
    let connected = socket.connect_timeout(&target.into(), patience);
    assert_eq!(connected.is_ok(), expected, "{source} with {secret:?}: {connected:?}");
}

fn md5(key: &str) -> Secret {
    Secret::Md5(key.as_bytes().into())
}

/// Whether the kernel has TCP-MD5 (or TCP-AO); if not, the error says so.
fn has(text: &str, missing: &str) -> bool {
    let errors = InstalledKeys::new().replace(listener("127.0.0.1:0"), &keys(text));
    match errors.first() {
        None => true,
        Some(error) => {
            assert!(error.to_string().contains(missing), "{error}");
            false
        }
    }
}

fn has_md5() -> bool {
    has("192.0.2.1, x", "the kernel has no TCP-MD5; it needs CONFIG_TCP_MD5SIG")
}

#[test]
fn a_peer_with_a_key_connects_with_it_alone() {
    if !has_md5() {
        return;
    }
    // Addresses of IPv4 peers are mapped on a socket of IPv6.
    for address in ["127.0.0.1:0", "[::]:0"] {
        let listener = listener(address);
        let mut installed = InstalledKeys::new();
        let errors =
            installed.replace(&listener, &keys("127.0.1.1, s3cret\n127.0.2.0/24, prefix\n127.0.2.9, host\n"));
        assert!(errors.is_empty() && installed.len() == 3);
        connects(&listener, "127.0.1.1", Some(&md5("s3cret")), true);
        connects(&listener, "127.0.1.1", Some(&md5("S3cret")), false);
        connects(&listener, "127.0.1.1", None, false);
        // Others are not signed, and must not be.
        connects(&listener, "127.0.1.2", None, true);
        connects(&listener, "127.0.1.2", Some(&md5("s3cret")), false);
        // The longest prefix counts.
        connects(&listener, "127.0.2.7", Some(&md5("prefix")), true);
        connects(&listener, "127.0.2.9", Some(&md5("host")), true);
        connects(&listener, "127.0.2.9", Some(&md5("prefix")), false);
    }
}

#[test]
fn ipv6_peers_have_keys() {
    if !has_md5() {
        return;
    }
    for peer in ["::1", "::/64"] {
        let listener = listener("[::]:0");
        let errors = InstalledKeys::new().replace(&listener, &keys(&format!("{peer}, s3cret")));
        assert!(errors.is_empty());
        connects(&listener, "::1", Some(&md5("s3cret")), true);
        connects(&listener, "::1", None, false);
        connects(&listener, "127.0.0.1", None, true);
    }
}

#[test]
fn a_reload_adds_changes_and_deletes_keys() {
    if !has_md5() {
        return;
    }
    let listener = listener("127.0.0.1:0");
    let mut installed = InstalledKeys::new();
    assert!(installed.replace(&listener, &keys("127.0.1.1, one\n127.0.1.2, two\n127.0.3.0/24, net\n")).is_empty());
    assert!(
        installed.replace(&listener, &keys("127.0.1.2, new\n127.0.1.4, four\n127.0.3.0/25, net\n")).is_empty()
    );
    assert_eq!(installed.len(), 3);
    connects(&listener, "127.0.1.1", None, true);
    connects(&listener, "127.0.1.2", Some(&md5("new")), true);
    connects(&listener, "127.0.1.2", Some(&md5("two")), false);
    connects(&listener, "127.0.1.4", Some(&md5("four")), true);
    connects(&listener, "127.0.3.1", Some(&md5("net")), true);
    connects(&listener, "127.0.3.200", None, true);
    // The same keys again: nothing changes.
    assert!(
        installed.replace(&listener, &keys("127.0.3.0/25, net\n\n127.0.1.4, four\n127.0.1.2, new\n")).is_empty()
    );
    connects(&listener, "127.0.1.2", Some(&md5("new")), true);
    assert!(installed.replace(&listener, &Keys::default()).is_empty() && installed.is_empty());
    connects(&listener, "127.0.1.2", None, true);
}

#[test]
fn an_ipv4_socket_cannot_have_keys_of_ipv6_peers() {
    if !has_md5() {
        return;
    }
    let mut installed = InstalledKeys::new();
    let errors = installed.replace(listener("127.0.0.1:0"), &keys("::1, a\n127.0.0.1, b\n"));
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["TCP-MD5 key of ::1/128: the socket listens on an IPv4 address alone"]);
    assert_eq!((errors[0].line, installed.len()), (1, 1));
}

#[test]
fn keys_beyond_the_memory_of_a_socket_are_reported() {
    if !has_md5() {
        return;
    }
    let text: String = (0..8000).map(|n| format!("10.{}.{}.1, x\n", n / 256, n % 256)).collect();
    let mut installed = InstalledKeys::new();
    let errors = installed.replace(listener("127.0.0.1:0"), &keys(&text));
    assert_eq!(installed.len() + errors.len(), 8000);
    if let Some(error) = errors.first() {
        assert!(
            error.to_string().ends_with("too many keys; raise net.core.optmem_max, or use prefixes"),
            "{error}"
        );
    }
}

#[test]
fn peers_sign_with_tcp_ao_where_the_kernel_has_it() {
    const FIRST: &str = "127.0.1.1, ao:5/6:hmac-sha-1-96:s3cret\n";
    if !has(FIRST, "the kernel has no TCP-AO; it needs Linux 6.7 or later with CONFIG_TCP_AO") {
        return;
    }
    let ao = |send_id, receive_id, algorithm, key: &str| Secret::Ao {
        send_id,
        receive_id,
        algorithm,
        key: key.as_bytes().into(),
    };
    let listener = listener("127.0.0.1:0");
    let mut installed = InstalledKeys::new();
    assert!(installed.replace(&listener, &keys(FIRST)).is_empty());
    // The peer sends with the id that we receive.
    connects(&listener, "127.0.1.1", Some(&ao(6, 5, crate::Algorithm::HmacSha1, "s3cret")), true);
    connects(&listener, "127.0.1.1", Some(&ao(6, 5, crate::Algorithm::HmacSha1, "wrong")), false);
    connects(&listener, "127.0.1.1", None, false);
    // Another key beside it, then that alone, then TCP-MD5.
    let second = "127.0.1.1, ao:7:aes-128-cmac-96:next\n";
    assert!(installed.replace(&listener, &keys(&[FIRST, second].concat())).is_empty());
    connects(&listener, "127.0.1.1", Some(&ao(7, 7, crate::Algorithm::Aes128Cmac, "next")), true);
    assert!(installed.replace(&listener, &keys(second)).is_empty());
    connects(&listener, "127.0.1.1", Some(&ao(6, 5, crate::Algorithm::HmacSha1, "s3cret")), false);
    if has_md5() {
        assert!(installed.replace(&listener, &keys("127.0.1.1, s3cret")).is_empty());
        connects(&listener, "127.0.1.1", Some(&md5("s3cret")), true);
    }
}
