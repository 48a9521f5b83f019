//! The commands of one vehicle: received, running, and to be answered.

use std::{collections::VecDeque, ops::AddAssign};

use super::{
    Receipt, Repertoire,
    repertoire::{Order, Wish},
};
use crate::mapping::ReceiptVerdict;

/// Commands that a vehicle remembers, to recognise a repeated one.
const REMEMBERED_MAX: usize = 64;
/// The maximum of identifications at a time.
const RUNNING_MAX: usize = 16;

/// A received command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) vehicle: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) correlation: Option<&'a [u8]>,
}

/// The current time, by the monotonic clock and by the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) nanos: u64,
    /// Since the Unix epoch.
    pub(crate) millis: i64,
}

/// Counts of received commands and their results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct CommandCounts {
    /// Each command once, even if it was received several times.
    pub(crate) received: u64,
    pub(crate) done: u64,
    pub(crate) rejected: u64,
}

impl AddAssign for CommandCounts {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.done += more.done;
        self.rejected += more.rejected;
    }
}

/// An accepted command, and its last receipt.
#[derive(Debug)]
struct Taken {
    order: Order,
    answer: (ReceiptVerdict, Option<String>),
    /// When an identification ends.
    until: Option<u64>,
}

/// The commands of one vehicle.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// The last commands, oldest first; running ones are never removed.
    taken: VecDeque<Taken>,
    /// Receipts to send, oldest first.
    receipts: VecDeque<Receipt>,
    stage: Stage,
}

/// The state of the first receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Waiting,
    InFlight,
    /// Was in flight on a connection that broke.
    Lost,
}

impl Agenda {
    /// A command was received; `limit` limits the charge, and returns whether it could.
    pub(crate) fn take(
        &mut self,
        all: &Repertoire,
        told: Told<'_>,
        now: Moment,
        limit: impl FnOnce(u8) -> bool,
    ) -> CommandCounts {
        let mut counts = CommandCounts::default();
        let Some((mut order, wish)) = all.order(told.vehicle, told.topic, told.payload) else {
            return counts;
        };
        order.correlation = told.correlation.map(<[u8]>::to_vec);
        if let Some(taken) = self.taken.iter().find(|taken| taken.order.is_same(&order)) {
            let answer = (taken.answer.0, taken.answer.1.clone());
            self.answer(all, told.vehicle, &order, &answer, now);
            return counts;
        }
        counts.received = 1;
        let mut until = None;
        let running = self.taken.iter().filter(|taken| taken.until.is_some()).count();
        let rejected = |why: String| (ReceiptVerdict::Rejected, Some(why));
        let answer = match wish {
            Wish::Identify { .. } if running >= RUNNING_MAX => {
                rejected("it is identifying itself already".to_owned())
            }
            Wish::Identify { seconds } => {
                until = Some(now.nanos.saturating_add(seconds.saturating_mul(1_000_000_000)));
                (ReceiptVerdict::Progress, None)
            }
            Wish::LimitCharge { percent } if limit(percent) => (ReceiptVerdict::Done, None),
            Wish::LimitCharge { .. } => {
                rejected("what it senses was recorded before, and cannot change".to_owned())
            }
            Wish::Impossible(why) => rejected(why),
        };
        counts.done = u64::from(answer.0 == ReceiptVerdict::Done);
        counts.rejected = u64::from(answer.0 == ReceiptVerdict::Rejected);
        self.answer(all, told.vehicle, &order, &answer, now);
        self.taken.push_back(Taken { order, answer, until });
        if self.taken.len() > REMEMBERED_MAX
            && let Some(oldest) = self.taken.iter().position(|taken| taken.until.is_none())
        {
            self.taken.remove(oldest);
        }
        counts
    }

    /// Ends commands whose time is over; returns how many were completed.
    pub(crate) fn go_on(&mut self, all: &Repertoire, vehicle: &str, now: Moment) -> u64 {
        let mut done = 0;
        for taken in &mut self.taken {
            if taken.until.is_none_or(|until| until > now.nanos) {
                continue;
            }
            taken.until = None;
            taken.answer = (ReceiptVerdict::Done, None);
            done += 1;
            let receipt =
                all.receipt(vehicle, &taken.order, (ReceiptVerdict::Done, None), now.millis);
            self.receipts.extend(receipt);
        }
        done
    }

    /// When the next command ends.
    pub(crate) fn next_end(&self) -> Option<u64> {
        self.taken.iter().filter_map(|taken| taken.until).min()
    }

    /// The receipt to send now, and whether it was sent before.
    pub(crate) fn leave(&mut self) -> Option<(&Receipt, bool)> {
        if self.stage == Stage::InFlight {
            return None;
        }
        let receipt = self.receipts.front()?;
        let again = self.stage == Stage::Lost;
        self.stage = Stage::InFlight;
        Some((receipt, again))
    }

    /// Whether a receipt waits for its acknowledgement.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.stage == Stage::InFlight
    }

    /// Whether all receipts are acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.receipts.is_empty()
    }

    /// The receipt in flight was acknowledged.
    pub(crate) fn acknowledged(&mut self) {
        if self.stage == Stage::InFlight {
            self.receipts.pop_front();
            self.stage = Stage::Waiting;
        }
    }

    /// The connection was lost.
    pub(crate) fn lost(&mut self) {
        if self.stage == Stage::InFlight {
            self.stage = Stage::Lost;
        }
    }

    fn answer(
        &mut self,
        all: &Repertoire,
        vehicle: &str,
        order: &Order,
        (verdict, detail): &(ReceiptVerdict, Option<String>),
        now: Moment,
    ) {
        let words = (*verdict, detail.as_deref());
        self.receipts.extend(all.receipt(vehicle, order, words, now.millis));
    }
}
