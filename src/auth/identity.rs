//! Who is at the other end of a connection, as far as it was verified.

use std::sync::Arc;

/// Who a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    username: Option<Arc<str>>,
    vehicle: Option<Arc<str>>,
    client_id: Arc<str>,
}

impl Identity {
    /// Somebody who brought nothing that could be verified: its vehicle is its client identifier.
    #[must_use]
    pub fn anonymous(client_id: Arc<str>) -> Self {
        let vehicle = is_name(&client_id).then(|| Arc::clone(&client_id));
        Self { username: None, vehicle, client_id }
    }

    /// Somebody whose name was verified; `vehicle` is the vehicle that it speaks for, if that is
    /// verified, too.
    #[must_use]
    pub fn verified(username: Arc<str>, vehicle: Option<Arc<str>>, client_id: Arc<str>) -> Self {
        let vehicle = vehicle.filter(|vehicle| is_name(vehicle));
        Self { username: Some(username), vehicle, client_id }
    }

    /// The verified name; `None` for an anonymous session.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The vehicle that it speaks for.
    #[must_use]
    pub fn vehicle(&self) -> Option<&str> {
        self.vehicle.as_deref()
    }

    /// As the client says.
    #[must_use]
    pub fn client_id(&self) -> &Arc<str> {
        &self.client_id
    }

    /// Whether nothing of it was verified.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.username.is_none()
    }
}

/// Whether a text may stand for one level of a topic (AU-1).
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#', '\0'])
}
