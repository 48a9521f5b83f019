//! The range in a buffer of the last line of each owner, mapping and vehicle: sessions keep these
//! last values. Ranges are noted as the lines are written; lines are copied only after the group is
//! durable, and only the last of each.

use std::ops::Range;

use crate::model::MappingKey;

/// The last lines of one message, or of one group.
#[derive(Debug, Default)]
pub(crate) struct LastLines {
    lines: Vec<Noted>,
    /// The vehicles' names, concatenated.
    vehicles: Vec<u8>,
}

/// One line. Ranges have 32 bits, because there may be as many of them as messages in a group. A
/// range that does not fit is noted as empty, and its line is not found.
#[derive(Clone, Debug)]
struct Noted {
    run: u32,
    mapping: MappingKey,
    /// In `vehicles`.
    vehicle: Range<u32>,
    /// In the payload of the buffer.
    line: Range<u32>,
}

/// A last line, with its run, mapping and vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastLine<'a> {
    /// The run of publishes that it came with, by its index in the group.
    pub run: usize,
    /// The mapping that wrote it.
    pub mapping: MappingKey,
    /// The vehicle that the mapping names.
    pub vehicle: &'a [u8],
    /// The line.
    pub line: &'a [u8],
}

impl LastLines {
    /// Bytes of memory that are allocated here.
    pub(crate) fn capacity(&self) -> usize {
        self.lines.capacity() * size_of::<Noted>() + self.vehicles.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.vehicles.clear();
    }

    /// Begins a mapping with its vehicle; its line is noted by [`Self::end`].
    pub(crate) fn begin(&mut self, vehicle: &[u8]) {
        self.vehicles.truncate(self.noted_vehicles());
        self.vehicles.extend_from_slice(vehicle);
    }

    /// Notes the range of the mapping's last line.
    pub(crate) fn end(&mut self, mapping: MappingKey, line: &Range<usize>) {
        let vehicle = self.noted_vehicles()..self.vehicles.len();
        self.lines.push(Noted { run: 0, mapping, vehicle: narrow(&vehicle), line: narrow(line) });
    }

    /// Adds a message's lines to those of its group. A line replaces the one before it, if that has
    /// the same run, mapping and vehicle.
    pub(crate) fn add(&mut self, message: &Self, run: usize) {
        let run = u32::try_from(run).unwrap_or(u32::MAX);
        for noted in &message.lines {
            let vehicle = message.vehicle(noted);
            if let Some(last) = self.lines.last()
                && last.run == run
                && last.mapping == noted.mapping
                && self.vehicle(last) == vehicle
                && let Some(last) = self.lines.last_mut()
            {
                last.line = noted.line.clone();
                continue;
            }
            let start = self.vehicles.len();
            self.vehicles.extend_from_slice(vehicle);
            let vehicle = narrow(&(start..self.vehicles.len()));
            self.lines.push(Noted { run, vehicle, ..noted.clone() });
        }
    }

    /// The lines in the order of their runs, as slices of the buffer's payload.
    pub(crate) fn lines<'a>(&'a self, payload: &'a [u8]) -> impl Iterator<Item = LastLine<'a>> {
        self.lines.iter().map(move |noted| LastLine {
            run: noted.run as usize,
            mapping: noted.mapping,
            vehicle: self.vehicle(noted),
            line: payload.get(widen(&noted.line)).unwrap_or_default(),
        })
    }

    fn vehicle(&self, noted: &Noted) -> &[u8] {
        self.vehicles.get(widen(&noted.vehicle)).unwrap_or_default()
    }

    /// The end of the names that have a noted line.
    fn noted_vehicles(&self) -> usize {
        self.lines.last().map_or(0, |last| last.vehicle.end as usize)
    }
}

fn narrow(range: &Range<usize>) -> Range<u32> {
    match (u32::try_from(range.start), u32::try_from(range.end)) {
        (Ok(start), Ok(end)) => start..end,
        _ => 0..0,
    }
}

fn widen(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(number: usize) -> MappingKey {
        MappingKey::of(&number.to_string())
    }

    fn message(lines: &[(&str, usize, Range<usize>)]) -> LastLines {
        let mut message = LastLines::default();
        for (vehicle, plan, line) in lines {
            message.begin(b"left by a mapping that failed");
            message.begin(vehicle.as_bytes());
            message.end(mapping(*plan), line);
        }
        message
    }

    #[test]
    fn a_run_keeps_the_last_line_of_each_mapping_and_vehicle_in_a_row() {
        let mut group = LastLines::default();
        group.add(&message(&[("A", 0, 0..2)]), 0);
        group.add(&message(&[("A", 0, 2..4)]), 0);
        group.add(&message(&[("A", 1, 4..6)]), 0);
        group.add(&message(&[("B", 1, 6..8)]), 0);
        group.add(&message(&[("B", 1, 8..10), ("B", 0, 10..12)]), 1);
        group.add(&LastLines::default(), 1);
        let found: Vec<_> = group
            .lines(b"a.a:b.c.d.e.")
            .map(|it| {
                let text = |bytes| str::from_utf8(bytes).expect("text");
                (it.run, it.mapping, text(it.vehicle), text(it.line))
            })
            .collect();
        assert_eq!(
            found,
            [
                (0, mapping(0), "A", "a:"),
                (0, mapping(1), "A", "b."),
                (0, mapping(1), "B", "c."),
                (1, mapping(1), "B", "d."),
                (1, mapping(0), "B", "e.")
            ]
        );
    }

    #[test]
    fn a_range_outside_the_payload_is_no_line() {
        let mut group = LastLines::default();
        group.add(&message(&[("A", 0, 5_000_000_000..5_000_000_010), ("A", 1, 2..9)]), 0);
        assert!(group.lines(b"abc").all(|it| it.line.is_empty() && it.vehicle == b"A"));
    }
}
