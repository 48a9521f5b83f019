//! Points of one message that have equal series and equal time.
//!
//! For equal series and time every store silently keeps one point. So the mapping's `duplicates`
//! decides here, before the spool, what happens to such points, and merged points are counted.
//!
//! Points whose times only grow cannot be equal; one comparison per point finds that out. Only if
//! the times do not grow, all points of the message are examined: they are sorted by series and
//! time, so the cost is that of a sort, whatever the payload contains.

use std::{
    cmp::Ordering,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
};

use crate::{
    mapping::Duplicates,
    model::line as parts,
    uplink::{line, point::Line},
};

/// The points of one mapping of one message, and the scratch memory to resolve them; one per
/// worker.
#[derive(Debug, Default)]
pub(crate) struct EqualPoints {
    points: Vec<Point>,
    /// The time of the last point; meaningless before the first.
    latest: i64,
    /// Whether some time was not later than the one before it, so that points may be equal.
    may_meet: bool,
    /// Indexes of `points`, by series and time.
    order: Vec<usize>,
    fields: Vec<Field>,
    tags: Vec<Range<usize>>,
    other_tags: Vec<Range<usize>>,
    text: Vec<u8>,
}

/// One point, as ranges of the buffer.
#[derive(Clone, Copy, Debug)]
struct Point {
    line: Line,
    /// Hash of the series; it does not depend on the order of the tags.
    hash: u64,
    /// What is done with it.
    resolution: Resolution,
}

/// What is done with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// It is written as it is.
    Kept,
    /// It is written with another time.
    MovedTo(i64),
    /// It is left out: a later point replaces it or has taken its fields.
    Removed,
    /// It is written with the fields of all points from this index of `order` up to its own.
    Merged(usize),
}

/// A field of points that merge.
#[derive(Clone, Debug)]
struct Field {
    key: Range<usize>,
    /// Key and value.
    whole: Range<usize>,
}

/// The result of resolving equal points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// How many points were left out.
    pub(crate) merged: u32,
    /// The last line that is left.
    pub(crate) last: Range<usize>,
    /// The most fields of a point that others were merged into.
    pub(crate) fields_most: usize,
}

impl EqualPoints {
    /// Begins a mapping's points.
    pub(crate) fn begin(&mut self) {
        self.points.clear();
        self.may_meet = false;
    }

    /// Notes a line that has just been appended.
    #[inline]
    pub(crate) fn note(&mut self, line: Line) {
        self.may_meet |= !self.points.is_empty() && line.time <= self.latest;
        self.latest = line.time;
        self.points.push(Point { line, hash: 0, resolution: Resolution::Kept });
    }

    /// Resolves equal points among those noted, whose lines are at the end of `buffer`; `None` if
    /// no two points are equal.
    pub(crate) fn resolve(
        &mut self,
        duplicates: Duplicates,
        buffer: &mut Vec<u8>,
    ) -> Option<Resolved> {
        if !self.may_meet || !self.decide(duplicates, buffer) {
            return None;
        }
        Some(self.rewrite(buffer))
    }

    /// Decides the resolution of every point; false if no two points are equal.
    fn decide(&mut self, duplicates: Duplicates, buffer: &[u8]) -> bool {
        for point in &mut self.points {
            point.hash = hash_of(&buffer[point.line.series()]);
        }
        self.order.clear();
        self.order.extend(0..self.points.len());
        let points = &self.points;
        self.order.sort_unstable_by_key(|at| (points[*at].hash, points[*at].line.time, *at));
        let mut has_met = false;
        let mut first = 0;
        for at in 1..=self.order.len() {
            if at < self.order.len() && self.meet(self.order[at - 1], self.order[at], buffer) {
                continue;
            }
            if at - first > 1 {
                has_met = true;
                self.decide_group(duplicates, first..at);
            }
            first = at;
        }
        if has_met && duplicates == Duplicates::OffsetNs {
            self.spread(buffer);
        }
        has_met
    }

    /// Whether two points have equal series and time.
    fn meet(&mut self, one: usize, other: usize, buffer: &[u8]) -> bool {
        let (one, other) = (self.points[one], self.points[other]);
        one.hash == other.hash
            && one.line.time == other.line.time
            && self.same_series(&buffer[one.line.series()], &buffer[other.line.series()])
    }

    /// Whether two series are equal; a vehicle may write its tags in any order.
    fn same_series(&mut self, one: &[u8], other: &[u8]) -> bool {
        if one == other {
            return true;
        }
        if one.len() != other.len() || measurement_of(one) != measurement_of(other) {
            return false;
        }
        sorted_tags(one, &mut self.tags);
        sorted_tags(other, &mut self.other_tags);
        let texts = self.tags.iter().map(|tag| &one[tag.clone()]);
        texts.eq(self.other_tags.iter().map(|tag| &other[tag.clone()]))
    }

