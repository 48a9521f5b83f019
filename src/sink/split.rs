//! Splits a refused batch into parts until exactly the bad lines are known.
//!
//! A request that a store refuses is halved at a line, each half sent on its own, down to single
//! lines. A line becomes a dead letter only if it was refused alone, or the store named it, or said
//! that it dropped every point of the request. So good lines are always stored: writing a line
//! again that an earlier, larger request already stored changes nothing.
//!
//! A part with several measurements is halved between two of them, as far as the order of its lines
//! allows: so a measurement that is refused whole is found after few requests, and the others do
//! not wait for it.
//!
//! A refusal that proves nothing, for instance because two writers collided, is doubted: the part
//! is sent again after all others, a single line up to [`Split::rounds_max`] times.
//!
//! Cost: `k` bad lines of `n` take about `2 k log2(n / k)` more requests, and with doubts
//! [`Split::rounds_max`] more for each. If many are bad, it takes little more than one request a
//! line, because few lines are then split into single ones at once. Parts are sent in the order of
//! their lines.

use std::ops::Range;

use crate::{
    model::line::{self, lines},
    store::Refusal,
};

/// A part of at most so many lines is split into single lines, if so many earlier lines were bad
/// that its halves would probably be refused as well.
const SINGLED_MAX: usize = 16;

/// The parts of one batch that are left to send.
#[derive(Debug)]
pub(super) struct Split {
    body_len: usize,
    /// Byte offset of each line's start and, last, of the body's end. Empty until the first
    /// refusal: nearly no batch is refused, and finding the lines reads every byte.
    bounds: Vec<usize>,
    /// What is left, the next part last. Before the first refusal it is the whole, as one part.
    left: Vec<Part>,
    /// Doubted parts, to be sent again when nothing else is left, the first one first.
    doubted: Vec<Part>,
    /// The batch was sent again once as a whole.
    is_repeated: bool,
    /// How often a line that was refused alone is sent again where the refusal is doubted.
    rounds_max: u32,
    /// Lines of parts that were accepted, since the first refusal, and lines that were refused.
    n_accepted: usize,
    n_refused: usize,
}

/// Lines of the batch that are sent together.
#[derive(Clone, Debug)]
struct Part {
    lines: Range<usize>,
    /// How often it was refused in words that do not prove that its lines are bad.
    doubts: u32,
}

/// A line that no request will get stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Where the line stands in the batch's body, its newline included.
    pub(super) bytes: Range<usize>,
    /// What the store said.
    pub(super) answer: String,
}

impl Split {
    /// The whole of a body of `body_len` bytes; nothing is left of an empty one.
    pub(super) fn whole(body_len: usize, rounds_max: u32) -> Self {
        let mut left = Vec::new();
        if body_len > 0 {
            left.push(Part { lines: 0..1, doubts: 0 });
        }
        let (bounds, doubted) = (Vec::new(), Vec::new());
        let (is_repeated, n_accepted, n_refused) = (false, 0, 0);
        Self { body_len, bounds, left, doubted, is_repeated, rounds_max, n_accepted, n_refused }
    }

    /// Two parts: the lines before byte `at`, and those from it on.
    pub(super) fn parted(body: &[u8], at: usize, rounds_max: u32) -> Self {
        let mut split = Self::whole(body.len(), rounds_max);
        let Some(whole) = split.next_part(body) else { return split };
        let middle = split.bounds.partition_point(|bound| *bound < at);
        for lines in [middle..whole.lines.end, 0..middle] {
            if !lines.is_empty() {
                split.left.push(Part { lines, doubts: 0 });
            }
        }
        split
    }

    /// The bytes to send next; `None` when every other line is stored, refused or doubted.
    pub(super) fn part(&self) -> Option<Range<usize>> {
        let part = self.left.last()?;
        Some(if self.bounds.is_empty() { 0..self.body_len } else { self.bytes(&part.lines) })
    }

    /// Starts the next round of doubted parts if nothing else is left; returns its number, from 1.
    pub(super) fn next_round(&mut self) -> Option<u32> {
        if !self.left.is_empty() || self.doubted.is_empty() {
            return None;
        }
        self.left.extend(self.doubted.drain(..).rev());
        self.left.iter().map(|part| part.doubts).max()
    }

