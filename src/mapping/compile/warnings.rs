//! Warnings about what is allowed and most likely not intended.

use super::{
    build::LineProblems,
    paths::{Path, Side},
    points::PointsLevel,
};
use crate::mapping::file::MappingText;

/// Points of one message that all have one series and one time: `tagged` and `times` are the
/// payload fields that are tags and that the time is made of.
pub(super) fn of_points<'p>(
    text: &MappingText,
    mut tagged: impl Iterator<Item = &'p Path>,
    times: &[&Path],
    levels: &[PointsLevel],
) -> LineProblems {
    if levels.is_empty() || text.duplicates.is_some() {
        return LineProblems::new();
    }
    let line = text.points.as_ref().map_or(text.line, |points| points.line);
    let innermost = Side::of_level(levels.len() - 1);
    let is_of_element = |path: &Path| path.0 == innermost;
    // Without a time each point gets its own time of receipt.
    let is_distinct = times.is_empty()
        || tagged.any(is_of_element)
        || times.iter().any(|path| is_of_element(path));
    if is_distinct {
        return LineProblems::new();
    }
    let what = "`points` have the message's time and no tag of the element, so the points of one \
                message merge into one; name a tag or a time of the element, or say what is meant \
                with `duplicates` (merge, offset-ns, keep-last)";
    vec![(line, what.to_owned())]
}
