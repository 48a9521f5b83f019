//! The verified identity of a client.

use std::sync::Arc;

use super::tls::CertificatePath;
use crate::model::UnixNanos;

/// What verified a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: the session is anonymous.
    Nothing,
    /// A password of a user.
    Password,
    /// A certificate: its path, if the certificate itself was seen and not only named by a load
    /// balancer. Behind a pointer, because few sessions have one and each has room for it.
    Certificate(Option<Arc<CertificatePath>>),
    /// A token.
    Token {
        /// The fingerprint of the key that signed it.
        key: u64,
        /// When it expires, and the session with it.
        expires: UnixNanos,
    },
}

/// The identity of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    username: Option<Arc<str>>,
    vehicle: Option<Arc<str>>,
    client_id: Arc<str>,
    proof: Proof,
    /// The namespace of its sessions: equal client identifiers of different identities are
    /// different sessions.
    key: Arc<str>,
}

impl Identity {
    /// A client without verified credentials: its vehicle is its client identifier.
    #[must_use]
    pub fn anonymous(client_id: Arc<str>) -> Self {
        let vehicle = is_name(&client_id).then(|| Arc::clone(&client_id));
        let key = Arc::clone(&client_id);
        Self { username: None, vehicle, client_id, proof: Proof::Nothing, key }
    }

    /// A client with a verified name; `vehicle` is its vehicle, if that is verified too.
    #[must_use]
    pub fn verified(
        username: Arc<str>,
        vehicle: Option<Arc<str>>,
        client_id: Arc<str>,
        proof: Proof,
    ) -> Self {
        let vehicle = vehicle.filter(|vehicle| is_name(vehicle));
        // MQTT texts contain no NUL, so no two pairs give the same key.
        let key = format!("{username}\0{client_id}").into();
        Self { username: Some(username), vehicle, client_id, proof, key }
    }

    /// What verified its name.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// When its session expires, if it does.
    #[must_use]
    pub fn expires(&self) -> Option<UnixNanos> {
        match self.proof {
            Proof::Token { expires, .. } => Some(expires),
            Proof::Nothing | Proof::Password | Proof::Certificate(_) => None,
        }
    }

    /// The unique key of the session of this client identifier and this identity.
    #[must_use]
    pub fn session_key(&self) -> &Arc<str> {
        &self.key
    }

    /// The verified name; `None` for an anonymous session.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Its vehicle.
    #[must_use]
    pub fn vehicle(&self) -> Option<&str> {
        self.vehicle.as_deref()
    }

    /// As the client has sent it.
    #[must_use]
    pub fn client_id(&self) -> &Arc<str> {
        &self.client_id
    }

    /// Whether it has no verified credentials.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.username.is_none()
    }
}

/// Whether a text may be one level of a topic (AU-1).
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#', '\0'])
}
