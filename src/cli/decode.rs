//! `decode`: shows the lines of a payload.

use std::{
    fmt,
    io::{self, Read as _},
    num::NonZeroU16,
    path::PathBuf,
};

use serde_json::{Value as Json, json};

use crate::{
    cli::{
        failure::Failure,
        moment,
        output::{Output, complain},
        trial,
    },
    config::{self, Offline, Sources},
    env::{Clock as _, SystemClock},
    mapping::{self, AlarmAction, Plans},
    model::{ShardCount, UnixNanos},
    schema::INNER_NAME,
    spool::EntryBuffer,
    uplink::{Message, RaiseRefusal, Raised, Sender, TopicMemo, Transcoded, Transcoder},
};

/// Dry run: payload files (or standard input) become lines on standard output
///
/// Each file is one message as it would come over MQTT, framing included. The lines are in the
/// dialect of the configured store. Standard error shows messages that cannot be decoded, with the
/// cause, and the alarms (`[[alarm]]`) that a message would raise.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline decode --topic vehicles/VIN1/telemetry payload.bin
  printf '{\"sampled_at\": 1790000000000, \"speed_kmh\": 3.5}' |
      fleetline decode --topic vehicles/VIN1/telemetry/json")]
pub(in crate::cli) struct Arguments {
    /// The topic of the messages
    #[arg(long)]
    topic: String,
    /// The content type of an MQTT 5.0 message
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The time of receipt: RFC 3339, nanoseconds since 1970, or ago such as "1h"; default: now
    #[arg(long, value_name = "TIME")]
    received_at: Option<String>,
    /// One JSON object a message: lines, counts, failures
    #[arg(long)]
    json: bool,
    /// Payload files; none: one payload on standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Exit code 1 if any message, or any mapping of one, failed.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let offline = config::load_offline(sources)?;
    let now = SystemClock::start().wall();
    let received_at = match &arguments.received_at {
        None => now,
        Some(text) => moment::parse(text, now)?,
    };
    let plans = Plans::load(&offline.mapping)
        .map_err(|errors| Failure::Schemas(offline.mapping.dir.clone(), errors))?;
    let mut decoder = Decoder::new(arguments, &offline, &plans, received_at);
    let mut all_well = true;
    if arguments.files.is_empty() {
        let mut payload = Vec::new();
        io::stdin().lock().read_to_end(&mut payload).map_err(Failure::failed)?;
        all_well &= decoder.decode(None, &payload, output)?;
    }
    for file in &arguments.files {
        let payload = trial::read(file)?;
        all_well &= decoder.decode(Some(&file.display().to_string()), &payload, output)?;
    }
    if all_well { Ok(()) } else { Err(Failure::Reported(1)) }
}

struct Decoder<'a> {
    arguments: &'a Arguments,
    plans: &'a Plans,
    received_at: UnixNanos,
    transcoder: Transcoder,
    memo: TopicMemo,
    /// One shard, so that all lines of a message are in one buffer.
    lines: [EntryBuffer; 1],
}

impl<'a> Decoder<'a> {
    fn new(
        arguments: &'a Arguments,
        offline: &Offline,
        plans: &'a Plans,
        received_at: UnixNanos,
    ) -> Self {
        let shards = ShardCount(NonZeroU16::MIN);
        let transcoder = Transcoder::new(offline.limits.clone(), shards);
        let (memo, lines) = (TopicMemo::<()>::default(), [EntryBuffer::new()]);
        Self { arguments, plans, received_at, transcoder, memo, lines }
    }

    /// Decodes one message; returns whether it succeeded.
    fn decode(
        &mut self,
        file: Option<&str>,
        payload: &[u8],
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let message = Message {
            topic: &self.arguments.topic,
            payload,
            content_type: self.arguments.content_type.as_deref(),
            sender: Sender::Unchecked,
            received_at: self.received_at,
        };
        self.lines[0].clear();
        let told = self.transcoder.transcode(self.plans, &message, &mut self.memo, &mut self.lines);
        // The failure of a mapping already reports it.
        let notes = match self.transcoder.failures() {
            [] => trial::notes(self.plans, &message),
            _ => Vec::new(),
        };
        match self.arguments.json {
            true => self.tell_json(file, &told, &notes, output)?,
            false => self.tell(file, &told, &notes, output)?,
        }
        Ok(told.mapped && self.transcoder.failures().is_empty())
    }

