//! What may be configured.

use std::{path::PathBuf, time::Duration};

use super::tls::CertificateName;

/// What names the vehicle of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VehicleName {
    /// The verified name.
    #[default]
    Username,
    /// The client identifier, which must be the verified name.
    ClientId,
    /// The certificate; a session without one speaks for no vehicle.
    Certificate,
}

/// Options of who may come in.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether who brings nothing may come in, from everywhere.
    pub anonymous: bool,
    /// The file of users; `None`: no password is asked for.
    pub users: Option<PathBuf>,
    /// The file of operators' tokens; `None`: none is asked for.
    pub tokens: Option<PathBuf>,
    /// The file of access rules; `None`: a vehicle's own topics only.
    pub rules: Option<PathBuf>,
    /// What names the vehicle of a session.
    pub vehicle: VehicleName,
    /// The key set of tokens that come as passwords; `None`: none do.
    pub jwt_keys: Option<PathBuf>,
    /// The audience that a token has to name; empty: any.
    pub jwt_audience: String,
    /// The claim that is the name.
    pub jwt_name_claim: String,
    /// Users that may receive commands for other vehicles, and answer for them.
    pub gateways: Vec<String>,
    /// Passwords verified at once.
    pub verify_cores: usize,
    /// Passwords that wait for it.
    pub verify_waiting_max: usize,
    /// The same of one address.
    pub verify_waiting_per_address_max: usize,
    /// How long a password that was right is remembered.
    pub verify_remembered_for: Duration,
    /// Whether clients may bring certificates, which then say who they are.
    pub client_certificates: bool,
    /// Which part of a certificate is the name.
    pub certificate_name: CertificateName,
    /// Bytes of a name out of a certificate.
    pub name_bytes_max: usize,
    /// Bytes of one of the files.
    pub file_bytes_max: u64,
}

impl Options {
    /// Whether anything says who somebody is; without it everybody is anonymous.
    #[must_use]
    pub fn knows_anybody(&self) -> bool {
        self.users.is_some() || self.jwt_keys.is_some() || self.client_certificates
    }

    /// Whether a name is that of a user, and of nobody else.
    #[must_use]
    pub fn knows_users_only(&self) -> bool {
        self.users.is_some() && self.jwt_keys.is_none() && !self.client_certificates
    }
}