    /// How many lines the batch has; 0 before the first refusal.
    pub(super) fn lines_count(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// The lines that are neither stored nor refused, in their order.
    pub(super) fn rest(&self, body: &[u8]) -> Vec<u8> {
        if self.bounds.is_empty() {
            return body.to_vec();
        }
        let mut parts: Vec<&Part> = self.left.iter().chain(&self.doubted).collect();
        parts.sort_by_key(|part| part.lines.start);
        parts.iter().flat_map(|part| &body[self.bytes(&part.lines)]).copied().collect()
    }

    /// The part is stored.
    pub(super) fn accepted(&mut self) {
        self.n_accepted += self.left.pop().map_or(0, |part| part.lines.len());
    }

    /// The part is stored except for the lines that the store named. If these cannot be lines of
    /// this part, the part counts as rejected: a line is never guessed.
    pub(super) fn partial(&mut self, body: &[u8], refused: &[Refusal]) -> Vec<Refused> {
        let Some(part) = self.next_part(body) else { return Vec::new() };
        let lines = part.lines.clone();
        let bytes = self.bytes(&lines);
        // A line feed inside a string: whether the store counts it as a line's end is unknown.
        let newlines = body[bytes].iter().filter(|byte| **byte == b'\n').count();
        let countable = newlines == lines.len();
        let mut named: Vec<usize> = refused.iter().map(|refusal| refusal.line).collect();
        named.sort_unstable();
        named.dedup();
        if !countable || named.last().is_none_or(|line| *line >= lines.len()) {
            let answer = refused.first().map_or("", |refusal| refusal.answer.as_str());
            return self.halve_or_refuse(body, &part, answer, None);
        }
        let refuse = |refusal: &Refusal| Refused {
            bytes: self.bytes(&(lines.start + refusal.line..lines.start + refusal.line + 1)),
            answer: refusal.answer.clone(),
        };
        let mut found: Vec<Refused> = refused.iter().map(refuse).collect();
        found.sort_by_key(|line| line.bytes.start);
        found.dedup_by_key(|line| line.bytes.start);
        found
    }

    /// The part was refused as it stands: its halves take its place, or, where nothing is left to
    /// halve, its lines are returned as refused.
    pub(super) fn rejected(
        &mut self,
        body: &[u8],
        answer: &str,
        dropped: Option<usize>,
    ) -> Vec<Refused> {
        match self.next_part(body) {
            Some(part) => self.halve_or_refuse(body, &part, answer, dropped),
            None => Vec::new(),
        }
    }

    /// The store takes no line of one of the part's measurements. If the part has only one, all its
    /// lines are refused.
    pub(super) fn measurement_rejected(&mut self, body: &[u8], answer: &str) -> Vec<Refused> {
        let Some(part) = self.next_part(body) else { return Vec::new() };
        match self.between_measurements(body, &part.lines) {
            None => self.refuse(&part.lines, answer),
            Some(_) => self.halve_or_refuse(body, &part, answer, None),
        }
    }

    /// The part was refused, and the refusal is doubted: it is sent again later, first whole, then
    /// in halves. A line that was doubted often enough is returned as refused.
    pub(super) fn doubtful(&mut self, body: &[u8], answer: &str) -> Vec<Refused> {
        let Some(mut part) = self.next_part(body) else { return Vec::new() };
        let is_lone = part.lines.len() == 1;
        if part.doubts >= self.rounds_max || (!is_lone && self.is_repeated) {
            return self.halve_or_refuse(body, &part, answer, None);
        }
        self.is_repeated |= !is_lone;
        part.doubts += 1;
        self.doubted.push(part);
        Vec::new()
    }

    fn halve_or_refuse(
        &mut self,
        body: &[u8],
        part: &Part,
        answer: &str,
        dropped: Option<usize>,
    ) -> Vec<Refused> {
        let lines = &part.lines;
        if lines.len() == 1 || dropped == Some(lines.len()) {
            self.n_refused += lines.len();
            return self.refuse(lines, answer);
        }
        // If a third of the lines are bad, a half of so few lines is rarely all good.
        if lines.len() <= SINGLED_MAX && self.n_accepted < 2 * self.n_refused {
            let single = |line| Part { lines: line..line + 1, doubts: 0 };
            self.left.extend(lines.clone().rev().map(single));
            return Vec::new();
        }
        let between = self.between_measurements(body, lines);
        let middle = between.unwrap_or(lines.start + lines.len() / 2);
        let half = |lines: Range<usize>| Part { lines, doubts: 0 };
        self.left.push(half(middle..lines.end));
        self.left.push(half(lines.start..middle));
        Vec::new()
    }

    fn refuse(&self, lines: &Range<usize>, answer: &str) -> Vec<Refused> {
        let refuse =
            |line| Refused { bytes: self.bytes(&(line..line + 1)), answer: answer.to_owned() };
        lines.clone().map(refuse).collect()
    }

    /// The border between two measurements that is next to the middle; `None` if all lines are of
    /// one measurement.
    fn between_measurements(&self, body: &[u8], lines: &Range<usize>) -> Option<usize> {
        let measurement =
            |at: usize| line::measurement_of(&body[self.bounds[at]..self.bounds[at + 1]]);
        let is_change = |at: &usize| measurement(*at) != measurement(*at - 1);
        let middle = lines.start + lines.len() / 2;
        let changes = (lines.start + 1..lines.end).filter(is_change);
        changes.min_by_key(|at| at.abs_diff(middle))
    }

    /// Takes the next part, as lines.
    fn next_part(&mut self, body: &[u8]) -> Option<Part> {
        assert_eq!(body.len(), self.body_len, "a batch does not change while it is split");
        let part = self.left.pop()?;
        if !self.bounds.is_empty() {
            return Some(part);
        }
        let mut end = 0;
        self.bounds.push(end);
        for line in lines(body) {
            end += line.len();
            self.bounds.push(end);
        }
        Some(Part { lines: 0..self.bounds.len() - 1, ..part })
    }

    fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        self.bounds[lines.start]..self.bounds[lines.end]
    }
}

