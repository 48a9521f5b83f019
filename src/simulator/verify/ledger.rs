//! The appliance's own statistics.

use serde::Deserialize;

use super::VerifyError;

/// The content of `/api/v1/stats`; names as in the equations of the promise.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) messages: Messages,
    pub(crate) points: Points,
}

/// Counts of messages since the appliance started.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct Messages {
    pub(crate) received: u64,
    pub(crate) spooled: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) filtered: u64,
    pub(crate) unmapped: u64,
    pub(crate) refused: u64,
    pub(crate) pending: u64,
}

/// Counts of points since the appliance started.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) struct Points {
    pub(crate) recovered: u64,
    pub(crate) spooled: u64,
    pub(crate) stored: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) damaged: u64,
    pub(crate) in_spool: u64,
}

impl Messages {
    pub(super) fn balance(&self) -> bool {
        let accounted = self.spooled + self.dead_lettered + self.filtered + self.unmapped;
        self.received == accounted + self.refused + self.pending
    }
}

impl Points {
    pub(super) fn balance(&self) -> bool {
        let accounted = self.stored + self.dead_lettered + self.damaged;
        self.recovered + self.spooled == accounted + self.in_spool
    }
}

/// The statistics of a running appliance.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    url: String,
    client: reqwest::Client,
}

impl Ledger {
    pub(crate) fn new(address: &str, client: reqwest::Client) -> Result<Self, VerifyError> {
        let address = address.trim_end_matches('/');
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(VerifyError::Url { url: address.to_owned(), reason: "" });
        }
        Ok(Self { url: format!("{address}/api/v1/stats"), client })
    }

    pub(crate) async fn stats(&self) -> Result<Stats, VerifyError> {
        let text = super::store::body(&self.url, self.client.get(&self.url)).await?;
        let sense =
            |_| VerifyError::Sense { url: self.url.clone(), text: super::store::start(&text) };
        serde_json::from_str(&text).map_err(sense)
    }
}
