//! Queries before the run and after it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Asked, Claim, Ledger, Stats, StoreQuestion, Verification, VerifyError};
use crate::{
    env::{Clock, disk::Disk, http_client},
    simulator::shape::read_text,
};

/// Timeout for answers of the appliance and of a store.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval of queries while the appliance has not stored everything.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The servers to query.
#[derive(Clone, Debug)]
pub(crate) struct VerifyOptions {
    /// The appliance's address.
    pub(crate) appliance: Option<String>,
    /// The address of the store itself; without it the appliance does the count.
    pub(crate) store: Option<String>,
    /// The file that holds the store's token.
    pub(crate) token_file: Option<PathBuf>,
    /// The maximum wait until the appliance has stored everything.
    pub(crate) wait: Duration,
}

/// Verifies that all acknowledged messages are stored.
#[derive(Debug)]
pub(crate) struct Verifier {
    client: reqwest::Client,
    ledger: Option<Ledger>,
    store: Option<StoreQuestion>,
    token: Option<String>,
    wait: Duration,
}

impl Verifier {
    /// Checks the addresses and reads the token.
    pub(crate) fn new(options: &VerifyOptions, disk: &dyn Disk) -> Result<Self, VerifyError> {
        let client = http_client().timeout(HTTP_TIMEOUT).build();
        let client = client.map_err(VerifyError::Client)?;
        let ledger = match &options.appliance {
            Some(url) => Some(Ledger::new(url, client.clone())?),
            None => None,
        };
        let store = match (&options.store, &options.appliance) {
            (Some(url), _) => Some(StoreQuestion::parse(url)?),
            (None, Some(url)) => Some(StoreQuestion::Behind { appliance: url.clone() }),
            (None, None) => None,
        };
        let token = match &options.token_file {
            Some(path) => {
                let text = read_text(disk, path)
                    .map_err(|source| VerifyError::Token { path: path.clone(), source });
                Some(text?.trim().to_owned())
            }
            None => None,
        };
        Ok(Self { client, ledger, store, token, wait: options.wait })
    }

    /// The appliance's counts before the run.
    pub(crate) async fn before(&self) -> Result<Stats, VerifyError> {
        match &self.ledger {
            Some(ledger) => ledger.stats().await,
            None => Ok(Stats::default()),
        }
    }

    /// Waits until the appliance has nothing left to store, and verifies; `None` if there is no
    /// server to query.
    pub(crate) async fn after(
        &self,
        claim: Claim,
        before: Stats,
        asked: &Asked,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Verification>, VerifyError> {
        if self.ledger.is_none() && self.store.is_none() {
            return Ok(None);
        }
        let mut found =
            Verification { acknowledged: claim.acknowledged, ..Verification::default() };
        let deadline = clock.monotonic() + self.wait;
        if let Some(ledger) = &self.ledger {
            let mut after = ledger.stats().await?;
            while (after.messages.pending > 0 || after.points.in_spool > 0)
                && clock.monotonic() < deadline
            {
                tokio::time::sleep(ASK_EVERY).await;
                after = ledger.stats().await?;
            }
            found.judge_ledger(before, after, claim);
        }
        if let Some(question) = &self.store {
            let token = self.token.as_deref();
            let mut counted = question.count(&self.client, token, asked).await?;
            // Without an appliance, the wait is for the store itself.
            while counted < claim.acknowledged && clock.monotonic() < deadline {
                tokio::time::sleep(ASK_EVERY).await;
                counted = question.count(&self.client, token, asked).await?;
            }
            found.judge_store(counted, claim);
        }
        if self.ledger.is_some() && found.received.is_none() && found.in_store.is_none() {
            found.problems.push(
                "the appliance was started anew, so that its counters prove nothing: ask the \
                 store with --verify-store"
                    .to_owned(),
            );
        }
        Ok(Some(found))
    }
}
