//! How wide each column of a table is, if it is there at all.

/// Blanks between two columns.
pub(super) const GAP: usize = 2;

/// What a column asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// To show everything.
    pub(super) natural: usize,
    /// Less is of no use.
    pub(super) least: usize,
}

/// The widths of the columns that are shown: as many of the first ones as fit at their least, but
/// one at least; then the widest that can give way do, until all of them fit.
pub(super) fn fit(wants: &[Want], width: usize) -> Vec<usize> {
    let gaps = |n: usize| GAP * n.saturating_sub(1);
    let shown = (1..=wants.len())
        .rev()
        .find(|n| wants[..*n].iter().map(|want| want.least).sum::<usize>() + gaps(*n) <= width)
        .unwrap_or(wants.len().min(1));
    let wants = &wants[..shown];
    let mut widths: Vec<usize> = wants.iter().map(|want| want.natural).collect();
    while widths.iter().sum::<usize>() + gaps(shown) > width {
        let yielding = (0..shown).filter(|at| widths[*at] > wants[*at].least);
        let Some(widest) = yielding.max_by_key(|at| widths[*at]) else { break };
        widths[widest] -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_text_gives_way_first_and_columns_leave_from_the_right() {
        let fixed = |natural| Want { natural, least: natural };
        let text = |natural| Want { natural, least: 8 };
        let check = |wants: &[Want], width: usize, expect: &[usize]| {
            assert_eq!(fit(wants, width), expect, "{width}");
        };
        let wants = [fixed(20), text(17), fixed(5), text(30)];
        check(&wants, 78, &[20, 17, 5, 30]);
        check(&wants, 77, &[20, 17, 5, 29]);
        check(&wants, 61, &[20, 15, 5, 15]);
        check(&wants, 47, &[20, 8, 5, 8]);
        // The fourth does not fit at its least, so the others have more room.
        check(&wants, 46, &[20, 17, 5]);
        check(&wants, 37, &[20, 8, 5]);
        check(&wants, 36, &[20, 14]);
        check(&wants, 20, &[20]);
        check(&wants, 3, &[20]);
        check(&[], 10, &[]);
    }
}
