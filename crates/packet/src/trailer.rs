//! Trailers that some switches append to the frames that they mirror.
//!
//! A trailer is at a fixed distance from the end of the frame on the wire: a flag of four octets, then the index of the output
//! interface, also of four octets. Both are little-endian. Arista's switches append it; the flag that indicates an index depends on
//! the chip.

/// Returns the index of the output interface in a trailer. `offset` is the distance from the end of the frame to the trailer, in
/// octets, and `flag` the required flag. `None` without that flag, and for frames that were truncated by the capture, which are shorter
/// than `wire_length`.
pub fn output_interface(frame: &[u8], wire_length: u32, offset: usize, flag: u32) -> Option<u32> {
    if frame.len() as u64 != u64::from(wire_length) {
        return None;
    }
    let trailer = frame.get(frame.len().checked_sub(offset)?..)?;
    let (words, _) = trailer.as_chunks::<4>();
    match words {
        [found, interface, ..] if u32::from_le_bytes(*found) == flag => Some(u32::from_le_bytes(*interface)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_read_after_its_flag() {
        let frame = [9, 9, 9, 9, 9, 1, 0, 0, 0, 7, 1, 0, 0, 8, 8];
        assert_eq!(output_interface(&frame, 15, 10, 1), Some(263));
        assert_eq!(output_interface(&frame, 15, 10, 2), None, "another flag");
        assert_eq!(output_interface(&frame, 16, 10, 1), None, "the frame was cut");
        assert_eq!(output_interface(&frame, 15, 7, 7), None, "no room");
        assert_eq!(output_interface(&frame, 15, 16, 1), None, "before the frame");
    }
}
