//! Threads that verify passwords and tokens, and a cache of successful verifications.

use std::{
    collections::HashMap,
    fmt, io,
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring::hmac;
use tokio::sync::oneshot;

use super::{file::Users, turns::Turns};
use crate::{
    auth::jwt::Jwt,
    env::{Clock, Supervisor},
    model::Secret,
    telemetry::{Metrics, ReasonLabel},
};

/// The maximum of remembered passwords and tokens; each costs about 70 bytes.
const REMEMBERED_MAX: usize = 1_000_000;
/// A token is verified again after this time at the latest: that is cheap.
const TOKEN_REMEMBERED_MAX: Duration = Duration::from_mins(10);

/// The result of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Verdict {
    /// The password or token is valid.
    Right {
        /// The fingerprint of the key that signed a token; 0 for a password.
        key: u64,
    },
    /// It is wrong, or the user does not exist.
    Wrong,
    /// Too many verifications wait: try again.
    Busy,
}

/// Limits of the verifications.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct VerifyLimits {
    /// Concurrent verifications.
    pub(in crate::auth) cores: usize,
    /// Waiting verifications, over all addresses.
    pub(in crate::auth) waiting_max: usize,
    /// Waiting verifications of one address.
    pub(in crate::auth) per_address_max: usize,
    /// How long a successful verification is remembered.
    pub(in crate::auth) remembered_for: Duration,
}

