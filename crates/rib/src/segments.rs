//! Vectors that grow while others wait: no step copies more than one segment.

/// A vector in segments of `N` elements. The first one grows as a `Vec` does; the others begin with all their room.
#[derive(Clone, Debug)]
pub(crate) struct Segments<T, const N: usize> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T, const N: usize> Default for Segments<T, N> {
    fn default() -> Self {
        Self { segments: Vec::new(), len: 0 }
    }
}

impl<T, const N: usize> Segments<T, N> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.segments.get(at / N)?.get(at % N)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.segments.get_mut(at / N)?.get_mut(at % N)
    }

    pub(crate) fn push(&mut self, new: T) {
        self.len += 1;
        match self.segments.last_mut() {
            Some(last) if last.len() < N => last.push(new),
            last => {
                let mut segment = Vec::with_capacity(if last.is_none() { 4.min(N) } else { N });
                segment.push(new);
                self.segments.push(segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_vector() {
        let mut segments = Segments::<u32, 8>::default();
        for number in 0..100 {
            assert_eq!((segments.len(), segments.get(number)), (number, None));
            segments.push(number as u32);
            *segments.get_mut(number).unwrap() += 1;
        }
        assert!((0..100).all(|number| segments.get(number) == Some(&(number as u32 + 1))));
    }
}
