//! Displays several items, each on a line of its own.

use std::fmt;

/// Displays one item per line, without a line feed at the end.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a, T>(pub &'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_a_line() {
        assert_eq!(Listed(&[1, 2, 3]).to_string(), "1\n2\n3");
        assert_eq!(Listed::<u8>(&[]).to_string(), "");
    }
}
