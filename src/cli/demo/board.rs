//! The board: a status, addresses and answers as the lines of a terminal's page.
//!
//! Pure: a size goes in, lines come out. Blocks that do not fit below the figures take turns.

use console::{StyledObject, style};
use indicatif::HumanCount;

use super::{
    answers::Answer,
    appliance::Places,
    push::Heard,
    status::{Doing, Status},
};
use crate::{cli::present, simulator::CommandCounts};

/// With fewer rows, there are no empty lines in the head.
const ROWS_AIRY: usize = 30;
/// How many looks an answer stays if not all of them fit.
const LOOKS_A_TURN: usize = 8;
/// Columns of the labels on the left.
const LABEL: usize = 14;
/// Columns of the figures.
const VALUE: usize = 11;

/// Draws everything; `turn` counts the looks.
pub(super) fn board(
    status: &Status,
    places: &Places,
    answers: &[Answer],
    (columns, rows): (usize, usize),
    turn: usize,
) -> Vec<String> {
    let is_airy = rows >= ROWS_AIRY;
    let mut lines = vec![title(status, columns)];
    lines.extend(is_airy.then(String::new));
    lines.extend(places.short());
    lines.extend(is_airy.then(String::new));
    lines.extend(figures(status, places));
    lines.push(String::new());
    let blocks = answers.iter().map(|answer| block(answer, columns)).collect();
    let room = rows.saturating_sub(lines.len());
    lines.extend(in_turn(blocks, room, turn / LOOKS_A_TURN));
    lines
}

fn title(status: &Status, columns: usize) -> String {
    let doing = match status.doing {
        Doing::Connecting => "the vehicles connect",
        Doing::CatchingUp => "the vehicles send what they drove before",
        Doing::Driving => "the vehicles drive",
        Doing::Stopping => "stopping: the last answers come in",
    };
    let left = format!("{}  {doing}", style("Fleetline demo").bold());
    let right = format!("{}   Ctrl-C ends it", clock(status.seconds));
    let width = console::measure_text_width(&left) + console::measure_text_width(&right);
    let gap = columns.saturating_sub(width).max(3);
    format!("{left}{}{}", " ".repeat(gap), style(right).dim())
}

fn figures(status: &Status, places: &Places) -> Vec<String> {
    let all_connected = status.connected == status.vehicles;
    let connected = format!("{} of {}", HumanCount(status.connected), HumanCount(status.vehicles));
    let mut lines = vec![
        figure("vehicles", good(connected, all_connected), {
            let Places { protobuf, avro, .. } = places;
            format!("connected: {protobuf} in protobuf, {avro} in Avro, MQTT 5")
        }),
        figure("messages", plain(format!("{}/s", speed(status.acknowledged_a_second))), {
            let (count, trend) = (HumanCount(status.acknowledged), trend(&status.trend));
            format!("acknowledged: {count}  {}", style(trend).cyan())
        }),
        figure("points", plain(format!("{}/s", speed(status.stored_a_second))), {
            let (stored, lag) = (HumanCount(status.stored), HumanCount(status.in_spool));
            format!("stored: {stored}, on their way in the spool: {lag}")
        }),
        figure("PUBACK", plain(millis(status.puback_p50_ms)), {
            let p99 = millis(status.puback_p99_ms);
            format!("p50, p99 {p99}; sent once durable")
        }),
        figure(
            "dead letters",
            {
                let count = HumanCount(status.dead_lettered).to_string();
                good(count, status.dead_lettered == 0)
            },
            String::new(),
        ),
    ];
    let CommandCounts { received, done, rejected } = status.commands;
    if received > 0 {
        let about =
            format!("received: {} done, {} rejected", HumanCount(done), HumanCount(rejected));
        lines.push(figure("commands", plain(HumanCount(received).to_string()), about));
    }
    match &status.push {
        Some(Heard::Pushed(pushed)) => {
            let count = plain(HumanCount(pushed.targeted()).to_string());
            let about = "charged at over 25 °C and were told to stop at 60 %";
            lines.push(figure("push", count, about.to_owned()));
            let about = format!("{}; they stopped: {}", pushed.states(), pushed.verified());
            lines.push(figure("", plain(String::new()), about));
        }
        Some(Heard::Refused { refused }) => {
            lines.push(figure("push", good(String::new(), false), present::visible(refused)));
        }
        None => {}
    }
    if let Some(cpu) = status.cpu_percent {
        let percent = plain(format!("{cpu:.1} %"));
        lines.push(figure("processor", percent, "of one core, the fleet left out".to_owned()));
    }
    if status.refused > 0 {
        let count = good(HumanCount(status.refused).to_string(), false);
        lines.push(figure("refused", count, "messages that a PUBACK said no to".to_owned()));
    }
    if let Some(trouble) = &status.trouble {
        lines.push(figure("trouble", good(String::new(), false), present::visible(trouble)));
    }
    lines
}