/// The lines sorted by measurement, in the order in which the measurements first appear; `None` if
/// they are sorted. The lines of each measurement stay in their order.
pub(super) fn by_measurement(body: &[u8]) -> Option<Vec<u8>> {
    let mut groups: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let mut at: std::collections::HashMap<&[u8], usize> = std::collections::HashMap::new();
    let mut last = None;
    let mut is_mixed = false;
    for line in lines(body) {
        let measurement = line::measurement_of(line);
        let group = *at.entry(measurement).or_insert_with(|| {
            groups.push((measurement, Vec::new()));
            groups.len() - 1
        });
        is_mixed |= last.is_some_and(|last| group < last);
        last = Some(group);
        groups[group].1.extend_from_slice(line);
    }
    is_mixed.then(|| groups.into_iter().flat_map(|(_, lines)| lines).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// How a store refuses requests with a bad line.
    #[derive(Clone, Copy, Debug)]
    enum Manner {
        /// The whole request is refused and nothing is said about the lines.
        Whole,
        /// The good lines are stored and the count of the others is told.
        Counted,
        /// The bad lines are named.
        Named,
        /// More than two lines are too large a request.
        TooLarge,
    }

    fn body(strings: &[bool]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let each: Vec<Vec<u8>> = strings
            .iter()
            .enumerate()
            .map(|(idx, broken)| {
                let feed = if *broken { "\n" } else { "-" };
                format!("m,vin=V{idx} s=\"a{feed}b\" {idx}\n").into_bytes()
            })
            .collect();
        (each.concat(), each)
    }

    /// Plays a split against a store of some manner. Returns the lines stored and those refused.
    fn play(
        body: &[u8],
        each: &[Vec<u8>],
        bad: &BTreeSet<usize>,
        manner: Manner,
    ) -> (BTreeSet<usize>, Vec<usize>) {
        let idx_of = |line: &[u8]| each.iter().position(|one| one == line).expect("a whole line");
        let (mut stored, mut refused) = (BTreeSet::new(), Vec::new());
        let mut split = Split::whole(body.len(), 0);
        let mut requests = 0;
        while let Some(part) = split.part() {
            requests += 1;
            assert!(requests <= 4 * each.len() + 1, "a split ends");
            let idxs: Vec<usize> = lines(&body[part]).map(idx_of).collect();
            let is_bad = |idx: &usize| bad.contains(idx);
            let n_bad = idxs.iter().filter(|idx| is_bad(idx)).count();
            let too_large = matches!(manner, Manner::TooLarge) && idxs.len() > 2;
            if n_bad == 0 && !too_large {
                stored.extend(&idxs);
                split.accepted();
                continue;
            }
            let refusals = match manner {
                Manner::Whole | Manner::TooLarge => split.rejected(body, "no", None),
                Manner::Counted => {
                    stored.extend(idxs.iter().filter(|idx| !is_bad(idx)));
                    split.rejected(body, "no", Some(n_bad))
                }
                Manner::Named => {
                    stored.extend(idxs.iter().filter(|idx| !is_bad(idx)));
                    let name = |(line, _): (usize, &usize)| Refusal { line, answer: "no".into() };
                    let named: Vec<Refusal> =
                        idxs.iter().enumerate().filter(|(_, idx)| is_bad(idx)).map(name).collect();
                    split.partial(body, &named)
                }
            };
            refused.extend(refusals.iter().map(|line| idx_of(&body[line.bytes.clone()])));
        }
        (stored, refused)
    }

    proptest! {
        // Any lines may be bad, and any may hold a line feed in a string: exactly the bad ones are
        // refused, each once, and all others are stored, however the store refuses.
        #[test]
        fn exactly_the_bad_lines_are_refused_and_all_others_stored(
            strings in prop::collection::vec(prop::bool::weighted(0.1), 1..60),
            bad_share in 0.0..=1.0,
            seed in prop::collection::vec(0.0..1.0, 60),
            manner in prop::sample::select(vec![
                Manner::Whole, Manner::Counted, Manner::Named, Manner::TooLarge,
            ]),
        ) {
            let (body, each) = body(&strings);
            let bad: BTreeSet<usize> =
                (0..each.len()).filter(|idx| seed[*idx] < bad_share).collect();
            let (stored, refused) = play(&body, &each, &bad, manner);
            let good: BTreeSet<usize> = (0..each.len()).filter(|idx| !bad.contains(idx)).collect();
            prop_assert_eq!(stored, good);
            prop_assert_eq!(refused, bad.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_bad_line_of_ten_thousand_takes_few_requests() {
        let (body, _) = body(&[false; 10_000]);
        let bad = b"m,vin=V7777 ";
        let mut split = Split::whole(body.len(), 0);
        let (mut requests, mut refused) = (0, Vec::new());
        while let Some(part) = split.part() {
            requests += 1;
            if body[part].windows(bad.len()).any(|window| window == bad) {
                refused.extend(split.rejected(&body, "no", None));
            } else {
                split.accepted();
            }
        }
        assert_eq!(refused.len(), 1);
        assert!(body[refused[0].bytes.clone()].starts_with(bad));
        assert!(requests <= 2 * 14 + 1, "{requests} requests");
    }

    #[test]
    fn where_every_other_line_is_bad_it_takes_little_more_than_a_request_a_line() {
        let (body, each) = body(&[false; 2_000]);
        // Spread as chance would have it.
        let bad = (0..each.len()).filter(|idx| (idx * 7_919 + idx / 3) % 11 < 5).collect();
        let mut requests = 0;
        let mut split = Split::whole(body.len(), 0);
        let is_bad = |line: &[u8]| {
            let idx = each.iter().position(|one| one == line).expect("a whole line");
            BTreeSet::contains(&bad, &idx)
        };
        let mut refused = 0;
        while let Some(part) = split.part() {
            requests += 1;
            match lines(&body[part]).any(is_bad) {
                true => refused += split.rejected(&body, "no", None).len(),
                false => split.accepted(),
            }
        }
        assert_eq!(refused, bad.len());
        assert!(requests < 2_400, "{requests} requests");
    }

    #[test]
    fn a_list_that_names_lines_which_are_not_there_is_not_believed() {
        let (body, each) = body(&[false, false]);
        for named in [vec![], vec![2], vec![0, 7]] {
            let named: Vec<Refusal> =
                named.into_iter().map(|line| Refusal { line, answer: String::new() }).collect();
            let mut split = Split::whole(body.len(), 0);
            assert_eq!(split.partial(&body, &named), []);
            assert_eq!(split.part(), Some(0..each[0].len()));
        }
    }

    #[test]
    fn nothing_is_sent_of_an_empty_batch() {
        assert_eq!(Split::whole(0, 0).part(), None);
    }
}
