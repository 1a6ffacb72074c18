//! Trailers that some switches append to the frames that they mirror.
//!
//! A trailer stands at a fixed distance from the end of the frame as it was on the wire: a flag of four octets, then the number of the
//! interface that the frame left by, of four octets too. Both are little-endian. Arista's switches write it; which flag says that the
//! number is there depends on the chip.

/// Number of the output interface in a trailer. `offset` counts octets from the end of the frame to the start of the trailer,
/// `flag` is what must stand there. `None` without such a flag, and of frames that were cut when they were captured: `wire_length` is what
/// they had.
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
    fn the_interface_is_read_where_its_flag_stands() {
        let frame = [9, 9, 9, 9, 9, 1, 0, 0, 0, 7, 1, 0, 0, 8, 8];
        assert_eq!(output_interface(&frame, 15, 10, 1), Some(263));
        assert_eq!(output_interface(&frame, 15, 10, 2), None, "another flag");
        assert_eq!(output_interface(&frame, 16, 10, 1), None, "the frame was cut");
        assert_eq!(output_interface(&frame, 15, 7, 7), None, "no room");
        assert_eq!(output_interface(&frame, 15, 16, 1), None, "before the frame");
    }
}