    fn tell(
        &self,
        file: Option<&str>,
        told: &Transcoded,
        notes: &[String],
        output: &mut Output,
    ) -> Result<(), Failure> {
        output.bytes(self.lines[0].payload())?;
        let complain = |text: fmt::Arguments<'_>| match file {
            Some(file) => complain(format_args!("{file}: {text}")),
            None => complain(text),
        };
        if !told.mapped {
            complain(format_args!("no mapping takes the topic `{}`", self.arguments.topic));
        }
        for failure in self.transcoder.failures() {
            let (mapping, cause) = (&failure.mapping, failure.cause);
            complain(format_args!("mapping {mapping}: {cause}: {}", failure.detail));
        }
        notes.iter().for_each(|note| complain(format_args!("warning: {note}")));
        if let Some(words) = self.no_points(told) {
            complain(format_args!("{words}"));
        }
        for raised in self.transcoder.raised() {
            complain(format_args!("alarm {}: {}", raised.alarm, self.would(raised)));
        }
        if told.points_filtered > 0 {
            complain(format_args!("{} points filtered", told.points_filtered));
        }
        if told.points_empty > 0 {
            complain(format_args!("{} points without any field", told.points_empty));
        }
        if told.points_merged > 0 {
            complain(format_args!(
                "{} points merged into others of the same series and time",
                told.points_merged
            ));
        }
        if told.times_dropped > 0 {
            complain(format_args!(
                "{} times that are out of their range left out",
                told.times_dropped
            ));
        }
        if told.times_repeated > 0 {
            complain(format_args!(
                "{} times lie in an hour that their zone has twice; the first was taken",
                told.times_repeated
            ));
        }
        if told.values_dropped > 0 {
            complain(format_args!("{} values that are not finite left out", told.values_dropped));
        }
        if told.properties_unknown > 0 {
            complain(format_args!("{} unknown properties skipped", told.properties_unknown));
        }
        Ok(())
    }

    /// The effect of an alarm that the message raises.
    fn would(&self, raised: &Raised) -> String {
        let (vehicle, at) = (&raised.vehicle, raised.time);
        match (raised.refusal, self.plans.commands().alarms().find(&raised.alarm)) {
            (Some(RaiseRefusal::TooOld), _) => {
                format!("would be raised, but the point of {at} is older than its `max-age`")
            }
            (Some(RaiseRefusal::TooLarge), _) | (None, None) => {
                "would be raised, but what it says of the message is too large".to_owned()
            }
            (None, Some(alarm)) => {
                let fields = Json::from(alarm.fields(&raised.values));
                match &alarm.action {
                    AlarmAction::Command(command) => {
                        format!("would send {} to {vehicle}: {fields}", command.name)
                    }
                    AlarmAction::Publish { topic, .. } => {
                        format!("would publish on {}: {fields}", topic.of(vehicle))
                    }
                }
            }
        }
    }

    /// Why there is no point, if the list of points was empty.
    fn no_points(&self, told: &Transcoded) -> Option<String> {
        let Some(no_points) = told.no_points else {
            let is_silent = told.mapped
                && self.transcoder.failures().is_empty()
                && told.points + told.points_filtered + told.points_empty == 0;
            let what = "no points: the payload holds no message, or no line";
            return is_silent.then(|| what.to_owned());
        };
        let mut plans = self.plans.plans().iter();
        let plan = plans.find(|plan| plan.key == no_points.mapping)?;
        let names = plan.slots.levels.iter().map(|level| level.name.as_ref());
        let names: Vec<&str> = names.filter(|name| !["", INNER_NAME].contains(name)).collect();
        let list = match names.join(".") {
            full if full.is_empty() => "the payload".to_owned(),
            full => format!("`{full}`"),
        };
        let is = match (no_points.is_there, &plan.decoder) {
            (true, _) => "is empty",
            (false, mapping::Decoder::Protobuf(_)) => "is absent or empty",
            (false, _) => "is absent",
        };
        Some(format!("no points: {list} {is}"))
    }

    fn tell_json(
        &self,
        file: Option<&str>,
        told: &Transcoded,
        notes: &[String],
        output: &mut Output,
    ) -> Result<(), Failure> {
        let failures: Vec<_> = self
            .transcoder
            .failures()
            .iter()
            .map(|failure| {
                json!({
                    "mapping": failure.mapping.as_ref(),
                    "vehicle": failure.vehicle,
                    "cause": failure.cause.as_str(),
                    "detail": failure.detail,
                })
            })
            .collect();
        let alarms = self.transcoder.raised().iter().map(|raised| {
            let alarm = self.plans.commands().alarms().find(&raised.alarm);
            json!({
                "alarm": &*raised.alarm,
                "vehicle": &*raised.vehicle,
                "time": raised.time.to_string(),
                "fields": alarm.map(|alarm| alarm.fields(&raised.values)),
                "refused": raised.refusal.map(RaiseRefusal::as_str),
            })
        });
        output.json(&json!({
            "file": file,
            "alarms": alarms.collect::<Vec<_>>(),
            "mapped": told.mapped,
            "lines": String::from_utf8_lossy(self.lines[0].payload()),
            "points": told.points,
            "points_merged": told.points_merged,
            "no_points": self.no_points(told),
            "points_filtered": told.points_filtered,
            "points_empty": told.points_empty,
            "values_dropped": told.values_dropped,
            "times_dropped": told.times_dropped,
            "times_repeated": told.times_repeated,
            "properties_unknown": told.properties_unknown,
            "failures": failures,
            "warnings": notes,
        }))
    }
}
