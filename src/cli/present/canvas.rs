//! A grid of dots, two by four in a character, as braille.

/// The bits of a character's dots, by row and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// The braille character without any dot; its bits are added to it.
const BLANK: u32 = 0x2800;

/// Dots that are set or not; (0, 0) is the upper left.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    columns: usize,
    cells: Vec<u8>,
}

impl Canvas {
    pub(super) const DOTS_WIDE: usize = 2;
    pub(super) const DOTS_HIGH: usize = 4;

    /// An empty grid of `columns` by `rows` characters.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, cells: vec![0; columns * rows] }
    }

    /// Sets a dot; ignores one outside.
    fn set(&mut self, (x, y): (usize, usize)) {
        let (column, row) = (x / Self::DOTS_WIDE, y / Self::DOTS_HIGH);
        if column < self.columns
            && let Some(cell) = self.cells.get_mut(row * self.columns + column)
        {
            *cell |= BITS[y % Self::DOTS_HIGH][x % Self::DOTS_WIDE];
        }
    }

    /// Sets the dots of a straight line, including both ends.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let (across, down) = (from.0.abs_diff(to.0), from.1.abs_diff(to.1));
        let steps = across.max(down);
        // From one coordinate to another in `steps` steps, rounded to the nearest dot.
        let at = |from: usize, to: usize, step: usize| {
            let moved = (2 * from.abs_diff(to) * step + steps) / (2 * steps.max(1));
            if from <= to { from + moved } else { from - moved }
        };
        for step in 0..=steps {
            self.set((at(from.0, to.0, step), at(from.1, to.1, step)));
        }
    }

    /// The rows from top to bottom; a character without dots is a blank.
    pub(super) fn rows(&self) -> impl Iterator<Item = String> + '_ {
        let shown = |cell: &u8| match cell {
            0 => ' ',
            bits => char::from_u32(BLANK + u32::from(*bits)).unwrap_or(' '),
        };
        self.cells.chunks(self.columns.max(1)).map(move |row| row.iter().map(shown).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dot_has_its_place_in_the_character() {
        for (y, row) in BITS.iter().enumerate() {
            for (x, bit) in row.iter().enumerate() {
                let mut canvas = Canvas::new(2, 2);
                canvas.set((2 + x, 4 + y));
                let rows: Vec<String> = canvas.rows().collect();
                let dot = char::from_u32(BLANK + u32::from(*bit)).expect("a character");
                assert_eq!(rows, ["  ".to_owned(), format!(" {dot}")]);
            }
        }
    }

    #[test]
    fn lines_go_every_way_and_end_at_the_edge() {
        let check = |from, to, expect: &[&str]| {
            let mut canvas = Canvas::new(3, 1);
            canvas.line(from, to);
            let rows: Vec<String> = canvas.rows().collect();
            assert_eq!(rows, expect, "{from:?} to {to:?}");
        };
        check((0, 0), (0, 0), &["⠁  "]);
        check((0, 0), (0, 3), &["⡇  "]);
        check((0, 3), (5, 3), &["⣀⣀⣀"]);
        check((0, 3), (3, 0), &["⡠⠊ "]);
        check((3, 0), (0, 3), &["⡠⠊ "]);
        check((0, 0), (3, 3), &["⠑⢄ "]);
        check((0, 0), (90, 0), &["⠉⠉⠉"]);
    }
}
