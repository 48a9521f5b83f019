//! The result of a verification.

use std::io::{self, Write};

use serde::Serialize;

use super::Stats;

/// The results of a run that are verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Messages that were acknowledged, each of which is one point.
    pub(crate) acknowledged: u64,
    /// Connections broke, so the appliance may have restarted.
    pub(crate) interrupted: bool,
}

/// The result of a verification.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verification {
    pub(crate) acknowledged: u64,
    /// Counted by the appliance since the run began.
    pub(crate) received: Option<u64>,
    pub(crate) stored: Option<u64>,
    /// Counted by the store, over the run's vehicles and times.
    pub(crate) in_store: Option<u64>,
    /// The contradictions, in sentences; empty: all acknowledged messages are stored.
    pub(crate) problems: Vec<String>,
}

impl Verification {
    /// The first contradiction.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problems.first().map(String::as_str)
    }

    pub(crate) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let known =
            |count: Option<u64>| count.map_or_else(|| "(unknown)".into(), |n| n.to_string());
        let (acknowledged, received) = (self.acknowledged, known(self.received));
        let (stored, in_store) = (known(self.stored), known(self.in_store));
        writeln!(
            out,
            "{:<15} acknowledged {acknowledged}; the appliance received {received} and stored \
             {stored}; the store counts {in_store}",
            "verified"
        )?;
        for problem in &self.problems {
            writeln!(out, "{:<15} {problem}", "PROBLEM")?;
        }
        Ok(())
    }

    /// Compares the ledger before and after with the claim.
    pub(super) fn judge_ledger(&mut self, before: Stats, after: Stats, claim: Claim) {
        if !after.messages.balance() {
            self.problems.push(format!("the equation of messages fails: {:?}", after.messages));
        }
        if !after.points.balance() {
            self.problems.push(format!("the equation of points fails: {:?}", after.points));
        }
        if after.messages.pending > 0 || after.points.in_spool > 0 {
            let (pending, in_spool) = (after.messages.pending, after.points.in_spool);
            self.problems.push(format!(
                "{pending} messages are pending, {in_spool} points lie in the spool"
            ));
        }
        let began_anew = after.messages.received < before.messages.received
            || after.points.recovered != before.points.recovered;
        let enough = before.messages.received.saturating_add(claim.acknowledged);
        if began_anew || (claim.interrupted && after.messages.received < enough) {
            // Counters start at 0 with the process, so a difference has no meaning; the store may
            // still answer.
            return;
        }
        let received = after.messages.received - before.messages.received;
        let stored = after.points.stored.saturating_sub(before.points.stored);
        (self.received, self.stored) = (Some(received), Some(stored));
        if received < claim.acknowledged {
            let missing = claim.acknowledged - received;
            self.problems.push(format!("{missing} acknowledged messages were never received"));
        }
        let spooled = after.messages.spooled.saturating_sub(before.messages.spooled);
        if spooled < claim.acknowledged {
            let missing = claim.acknowledged - spooled;
            let letters = after.messages.dead_lettered - before.messages.dead_lettered;
            let unmapped = after.messages.unmapped - before.messages.unmapped;
            self.problems.push(format!(
                "{missing} acknowledged messages gave no point ({letters} dead letters and \
                 {unmapped} without a mapping since the run began)"
            ));
        }
        let refused = after.points.dead_lettered - before.points.dead_lettered;
        let damaged = after.points.damaged - before.points.damaged;
        if refused + damaged > 0 {
            self.problems
                .push(format!("{refused} points were refused by the store, {damaged} damaged"));
        }
    }

    /// Compares the store's count with the claim.
    pub(super) fn judge_store(&mut self, counted: u64, claim: Claim) {
        self.in_store = Some(counted);
        if counted < claim.acknowledged {
            let missing = claim.acknowledged - counted;
            self.problems.push(format!("{missing} acknowledged messages are not in the store"));
        }
    }
}
