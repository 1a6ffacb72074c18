//! Generates values from octets, for each type in records.

use crate::list::{AsPath, Words};
use crate::xdr::padded;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Mac, Reader};

/// A value generated from the next octets, or from zeros at their end.
pub(crate) trait Generate<'a>: Sized {
    fn generate(r: &mut Reader<'a>) -> Self;
}

fn array<const N: usize>(r: &mut Reader<'_>) -> [u8; N] {
    r.array().unwrap_or([0; N])
}

/// Up to 23 of the next octets.
fn some<'a>(r: &mut Reader<'a>) -> &'a [u8] {
    let [len] = array(r);
    r.take(usize::from(len % 24).min(r.left())).unwrap()
}

impl Generate<'_> for u32 {
    fn generate(r: &mut Reader<'_>) -> Self {
        u32::from_be_bytes(array(r))
    }
}

impl Generate<'_> for u64 {
    fn generate(r: &mut Reader<'_>) -> Self {
        u64::from_be_bytes(array(r))
    }
}

impl Generate<'_> for Ipv4Addr {
    fn generate(r: &mut Reader<'_>) -> Self {
        array::<4>(r).into()
    }
}

impl Generate<'_> for Ipv6Addr {
    fn generate(r: &mut Reader<'_>) -> Self {
        array::<16>(r).into()
    }
}

impl Generate<'_> for Option<IpAddr> {
    fn generate(r: &mut Reader<'_>) -> Self {
        match array::<1>(r)[0] % 3 {
            0 => None,
            1 => Some(Ipv4Addr::generate(r).into()),
            _ => Some(Ipv6Addr::generate(r).into()),
        }
    }
}

impl Generate<'_> for Mac {
    fn generate(r: &mut Reader<'_>) -> Self {
        Mac(array(r))
    }
}

impl<'a> Generate<'a> for &'a [u8] {
    fn generate(r: &mut Reader<'a>) -> Self {
        some(r)
    }
}

impl<'a> Generate<'a> for Words<'a> {
    fn generate(r: &mut Reader<'a>) -> Self {
        Words::new(some(r))
    }
}

/// One of two paths, or none: a view needs octets that lie somewhere.
impl<'a> Generate<'a> for AsPath<'a> {
    fn generate(r: &mut Reader<'a>) -> Self {
        const PATHS: [&[u8]; 2] = [
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0xfd, 0xe8, 0, 0, 0xfd, 0xe9],
            &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0],
        ];
        let path = PATHS.get(usize::from(array::<1>(r)[0] % 3));
        path.and_then(|octets| crate::encode::as_path(octets)).unwrap_or_default()
    }
}

#[test]
fn padding_is_skipped() {
    let mut r = Reader::new(&[1, 2, 3, 4, 5, 0, 0, 0, 9, 9]);
    assert_eq!(padded(&mut r, 5).unwrap().rest(), [1, 2, 3, 4, 5]);
    assert_eq!(padded(&mut r, 1).unwrap().rest(), [9]);
    assert!(r.is_empty());
}
