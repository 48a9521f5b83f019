//! When a scheduled push runs: a cron expression, a time zone, and the rule for missed times.
//!
//! The times are in the zone's local time. Skipped and repeated hours are handled as by Vixie cron:
//! a fixed time in a skipped hour runs at the end of that hour, and in a repeated hour it runs
//! once, the first time; expressions with wildcards follow the real hours. There is no list of
//! times: the next one is computed from the one before.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::request::PushRequest;
use crate::{
    downlink::{
        prepare::{RequestError, wrong},
        query_spec::CHECKED_AT,
        record::moment,
    },
    mapping::time_zone,
};

/// The maximum bytes of an expression.
const TEXT_MAX: usize = 500;
/// How long after its time a run may begin; after that it is missed.
const LATE_MAX_MS: i64 = 60_000;
/// How far the clock may be set back without changing the next time: the times between have run
/// already.
const SET_BACK_MAX_MS: i64 = 3 * 3_600_000;
/// The maximum count of missed times; beyond it the report only says "or more".
const COUNTED_MAX: u32 = 1000;
/// A time later than this counts as never.
const NEVER_MS: i64 = 100 * 366 * 86_400_000;
/// The fields of an expression, and their allowed values.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, or SUN to SAT"),
];

/// The rule for missed times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    /// They are reported, and no run is made.
    Skip,
    /// One run is made for all of them.
    Once,
}

/// The schedule of a push.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    cron: Cron,
    zone: TimeZone,
    missed: Missed,
}

/// What to do for a schedule at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScheduleCheck {
    /// Nothing yet.
    Wait,
    /// The clock was set back, and this is the next time now.
    SetBack(i64),
    Due(Due),
}

/// One or more times are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The last of them, if a run is to be made for it.
    pub(super) run_ms: Option<i64>,
    /// The missed ones.
    pub(super) missed: Option<Gap>,
    /// The run is made for the missed ones.
    pub(super) makes_up: bool,
    /// The next time after them.
    pub(super) next_ms: i64,
}

/// Missed times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) count: u32,
}

impl Gap {
    /// The text for the report.
    pub(super) fn text(&self, why: &str) -> String {
        let (first, last) = (moment(self.first_ms), moment(self.last_ms));
        match self.count {
            1 => format!("missed at {first}: {why}"),
            COUNTED_MAX.. => {
                format!("missed {COUNTED_MAX} times or more from {first} to {last}: {why}")
            }
            count => format!("missed {count} times from {first} to {last}: {why}"),
        }
    }
}

impl Schedule {
    /// The schedule of a push, if it has one.
    pub(super) fn of(request: &PushRequest) -> Result<Option<Self>, RequestError> {
        let Some(text) = &request.schedule else {
            let members =
                [("time-zone", request.time_zone.is_some()), ("missed", request.missed.is_some())];
            return match members.iter().find(|(_, is_there)| *is_there) {
                None => Ok(None),
                Some((member, _)) => {
                    Err(wrong(member, format!("`{member}` is for a push with a `schedule`")))
                }
            };
        };
        let cron = read(text)
            .map_err(|what| wrong("schedule", format!("`schedule` is `{text}`: {what}")))?;
        let name = request.time_zone.as_deref().unwrap_or("UTC");
        let zone = time_zone(name).ok_or_else(|| {
            let what = "write a name such as Europe/Berlin, or an offset such as +01:00";
            wrong("time-zone", format!("there is no time zone `{name}`; {what}"))
        })?;
        let missed = match request.missed.as_deref() {
            None | Some("skip") => Missed::Skip,
            Some("once") => Missed::Once,
            Some(word) => {
                let message = format!("`missed` is `{word}`; expected skip or once");
                return Err(wrong("missed", message));
            }
        };
        let schedule = Self { cron, zone, missed };
        if schedule.after(CHECKED_AT.0.div_euclid(1_000_000)).is_none() {
            return Err(wrong("schedule", format!("`schedule` is `{text}`: that never comes")));
        }
        Ok(Some(schedule))
    }

    /// The first time after `ms`.
    pub(super) fn after(&self, ms: i64) -> Option<i64> {
        let next = self.cron.find_next_occurrence(&self.zoned(ms)?, false).ok()?;
        let next = next.timestamp().as_millisecond();
        (next > ms && next.saturating_sub(ms) <= NEVER_MS).then_some(next)
    }