/// Verifies passwords and tokens, as many at once as it has threads.
pub(in crate::auth) struct Verifier {
    shared: Arc<Shared>,
    key: hmac::Key,
    clock: Arc<dyn Clock>,
    remembered_for: Duration,
    /// Digests of successful verifications. One password a user, since the stored hash is part of
    /// the digest; a client may have many tokens.
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

/// A successful verification.
#[derive(Clone, Copy)]
struct Remembered {
    until: Duration,
    key: u64,
}

struct Shared {
    waiting: Mutex<Waiting>,
    some: Condvar,
    metrics: Arc<Metrics>,
}

struct Waiting {
    turns: Turns<Job>,
    stopped: bool,
}

/// Returns the fingerprint of the key that confirms it.
type Check = Box<dyn FnOnce() -> Option<u64> + Send>;

struct Job {
    /// Slow by design.
    check: Check,
    reply: oneshot::Sender<Option<u64>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Starts its threads.
    ///
    /// # Errors
    /// The system provides no threads.
    pub(in crate::auth) fn start(
        limits: VerifyLimits,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> io::Result<Self> {
        let turns = Turns::new(limits.waiting_max, limits.per_address_max);
        let waiting = Mutex::new(Waiting { turns, stopped: false });
        let shared = Arc::new(Shared { waiting, some: Condvar::new(), metrics });
        for number in 0..limits.cores {
            let (shared, name) = (Arc::clone(&shared), format!("verify-{number}"));
            let guard = supervisor.guard(name.clone());
            std::thread::Builder::new().name(name).spawn(move || {
                let _guard = guard;
                shared.verify();
            })?;
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>());
        let (remembered, remembered_for) = (Mutex::default(), limits.remembered_for);
        Ok(Self { shared, key, clock, remembered_for, remembered })
    }

    /// Whether a password is a user's. Clients from `address` take turns with others.
    pub(in crate::auth) async fn password(
        &self,
        users: &Users,
        name: &str,
        password: Secret,
        address: IpAddr,
    ) -> Verdict {
        let known = users.hash(name);
        let Some(hash) = known.or_else(|| users.decoy()) else { return self.tell(Verdict::Wrong) };
        let digest = self.digest(&[name.as_bytes(), hash.bytes(), password.expose().as_bytes()]);
        if known.is_some()
            && let Some(right) = self.remembers(&digest)
        {
            return right;
        }
        if known.is_some() && hash.is_cheap() {
            // Cheaper than a thread switch.
            return self.tell(match hash.is_of(password.expose().as_bytes()) {
                true => Verdict::Right { key: 0 },
                false => Verdict::Wrong,
            });
        }
        // An unknown name takes the same time.
        let (hash, is_known) = (Arc::clone(hash), known.is_some());
        let check = move || {
            let is_right = hash.is_of(password.expose().as_bytes()) && is_known;
            is_right.then_some(0)
        };
        let verdict = self.queue(address, name, is_known, Box::new(check)).await;
        self.remember(digest, verdict, self.remembered_for);
        verdict
    }

    /// Whether one of our keys signed a token. Clients from `address` take turns with others.
    pub(in crate::auth) async fn token(&self, jwt: Jwt, token: &str, address: IpAddr) -> Verdict {
        let digest = self.digest(&[token.as_bytes()]);
        if let Some(right) = self.remembers(&digest) {
            return right;
        }
        let name = jwt.name.clone();
        let verdict = self.queue(address, &name, true, Box::new(move || jwt.signed_by())).await;
        self.remember(digest, verdict, self.remembered_for.min(TOKEN_REMEMBERED_MAX));
        verdict
    }

    fn remember(&self, digest: [u8; 32], verdict: Verdict, time: Duration) {
        let Verdict::Right { key } = verdict else { return };
        let now = self.clock.monotonic();
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, known| known.until > now);
        }
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(digest, Remembered { until: now + time, key });
        }
    }

    /// Runs a check on one of the threads, when its turn comes.
    async fn queue(&self, address: IpAddr, name: &str, is_known: bool, check: Check) -> Verdict {
        let (reply, answer) = oneshot::channel();
        let job = Job { check, reply };
        if !self.shared.push(address, name, is_known, job) {
            return self.tell(Verdict::Busy);
        }
        self.tell(match answer.await {
            Ok(Some(key)) => Verdict::Right { key },
            Ok(None) => Verdict::Wrong,
            // The job was removed in favour of another.
            Err(_) => Verdict::Busy,
        })
    }

    /// Forgets successful verifications: users may have changed.
    pub(in crate::auth) fn forget(&self) {
        self.remembered().clear();
    }

    fn tell(&self, verdict: Verdict) -> Verdict {
        self.count(match verdict {
            Verdict::Right { .. } => "right",
            Verdict::Wrong => "wrong",
            Verdict::Busy => "full",
        });
        verdict
    }

    fn count(&self, reason: &'static str) {
        let label = ReasonLabel { reason };
        self.shared.metrics.auth_verified_passwords.get_or_create_owned(&label).inc();
    }

    /// A keyed digest; it includes the lengths, so that different lists of parts have different
    /// input.
    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<[u8; 32], Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembers(&self, digest: &[u8; 32]) -> Option<Verdict> {
        let now = self.clock.monotonic();
        let known = self.remembered().get(digest).copied().filter(|known| known.until > now)?;
        self.count("remembered");
        Some(Verdict::Right { key: known.key })
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.shared.waiting().stopped = true;
        self.shared.some.notify_all();
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False if too many wait.
    fn push(&self, address: IpAddr, name: &str, is_known: bool, job: Job) -> bool {
        let mut waiting = self.waiting();
        let is_taken = waiting.turns.push(address, name, is_known, job);
        self.measure(&waiting);
        drop(waiting);
        self.some.notify_one();
        is_taken
    }

    fn measure(&self, waiting: &Waiting) {
        let count = i64::try_from(waiting.turns.len()).unwrap_or(i64::MAX);
        self.metrics.auth_waiting_verifications.set(count);
    }

    fn verify(&self) {
        loop {
            let mut waiting = self.waiting();
            let job = loop {
                if waiting.stopped {
                    return;
                }
                match waiting.turns.pop() {
                    Some(job) => break job,
                    None => {
                        let woken = self.some.wait(waiting);
                        waiting = woken.unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            self.measure(&waiting);
            drop(waiting);
            // Skips the check if the client is gone.
            if !job.reply.is_closed() {
                job.reply.send((job.check)()).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{env::SystemClock, telemetry::HealthBoard};

    #[test]
    fn what_was_right_is_remembered_until_it_is_forgotten_or_its_hash_is_another() {
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let limits = VerifyLimits {
            cores: 1,
            waiting_max: 10,
            per_address_max: 10,
            remembered_for: Duration::from_secs(60),
        };
        let clock = Arc::new(SystemClock::start());
        let verifier = Verifier::start(limits, clock, Arc::clone(&metrics), &Supervisor::default());
        let verifier = verifier.expect("a thread");
        let users = |rounds: u32| {
            let hash = crate::auth::users::hash::pbkdf2_hash(b"secret", rounds);
            Users::parse("users", &format!("V1:{hash}\n")).expect("users")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ask = |users: &Users, name: &str, password: &str| {
            let address = [127, 0, 0, 1].into();
            runtime.block_on(verifier.password(users, name, Secret::new(password), address))
        };
        let counted = |reason| {
            metrics.auth_verified_passwords.get_or_create_owned(&ReasonLabel { reason }).get()
        };
        let (old, new) = (users(10), users(11));
        assert_eq!(ask(&old, "V1", "secret"), Verdict::Right { key: 0 });
        assert_eq!(ask(&old, "V1", "secret"), Verdict::Right { key: 0 });
        assert_eq!((counted("right"), counted("remembered")), (1, 1));
        assert_eq!(ask(&old, "V1", "Secret"), Verdict::Wrong);
        assert_eq!(ask(&old, "nobody", "secret"), Verdict::Wrong);
        assert_eq!(ask(&new, "V1", "secret"), Verdict::Right { key: 0 });
        assert_eq!((counted("right"), counted("remembered")), (2, 1), "another hash");
        verifier.forget();
        assert_eq!(ask(&old, "V1", "secret"), Verdict::Right { key: 0 });
        assert_eq!((counted("right"), counted("wrong")), (3, 2));
    }

    #[test]
    fn who_has_gone_costs_nothing_and_a_full_queue_says_so() {
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let limits = VerifyLimits {
            // No thread verifies; the test does it.
            cores: 0,
            waiting_max: 2,
            per_address_max: 2,
            remembered_for: Duration::ZERO,
        };
        let clock = Arc::new(SystemClock::start());
        let verifier = Verifier::start(limits, clock, Arc::clone(&metrics), &Supervisor::default());
        let verifier = verifier.expect("no thread");
        let runs = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let check = || {
                let runs = Arc::clone(&runs);
                let check = move || (runs.fetch_add(1, Ordering::Relaxed) == 0).then_some(0_u64);
                Box::new(check) as Check
            };
            let address = IpAddr::from([127, 0, 0, 1]);
            let mut gone = Box::pin(verifier.queue(address, "V1", true, check()));
            let mut stays = Box::pin(verifier.queue(address, "V2", true, check()));
            assert!(futures_util::poll!(&mut gone).is_pending());
            assert!(futures_util::poll!(&mut stays).is_pending());
            assert_eq!(metrics.auth_waiting_verifications.get(), 2);
            assert_eq!(verifier.queue(address, "V3", true, check()).await, Verdict::Busy);
            drop(gone);
            let shared = Arc::clone(&verifier.shared);
            let thread = std::thread::spawn(move || shared.verify());
            assert_eq!(stays.await, Verdict::Right { key: 0 });
            drop(verifier);
            thread.join().expect("it ends with the verifier");
        });
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}
