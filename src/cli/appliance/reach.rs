//! The options of every command that talks to a running appliance.

use std::path::PathBuf;

use clap::Args;
use reqwest::Url;

use super::{Appliance, Patience, Place, url};
use crate::{
    cli::failure::Failure,
    config::{self, Sources},
};

/// The address of the appliance, and the token for it.
#[derive(Args, Debug)]
pub(in crate::cli) struct Reach {
    /// The appliance's address; default: the one in the data directory's lock file
    #[arg(long, global = true, value_name = "URL", value_parser = url)]
    url: Option<Url>,
    /// A file with the token for the appliance; default: the variable FLEETLINE_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Reach {
    /// The appliance; sends nothing yet.
    pub(in crate::cli) fn appliance(
        &self,
        sources: &Sources,
        patience: Patience,
    ) -> Result<Appliance, Failure> {
        let token = config::token(self.token_file.as_deref()).map_err(Failure::failed)?;
        let place = Place::find(self.url.as_ref(), sources)?;
        Appliance::new(place, patience, token.as_ref()).map_err(Failure::failed)
    }
}
