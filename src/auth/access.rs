//! The users, tokens and access rules in force, shared by all workers and HTTP handlers.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::{ArcSwap, Guard};

use super::{
    Identity, Options,
    jwt::JwtKeys,
    problem::{FileProblem, FileProblems},
    rules::Rules,
    tls::Trusted,
    tokens::{Caller, TokenFault, Tokens},
    users::{Users, Verifier, VerifyLimits},
};
use crate::{
    env::{Clock, Supervisor},
    model::UnixNanos,
    telemetry::Metrics,
};

/// The users, tokens and rules in force. A reload replaces them whole; no reader waits for it.
#[derive(Debug)]
pub struct Access {
    options: Options,
    /// Swapped, because every worker reads it and a reload must stop none of them.
    rules: ArcSwap<Rules>,
    users: ArcSwap<Option<Users>>,
    tokens: ArcSwap<Option<Tokens>>,
    jwt_keys: ArcSwap<Option<JwtKeys>>,
    trusted: ArcSwap<Trusted>,
    clock: Arc<dyn Clock>,
    /// `None` if no password is required.
    verifier: Option<Verifier>,
    /// Counts the replacements, from 1. Beside the rules, so that a memo compares one load and
    /// takes no reference.
    generation: AtomicU64,
    /// Held while the rules are replaced, so that two replacements are two generations.
    replacing: Mutex<()>,
}

fn read_users(options: &Options) -> Result<Option<Users>, FileProblems> {
    options.users.as_ref().map(|path| Users::load(path, options.file_bytes_max)).transpose()
}

fn read_tokens(options: &Options) -> Result<Option<Tokens>, FileProblems> {
    options.tokens.as_ref().map(|path| Tokens::load(path, options.file_bytes_max)).transpose()
}

fn read_jwt_keys(options: &Options) -> Result<Option<JwtKeys>, FileProblems> {
    options.jwt_keys.as_ref().map(|path| JwtKeys::load(path, options.file_bytes_max)).transpose()
}

/// The errors in the files that the options name, without starting anything.
#[must_use]
pub fn check_files(options: &Options) -> Vec<FileProblem> {
    let wrong = [
        read_users(options).err(),
        read_jwt_keys(options).err(),
        read_tokens(options).err(),
        Rules::load(options).err(),
    ];
    wrong.into_iter().flatten().flat_map(|problems| problems.0).collect()
}

fn verifier(
    options: &Options,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    supervisor: &Supervisor,
) -> Result<Verifier, FileProblems> {
    let limits = VerifyLimits {
        cores: options.verify_cores,
        waiting_max: options.verify_waiting_max,
        per_address_max: options.verify_waiting_per_address_max,
        remembered_for: options.verify_remembered_for,
    };
    let started = Verifier::start(limits, Arc::clone(clock), Arc::clone(metrics), supervisor);
    started.map_err(|error| {
        let what = format!("cannot start the threads that verify passwords: {error}");
        FileProblems(vec![FileProblem { file: "auth.verify-cores".into(), line: None, what }])
    })
}

impl Access {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn load(
        options: &Options,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<Self, FileProblems> {
        let users = read_users(options)?;
        let jwt_keys = read_jwt_keys(options)?;
        let verifier = match users.is_some() || jwt_keys.is_some() {
            true => Some(verifier(options, clock, metrics, supervisor)?),
            false => None,
        };
        Ok(Self {
            rules: ArcSwap::from_pointee(Rules::load(options)?),
            verifier,
            users: ArcSwap::from_pointee(users),
            tokens: ArcSwap::from_pointee(read_tokens(options)?),
            jwt_keys: ArcSwap::from_pointee(jwt_keys),
            trusted: ArcSwap::default(),
            clock: Arc::clone(clock),
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

    /// Whether an identity may receive commands for other vehicles, and answer for them.
    #[must_use]
    pub fn is_gateway(&self, identity: &Identity) -> bool {
        let user = identity.username();
        user.is_some_and(|user| self.options.gateways.iter().any(|known| known == user))
    }

    /// The caller with a token, or any caller if none is required.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn caller(&self, token: Option<&str>, now: UnixNanos) -> Result<Caller, TokenFault> {
        match &**self.tokens.load() {
            None => Ok(Caller::anybody()),
            Some(tokens) => tokens.caller(token, now),
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn users(&self) -> Arc<Option<Users>> {
        self.users.load_full()
    }

    pub(super) fn jwt_keys(&self) -> Arc<Option<JwtKeys>> {
        self.jwt_keys.load_full()
    }

    pub(super) fn now(&self) -> UnixNanos {
        self.clock.wall()
    }

    pub(super) fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    /// Changes whenever an answer of [`Self::rules`] or [`Self::is_known`] might. Read before the
    /// rules, so that a remembered answer is never newer than its generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reloads the files; on any error in them everything in force stays. Remembered passwords are
    /// forgotten.
    ///
    /// # Errors
    /// Everything that is wrong in them.
    pub fn reload(&self) -> Result<(), FileProblems> {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let (users, rules) = (read_users(&self.options)?, Rules::load(&self.options)?);
        let (tokens, jwt_keys) = (read_tokens(&self.options)?, read_jwt_keys(&self.options)?);
        let topics = self.rules.load().command_topics().to_vec();
        self.users.store(Arc::new(users));
        self.tokens.store(Arc::new(tokens));
        self.jwt_keys.store(Arc::new(jwt_keys));
        if let Some(verifier) = &self.verifier {
            verifier.forget();
        }
        self.replace(rules.with_command_topics(topics));
        Ok(())
    }

    /// Sets the trusted CAs of clients' certificates: sessions of other certificates end.
    pub fn set_trusted(&self, trusted: Arc<Trusted>) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        self.trusted.store(trusted);
        self.generation.fetch_add(1, Ordering::Release);
    }

    pub(super) fn trusted(&self) -> Guard<Arc<Trusted>> {
        self.trusted.load()
    }

    /// Sets the topics of commands, as MQTT filters: no client publishes there (AU-5).
    pub fn set_command_topics(&self, filters: Vec<String>) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = Rules::clone(&self.rules.load());
        self.replace(rules.with_command_topics(filters));
    }

    /// The rules first: a reader of the new generation sees the new rules.
    fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
        self.generation.fetch_add(1, Ordering::Release);
    }
}
