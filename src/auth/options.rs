//! The options of authentication.

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

/// The options of authentication and access rules.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether clients and operators without credentials are accepted, from any machine.
    pub anonymous: bool,
    /// The file of users; `None`: no password is required.
    pub users: Option<PathBuf>,
    /// The file of operators' tokens; `None`: none is required.
    pub tokens: Option<PathBuf>,
    /// The file of access rules; `None`: a vehicle's own topics only.
    pub rules: Option<PathBuf>,
    /// What names the vehicle of a session.
    pub vehicle: VehicleName,
    /// The key set of tokens sent as passwords; `None`: no tokens.
    pub jwt_keys: Option<PathBuf>,
    /// The audience that a token has to name; empty: any.
    pub jwt_audience: String,
    /// The claim that holds the name.
    pub jwt_name_claim: String,
    /// Users that may receive commands for other vehicles, and answer for them.
    pub gateways: Vec<String>,
    /// Passwords verified at once.
    pub verify_cores: usize,
    /// Passwords that wait to be verified.
    pub verify_waiting_max: usize,
    /// The same for one address.
    pub verify_waiting_per_address_max: usize,
    /// How long a verified password is remembered.
    pub verify_remembered_for: Duration,
    /// Whether clients may present certificates, which then identify them.
    pub client_certificates: bool,
    /// Which part of a certificate is the name.
    pub certificate_name: CertificateName,
    /// Bytes of a name in a certificate.
    pub name_bytes_max: usize,
    /// Bytes of one of the files.
    pub file_bytes_max: u64,
}

impl Options {
    /// Whether any kind of authentication is configured; without it every client is anonymous.
    #[must_use]
    pub fn knows_anybody(&self) -> bool {
        self.users.is_some() || self.jwt_keys.is_some() || self.client_certificates
    }

    /// Whether a name belongs to a user, and to no other kind of identity.
    #[must_use]
    pub fn knows_users_only(&self) -> bool {
        self.users.is_some() && self.jwt_keys.is_none() && !self.client_certificates
    }
}