    /// What to do now. Times up to `busy_until_ms` are missed in any case.
    pub(super) fn look(&self, next_ms: i64, now_ms: i64, busy_until_ms: i64) -> ScheduleCheck {
        if now_ms < next_ms {
            return match self.after(now_ms) {
                Some(sooner) if next_ms.saturating_sub(sooner) > SET_BACK_MAX_MS => {
                    ScheduleCheck::SetBack(sooner)
                }
                _ => ScheduleCheck::Wait,
            };
        }
        let (mut before_last, mut last, mut count) = (None, next_ms, 1);
        while let Some(next) = self.after(last).filter(|next| *next <= now_ms) {
            (before_last, last) = (Some(last), next);
            count += 1;
            if count > COUNTED_MAX {
                last = self.up_to(now_ms).unwrap_or(last).max(last);
                break;
            }
        }
        let is_missed = last <= busy_until_ms || now_ms.saturating_sub(last) > LATE_MAX_MS;
        let makes_up = is_missed && self.missed == Missed::Once;
        let gap = |last_ms, count| Gap { first_ms: next_ms, last_ms, count };
        ScheduleCheck::Due(Due {
            run_ms: (!is_missed || makes_up).then_some(last),
            missed: match before_last {
                _ if is_missed => Some(gap(last, count.min(COUNTED_MAX))),
                Some(before) => Some(gap(before, count - 1)),
                None => None,
            },
            makes_up,
            next_ms: self.after(now_ms.max(last)).unwrap_or(i64::MAX),
        })
    }

    /// The last time up to `ms`.
    fn up_to(&self, ms: i64) -> Option<i64> {
        let found = self.cron.find_previous_occurrence(&self.zoned(ms)?, true).ok()?;
        Some(found.timestamp().as_millisecond())
    }

    fn zoned(&self, ms: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone()))
    }
}