/// A label, a figure right-aligned in its column, and its description.
fn figure(label: &str, value: StyledObject<String>, about: String) -> String {
    let label = style(format!("{label:<LABEL$}")).dim();
    format!("  {label}{value:>VALUE$}   {about}").trim_end().to_owned()
}

fn plain(text: String) -> StyledObject<String> {
    style(text)
}

pub(super) fn millis(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |it| format!("{it:.1} ms"))
}

fn good(text: String, is_good: bool) -> StyledObject<String> {
    if is_good { style(text).green() } else { style(text).red().bold() }
}

/// A query, as a user would type it, and its answer.
fn block(answer: &Answer, columns: usize) -> Vec<String> {
    let mut lines = vec![style(answer.title).bold().to_string()];
    let typed = answer.typed(Some(columns));
    lines.extend(typed.iter().map(|line| style(line).cyan().to_string()));
    lines.extend(answer.drawn(columns));
    lines.push(String::new());
    lines
}

/// As many blocks as fit, beginning with block `turn`; at least that one, cut to fit.
fn in_turn(blocks: Vec<Vec<String>>, room: usize, turn: usize) -> Vec<String> {
    let all: usize = blocks.iter().map(Vec::len).sum();
    // The last line of the last block is empty.
    let first = if all <= room + 1 { 0 } else { turn % blocks.len().max(1) };
    let mut lines = Vec::new();
    for at in 0..blocks.len() {
        let block = &blocks[(first + at) % blocks.len()];
        if at > 0 && lines.len() + block.len() > room + 1 {
            break;
        }
        lines.extend_from_slice(block);
    }
    lines.truncate(room);
    lines
}

/// Rates as small bars, the highest one full.
fn trend(rates: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| {
        let eighths = if highest > 0.0 { rate / highest * 8.0 } else { 0.0 };
        let above = (1..BARS.len()).filter(|level| eighths > usize_to_f64(*level)).count();
        BARS[above]
    };
    rates.iter().map(bar).collect()
}

fn usize_to_f64(small: usize) -> f64 {
    u32::try_from(small).map_or(f64::INFINITY, f64::from)
}

/// A rate with a decimal while it is small.
pub(super) fn speed(rate: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates, and a rate is not negative"
    )]
    let whole = rate.round() as u64;
    if rate < 100.0 { format!("{rate:.1}") } else { HumanCount(whole).to_string() }
}