    /// Decides the resolution of equal points, given by their indexes in `order`.
    fn decide_group(&mut self, duplicates: Duplicates, group: Range<usize>) {
        let last = group.end - 1;
        for at in group.clone() {
            let resolution = match duplicates {
                Duplicates::Merge if at == last => Resolution::Merged(group.start),
                Duplicates::KeepLast if at == last => Resolution::Kept,
                Duplicates::Merge | Duplicates::KeepLast => Resolution::Removed,
                Duplicates::OffsetNs => Resolution::MovedTo(self.points[self.order[at]].line.time),
            };
            self.points[self.order[at]].resolution = resolution;
        }
    }

    /// Gives the points of each series distinct times, each at least a nanosecond after the one
    /// before.
    fn spread(&mut self, buffer: &[u8]) {
        let mut before: Option<(usize, i64)> = None;
        for at in 0..self.order.len() {
            let index = self.order[at];
            let Point { line, hash, .. } = self.points[index];
            let mut time = line.time;
            if let Some((other, latest)) = before
                && time <= latest
                && self.points[other].hash == hash
                && self
                    .same_series(&buffer[self.points[other].line.series()], &buffer[line.series()])
            {
                time = latest.saturating_add(1);
            }
            self.points[index].resolution =
                if time == line.time { Resolution::Kept } else { Resolution::MovedTo(time) };
            before = Some((index, time));
        }
    }

    /// Writes what is left in place of all.
    fn rewrite(&mut self, buffer: &mut Vec<u8>) -> Resolved {
        let Some(start) = self.points.first().map(|point| point.line.start) else {
            return Resolved { merged: 0, last: 0..0, fields_most: 0 };
        };
        self.text.clear();
        let mut resolved = Resolved { merged: 0, last: start..start, fields_most: 0 };
        // The index in `order` of each point that others are merged into: it is the last of its
        // group.
        let mut places = std::mem::take(&mut self.order);
        for index in 0..self.points.len() {
            let from = self.text.len();
            let Point { line, resolution, .. } = self.points[index];
            match resolution {
                Resolution::Removed => {
                    resolved.merged += 1;
                    continue;
                }
                Resolution::Kept => self.text.extend_from_slice(&buffer[line.start..line.end]),
                Resolution::MovedTo(time) => {
                    self.text.extend_from_slice(&buffer[line.start..line.time_start]);
                    line::push_digits(&mut self.text, time);
                    self.text.push(b'\n');
                }
                Resolution::Merged(first) => {
                    let mut group = places[first..].iter();
                    let len = group.position(|other| *other == index).unwrap_or_default() + 1;
                    self.push_merged(&places[first..first + len], buffer);
                    resolved.fields_most = resolved.fields_most.max(self.fields.len());
                }
            }
            resolved.last = start + from..start + self.text.len();
        }
        std::mem::swap(&mut self.order, &mut places);
        buffer.truncate(start);
        buffer.extend_from_slice(&self.text);
        resolved
    }

    /// Writes one line with the fields of all points of the group. Of equal keys the last value is
    /// written, at the position of the first.
    fn push_merged(&mut self, group: &[usize], buffer: &[u8]) {
        self.fields.clear();
        for index in group {
            let line = self.points[*index].line;
            let whole = &buffer[line.start..line.end];
            let series = &buffer[line.series()];
            for (key, value) in parts::fields_behind(whole, series) {
                // Both are slices of `buffer`.
                let at = key.as_ptr().addr() - buffer.as_ptr().addr();
                let end = value.as_ptr().addr() - buffer.as_ptr().addr() + value.len();
                self.fields.push(Field { key: at..at + key.len(), whole: at..end });
            }
        }
        let by_key = |one: &Field, other: &Field| -> Ordering {
            let keys = buffer[one.key.clone()].cmp(&buffer[other.key.clone()]);
            keys.then(one.key.start.cmp(&other.key.start))
        };
        self.fields.sort_unstable_by(by_key);
        // The first field of each key keeps its position and gets the value of the last.
        self.fields.dedup_by(|next, first| {
            let is_same = buffer[next.key.clone()] == buffer[first.key.clone()];
            if is_same {
                first.whole = next.whole.clone();
            }
            is_same
        });
        self.fields.sort_unstable_by_key(|field| field.key.start);
        if let Some(last) = group.last() {
            let line = self.points[*last].line;
            self.text.extend_from_slice(&buffer[line.series()]);
            for (index, field) in self.fields.iter().enumerate() {
                self.text.push(if index == 0 { b' ' } else { b',' });
                self.text.extend_from_slice(&buffer[field.whole.clone()]);
            }
            self.text.push(b' ');
            self.text.extend_from_slice(&buffer[line.time_start..line.end]);
        }
    }
}

/// The measurement of a series.
fn measurement_of(series: &[u8]) -> &[u8] {
    let first_tag = parts::tags(series).next();
    match first_tag {
        // The comma is before the key.
        Some((key, _)) => &series[..key.as_ptr().addr() - series.as_ptr().addr() - 1],
        None => series,
    }
}