/// Reads an expression of five fields, or of six with seconds first.
fn read(text: &str) -> Result<Cron, String> {
    if text.len() > TEXT_MAX {
        return Err(format!("it has more than {TEXT_MAX} bytes"));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let parse = |text: &str| parser.parse(text).ok().filter(has_all_fields);
    if text.trim_start().starts_with('@') {
        let words = "@hourly, @daily, @weekly, @monthly, @yearly";
        return parse(text).ok_or_else(|| format!("of such words there are {words}"));
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let Some(names) = FIELDS.get(FIELDS.len().saturating_sub(fields.len())..) else {
        return Err(count(fields.len()));
    };
    if !(5..=6).contains(&fields.len()) {
        return Err(count(fields.len()));
    }
    if let Some(cron) = parse(text) {
        return Ok(cron);
    }
    // Each field alone, with valid other fields.
    for (at, (field, (name, range))) in fields.iter().zip(names).enumerate() {
        let mut alone = vec!["*"; fields.len()];
        alone[at] = field;
        if parse(&alone.join(" ")).is_none() {
            let at = at + 1;
            return Err(format!(
                "field {at}, the {name}, is `{field}`; expected {range}, with * , - and /"
            ));
        }
    }
    Err("its fields do not go together".to_owned())
}

fn count(fields: usize) -> String {
    format!(
        "it has {fields} fields; expected 5 (minute, hour, day of the month, month, day of the \
         week) or 6 (with the second first)"
    )
}

/// Whether each field matches something at all; lists may be empty.
fn has_all_fields(cron: &Cron) -> bool {
    let it = &cron.pattern;
    [&it.seconds, &it.minutes, &it.hours, &it.days, &it.months, &it.days_of_week]
        .iter()
        .all(|field| !field.values().is_empty() || field.has_modifiers())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn request(schedule: &str, zone: Option<&str>, missed: Option<&str>) -> PushRequest {
        let mut request = json!({ "query": {}, "command": "c", "schedule": schedule });
        if let Some(zone) = zone {
            request["time-zone"] = json!(zone);
        }
        if let Some(missed) = missed {
            request["missed"] = json!(missed);
        }
        serde_json::from_value(request).expect("its members are known")
    }

    fn schedule(text: &str, zone: &str, missed: &str) -> Schedule {
        let schedule = Schedule::of(&request(text, Some(zone), Some(missed)));
        schedule.expect("it is well formed").expect("it is there")
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a moment").as_millisecond()
    }

    /// The times between two moments.
    fn check_times(text: &str, zone: &str, from: &str, to: &str, expect: &[&str]) {
        let schedule = schedule(text, zone, "skip");
        let mut times = Vec::new();
        let mut at = ms(from);
        while let Some(next) = schedule.after(at).filter(|next| *next <= ms(to)) {
            times.push(next);
            at = next;
        }
        let expect: Vec<i64> = expect.iter().map(|text| ms(text)).collect();
        assert_eq!(times, expect, "{text} in {zone}");
    }

    #[test]
    fn a_time_in_a_skipped_hour_runs_at_the_end_of_the_gap_and_only_once() {
        // On 29 March 2026 Berlin goes from 01:59:59 to 03:00:00, that is 01:00 in UTC.
        check_times(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-27T12:00:00Z",
            "2026-03-31T00:00:00Z",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        );
        check_times(
            "0 3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            "2026-03-30T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"],
        );
        // Wildcards follow the real hours: none between 01:59 and 03:00.
        check_times(
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00Z",
            "2026-03-29T02:00:00Z",
            &[
                "2026-03-29T00:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:30:00Z",
                "2026-03-29T02:00:00Z",
            ],
        );
    }

    #[test]
    fn a_time_in_a_repeated_hour_runs_once_and_a_wildcard_in_both_hours() {
        // On 25 October 2026 Berlin goes from 02:59:59 back to 02:00:00, that is 01:00 in UTC.
        check_times(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            "2026-10-26T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
        check_times(
            "0 */30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:59:59Z",
            "2026-10-25T02:00:00Z",
            &[
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ],
        );
    }

    #[test]
    fn days_are_those_of_the_zone_and_seconds_come_first() {
        let (from, to) = ("2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z");
        check_times("0 6 * * SAT", "Asia/Kolkata", from, to, &["2026-11-28T00:30:00Z"]);
        check_times("0 6 * * 6", "+01:00", from, to, &["2026-11-28T05:00:00Z"]);
        check_times("@daily", "UTC", from, to, &["2026-11-29T00:00:00Z"]);
        let to = "2026-11-28T00:01:00Z";
        let halves = ["2026-11-28T00:00:30Z", "2026-11-28T00:01:00Z"];
        check_times("*/30 * * * * *", "UTC", from, to, &halves);
        check_times(
            "0 0 L * *",
            "UTC",
            from,
            "2027-01-01T00:00:00Z",
            &["2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z"],
        );
    }

    fn due(
        run: Option<&str>,
        missed: Option<(&str, &str, u32)>,
        up: bool,
        next: &str,
    ) -> ScheduleCheck {
        ScheduleCheck::Due(Due {
            run_ms: run.map(ms),
            missed: missed.map(|(first, last, count)| Gap {
                first_ms: ms(first),
                last_ms: ms(last),
                count,
            }),
            makes_up: up,
            next_ms: ms(next),
        })
    }

    #[test]
    fn a_time_runs_within_a_minute_and_is_missed_after_it() {
        let (noon, night) = ("2026-11-28T12:00:00Z", "2026-11-29T12:00:00Z");
        for word in ["skip", "once"] {
            let daily = schedule("0 12 * * *", "UTC", word);
            let look = |now: &str| daily.look(ms(noon), ms(now), i64::MIN);
            assert_eq!(look("2026-11-28T11:59:59Z"), ScheduleCheck::Wait);
            let on_time = due(Some(noon), None, false, night);
            assert_eq!(look(noon), on_time);
            assert_eq!(look("2026-11-28T12:01:00Z"), on_time, "an appliance may take its time");
            let late = look("2026-11-28T12:01:01Z");
            let gap = Some((noon, noon, 1));
            assert_eq!(
                late,
                match word {
                    "skip" => due(None, gap, false, night),
                    _ => due(Some(noon), gap, true, night),
                }
            );
        }
    }

    #[test]
    fn of_several_past_times_the_last_may_run_and_the_others_are_missed() {
        let often = schedule("*/30 * * * * *", "UTC", "skip");
        let first = "2026-11-28T12:00:00Z";
        let look = |now: &str, busy: i64| often.look(ms(first), ms(now), busy);
        let last = "2026-11-28T12:01:30Z";
        let (gap, next) = ((first, "2026-11-28T12:01:00Z", 3), "2026-11-28T12:02:00Z");
        assert_eq!(look("2026-11-28T12:01:45Z", i64::MIN), due(Some(last), Some(gap), false, next));
        // A time during the previous run is missed, even if it is recent.
        let busy = ms("2026-11-28T12:01:45Z");
        assert_eq!(
            look("2026-11-28T12:01:45Z", busy),
            due(None, Some((first, last, 4)), false, next)
        );
        let once = schedule("*/30 * * * * *", "UTC", "once");
        assert_eq!(
            once.look(ms(first), busy, busy),
            due(Some(last), Some((first, last, 4)), true, next)
        );
    }

    #[test]
    fn missed_times_of_a_long_absence_are_counted_up_to_a_bound() {
        let often = schedule("* * * * * *", "UTC", "skip");
        let (first, now) = (ms("2026-11-28T12:00:00Z"), ms("2027-11-28T12:00:00Z"));
        let ScheduleCheck::Due(found) = often.look(first, now, i64::MIN) else {
            panic!("it is due")
        };
        assert_eq!(found.run_ms, Some(now));
        let ScheduleCheck::Due(found) = often.look(first, now, now) else { panic!("it is due") };
        let gap = found.missed.expect("they were missed");
        assert_eq!(gap, Gap { first_ms: first, last_ms: now, count: COUNTED_MAX });
        assert_eq!(
            gap.text("nobody was there"),
            "missed 1000 times or more from 2026-11-28T12:00:00Z to 2027-11-28T12:00:00Z: nobody \
             was there"
        );
        let one = Gap { count: 1, ..gap };
        assert_eq!(one.text("x"), "missed at 2026-11-28T12:00:00Z: x");
    }

    #[test]
    fn a_clock_set_back_a_little_runs_nothing_twice_and_one_set_back_far_starts_again() {
        let hourly = schedule("0 * * * *", "UTC", "skip");
        let next = ms("2026-11-28T12:00:00Z");
        assert_eq!(hourly.look(next, ms("2026-11-28T09:30:00Z"), i64::MIN), ScheduleCheck::Wait);
        let back = hourly.look(next, ms("2026-11-01T09:30:00Z"), i64::MIN);
        assert_eq!(back, ScheduleCheck::SetBack(ms("2026-11-01T10:00:00Z")));
    }

    #[test]
    fn an_invalid_expression_is_reported_with_its_field() {
        let check = |text: &str, expect: &str| {
            let refused = Schedule::of(&request(text, None, None)).expect_err(text).to_string();
            assert_eq!(refused, format!("`schedule` is `{text}`: {expect}"));
        };
        check("61 * * * *", "field 1, the minute, is `61`; expected 0 to 59, with * , - and /");
        check("0 0 24 * * *", "field 3, the hour, is `24`; expected 0 to 23, with * , - and /");
        check(
            "* * * FOO *",
            "field 4, the month, is `FOO`; expected 1 to 12, or JAN to DEC, with * , - and /",
        );
        check(
            "* * * * MOON",
            "field 5, the day of the week, is `MOON`; expected 0 to 7, or SUN to SAT, with * , - \
             and /",
        );
        check(", * * * *", "field 1, the minute, is `,`; expected 0 to 59, with * , - and /");
        for (text, fields) in [("", 0), ("* * * *", 4), ("0 0 * * * * 2027", 7)] {
            check(text, &count(fields));
        }
        check("@reboot", "of such words there are @hourly, @daily, @weekly, @monthly, @yearly");
        check("0 0 30 2 *", "that never comes");
        check(&"*".repeat(501), "it has more than 500 bytes");
        let refused = |zone, missed| {
            Schedule::of(&request("@daily", zone, missed)).expect_err("refused").to_string()
        };
        assert!(refused(Some("Europe/Atlantis"), None).contains("no time zone `Europe/Atlantis`"));
        assert_eq!(refused(None, Some("all")), "`missed` is `all`; expected skip or once");
        let mut without = request("", Some("UTC"), None);
        without.schedule = None;
        let refused = Schedule::of(&without).expect_err("refused");
        assert_eq!(refused.to_string(), "`time-zone` is for a push with a `schedule`");
    }

    proptest! {
        /// Any text is refused or has a next time, without a panic.
        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9*/,LW#?@A-Z+ ]{0,40}|\\PC{0,40}") {
            if let Ok(Some(schedule)) = Schedule::of(&request(&text, None, None)) {
                prop_assert!(schedule.after(CHECKED_AT.0 / 1_000_000).is_some());
            }
        }
    }
}