/// Minutes and seconds, with hours if there are any.
pub(super) fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates, and no time is negative"
    )]
    let seconds = seconds as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{app::Ready, cli::demo::push::pushed};

    fn status() -> Status {
        Status {
            seconds: 83.4,
            doing: Doing::Driving,
            vehicles: 50,
            connected: 49,
            acknowledged: 31_745,
            acknowledged_a_second: 49.8,
            refused: 0,
            commands: CommandCounts::default(),
            stored: 31_739,
            stored_a_second: 1049.6,
            in_spool: 6,
            dead_lettered: 0,
            puback_p50_ms: Some(2.25),
            puback_p99_ms: None,
            push: None,
            cpu_percent: Some(8.31),
            trouble: None,
            trend: vec![0.0, 25.0, 50.0, 100.0],
        }
    }

    fn places() -> Places {
        let ready = Ready {
            mqtt: vec!["127.0.0.1:1883".parse().expect("an address")],
            http: "127.0.0.1:8080".parse().expect("an address"),
            http_tls: false,
        };
        let folder = Path::new("/tmp/fleetline-demo-1");
        Places { protobuf: 25, avro: 25, ..Places::new(&ready, folder, folder.join("data")) }
    }

    fn answer(title: &'static str) -> Answer {
        Answer::failed(title, "no answer")
    }

    fn drawn(status: &Status, answers: &[Answer], size: (usize, usize), turn: usize) -> String {
        let lines = board(status, &places(), answers, size, turn);
        assert!(lines.len() <= size.1.max(12), "{lines:#?}");
        let lines = lines.iter().map(|line| console::strip_ansi_codes(line).into_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn figures_stand_below_each_other() {
        let text = drawn(&status(), &[], (80, 24), 0);
        assert_eq!(
            text,
            "\
Fleetline demo  the vehicles drive                         1:23   Ctrl-C ends it
  API           http://127.0.0.1:8080/api/v1/stats, also /metrics and /readyz
  MQTT          mqtt://127.0.0.1:1883
  folder        /tmp/fleetline-demo-1 (removed at the end)
  vehicles         49 of 50   connected: 25 in protobuf, 25 in Avro, MQTT 5
  messages           49.8/s   acknowledged: 31,745  ▁▂▄█
  points            1,050/s   stored: 31,739, on their way in the spool: 6
  PUBACK             2.2 ms   p50, p99 –; sent once durable
  dead letters            0
  processor           8.3 %   of one core, the fleet left out
"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn what_is_wrong_is_on_the_board() {
        let status = Status {
            refused: 3,
            commands: CommandCounts { received: 3, done: 1, rejected: 1 },
            push: Some(Heard::Pushed(pushed(7))),
            dead_lettered: 7,
            trouble: Some("no answer".to_owned()),
            ..status()
        };
        let text = drawn(&status, &[], (80, 40), 0);
        for line in [
            "  dead letters            7",
            "  commands                3   received: 1 done, 1 rejected",
            "  push                    7   charged at over 25 °C and were told to stop at 60 %",
            "                              6 done, 1 sent; they stopped: 5 yes, 1 open",
            "  refused                 3   messages that a PUBACK said no to",
            "  trouble                     no answer",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn answers_are_all_there_or_take_turns() {
        let answers = [answer("first"), answer("second"), answer("third")];
        let titles = |size, turn| {
            let text = drawn(&status(), &answers, size, turn);
            let known = ["first", "second", "third"];
            let shown = text.lines().filter(|line| known.contains(line)).map(str::to_owned);
            shown.collect::<Vec<_>>()
        };
        assert_eq!(titles((80, 60), 0), ["first", "second", "third"]);
        assert_eq!(titles((80, 60), LOOKS_A_TURN), ["first", "second", "third"]);
        assert_eq!(titles((80, 18), 0), ["first", "second"]);
        assert_eq!(titles((80, 18), LOOKS_A_TURN), ["second", "third"]);
        assert_eq!(titles((80, 14), 2 * LOOKS_A_TURN), ["third"]);
        assert_eq!(titles((80, 5), 0), [""; 0]);
    }

    #[test]
    fn times_and_rates_are_short() {
        assert_eq!([0.0, 59.9, 3599.0, 3600.0].map(clock), ["0:00", "0:59", "59:59", "1:00:00"]);
        assert_eq!([0.0, 99.94, 1234.5].map(speed), ["0.0", "99.9", "1,235"]);
    }
}