/// The tags of a series, each with its key and value, in the order of their bytes.
fn sorted_tags(series: &[u8], into: &mut Vec<Range<usize>>) {
    into.clear();
    into.extend(parts::tags(series).map(|(key, value)| {
        let at = key.as_ptr().addr() - series.as_ptr().addr();
        at..value.as_ptr().addr() - series.as_ptr().addr() + value.len()
    }));
    into.sort_unstable_by(|one, other| series[one.clone()].cmp(&series[other.clone()]));
}

/// The same for equal series, whatever the order of their tags.
fn hash_of(series: &[u8]) -> u64 {
    let of = |bytes: &[u8]| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        hasher.finish()
    };
    let tags = parts::tags(series).map(|(key, value)| of(key).rotate_left(17) ^ of(value));
    tags.fold(of(measurement_of(series)), u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves lines as if one mapping had written them; checks the remaining lines and how many
    /// were merged.
    #[track_caller]
    fn check(duplicates: Duplicates, lines: &[&str], expect: &[&str], merged: u32) {
        let mut buffer = b"before x=1 1\n".to_vec();
        let mut points = EqualPoints::default();
        points.begin();
        for text in lines {
            let start = buffer.len();
            buffer.extend_from_slice(text.as_bytes());
            buffer.push(b'\n');
            let time_start = start + text.rfind(' ').expect("a time") + 1;
            let series_end = start + parts::series(text.as_bytes()).len();
            let time = buffer[time_start..buffer.len() - 1].to_vec();
            let time = String::from_utf8(time).expect("digits").parse().expect("a number");
            points.note(Line {
                start,
                series_end,
                time_start,
                end: buffer.len(),
                time,
                is_stamped: false,
            });
        }
        let resolved = points.resolve(duplicates, &mut buffer);
        let text = String::from_utf8(buffer.clone()).expect("text");
        let left: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(left, expect, "{duplicates:?}");
        assert_eq!(resolved.as_ref().map_or(0, |resolved| resolved.merged), merged);
        if let Some(Resolved { last, .. }) = resolved {
            assert_eq!(&buffer[last], format!("{}\n", expect.last().expect("one")).as_bytes());
        }
    }

    #[test]
    fn points_that_are_not_equal_stay_as_they_are() {
        let lines = ["m,a=1 x=1 5", "m,a=1 x=2 4", "m,a=2 x=3 5", "n,a=1 x=4 5"];
        for duplicates in [Duplicates::Merge, Duplicates::OffsetNs, Duplicates::KeepLast] {
            check(duplicates, &lines, &lines, 0);
            check(duplicates, &[], &[], 0);
        }
    }

    #[test]
    fn merging_keeps_every_field_and_the_last_value_of_each_key() {
        check(
            Duplicates::Merge,
            &["m,a=1 x=1,y=\"a b\" 5", "m,a=2 x=7 5", "m,a=1 z=t,x=2 5", "m,a=1 x=3 6"],
            &["m,a=2 x=7 5", "m,a=1 x=2,y=\"a b\",z=t 5", "m,a=1 x=3 6"],
            1,
        );
    }

    #[test]
    fn the_last_one_is_kept_whole() {
        check(
            Duplicates::KeepLast,
            &["m,a=1 x=1,y=2 5", "m,a=1 x=2 5", "m,a=1 x=3 5"],
            &["m,a=1 x=3 5"],
            2,
        );
    }

    #[test]
    fn offsets_never_equal_the_time_of_another_point_of_the_series() {
        check(
            Duplicates::OffsetNs,
            &["m x=1 5", "m x=2 5", "m x=3 6", "m x=4 5", "n x=5 5", "m x=6 99"],
            &["m x=1 5", "m x=2 6", "m x=3 8", "m x=4 7", "n x=5 5", "m x=6 99"],
            0,
        );
    }

    #[test]
    fn the_order_of_the_tags_does_not_change_the_series() {
        check(
            Duplicates::Merge,
            &["m,a=1,b=2 x=1 5", "m,b=2,a=1 y=1 5", "m,a=2,b=1 z=1 5", "m\\,a=1,b=2 z=1 5"],
            &["m,b=2,a=1 x=1,y=1 5", "m,a=2,b=1 z=1 5", "m\\,a=1,b=2 z=1 5"],
            1,
        );
    }

    /// Each point of one half of a message equals a point of the other half. The cost is that of a
    /// sort, so this ends at once.
    #[test]
    fn many_equal_points_cost_what_sorting_them_costs() {
        let lines: Vec<String> =
            (0..10_000).map(|index| format!("m k{index}={index} {}", index % 2)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let of = |parity: usize| {
            let fields = (0..5_000).map(|half| 2 * half + parity);
            let fields: Vec<String> = fields.map(|index| format!("k{index}={index}")).collect();
            format!("m {} {parity}", fields.join(","))
        };
        check(Duplicates::Merge, &lines, &[&of(0), &of(1)], 9_998);
    }
}
