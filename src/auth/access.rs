//! The access rules that are in force, shared by all who ask.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, Guard};

use super::{Options, problem::FileProblems, rules::Rules};

/// What is in force. A reload replaces it whole; nobody who asks waits for it.
#[derive(Debug)]
pub struct Access {
    options: Options,
    /// Swapped, because every worker reads it and a reload must stop none of them.
    rules: ArcSwap<Rules>,
    /// Counts the replacements, from 1. A number beside the rules, so that a memo compares one load
    /// and takes no reference.
    generation: AtomicU64,
    /// Held by who replaces the rules, so that two replacements are two generations.
    replacing: Mutex<()>,
}

impl Access {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn load(options: &Options) -> Result<Self, FileProblems> {
        Ok(Self {
            rules: ArcSwap::from_pointee(Rules::load(options)?),
            options: options.clone(),
            generation: AtomicU64::new(1),
            replacing: Mutex::new(()),
        })
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// Changes whenever an answer of [`Self::rules`] might. Asked before the rules are, so that
    /// what is remembered under it is never newer than it says.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the files anew; if anything is wrong in them, what was in force stays.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn reload(&self) -> Result<(), FileProblems> {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = Rules::load(&self.options)?;
        let topics = self.rules.load().command_topics().to_vec();
        self.replace(rules.with_command_topics(topics));
        Ok(())
    }

    /// Says on which topics commands leave, as filters of MQTT: nobody anonymous publishes there
    /// without a rule that allows it.
    pub fn set_command_topics(&self, filters: Vec<String>) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = Rules::clone(&self.rules.load());
        self.replace(rules.with_command_topics(filters));
    }

    /// The rules first: who sees the new generation sees the new rules.
    fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
        self.generation.fetch_add(1, Ordering::Release);
    }
}
