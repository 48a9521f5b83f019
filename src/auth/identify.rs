//! The identity of a client that sends CONNECT.

use std::{net::IpAddr, sync::Arc};

use rustls::pki_types::CertificateDer;

use super::{
    Access,
    identity::{Identity, Proof, is_name},
    jwt::{Jwt, JwtTerms, is_jwt},
    options::VehicleName,
    tls::{CertificateName, NameFault, certificate_name},
    users::Verdict,
};
use crate::model::Secret;

/// The credentials of a client, not verified except the certificate, which TLS has verified.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Its IP address.
    pub address: IpAddr,
    /// As in CONNECT.
    pub client_id: Arc<str>,
    /// As in CONNECT.
    pub username: Option<&'a str>,
    /// As in CONNECT.
    pub password: Option<&'a [u8]>,
    /// Its certificate chain, as sent; none: empty.
    pub certificates: &'a [CertificateDer<'static>],
    /// The common name of a certificate that a load balancer has verified.
    pub proxied_name: Option<&'a [u8]>,
}

/// Why a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// The password is wrong, or there is no such user; the client does not learn which.
    #[error("the user name or the password is wrong")]
    Credentials,
    /// It has no credentials, and needs some.
    #[error("it brought neither a password nor a certificate")]
    Nothing,
    /// The certificate contains no usable name.
    #[error("{0}")]
    Certificate(NameFault),
    /// The name in the token is empty, too long, or no level of a topic.
    #[error("the name in its token is empty, too long, or holds a slash, a wildcard or NUL")]
    TokenName,
    /// The user name differs from the name in the certificate or token.
    #[error("its user name is not the name in its certificate or token")]
    OtherName,
    /// `auth.vehicle = "client-id"`, and the client identifier is not the verified name.
    #[error("its client identifier is not its verified name")]
    OtherClientId,
    /// Too many passwords wait to be verified.
    #[error("too many passwords wait to be verified")]
    Busy,
    /// Its will is on a topic on which it may not publish.
    #[error("it may not publish on the topic of its will")]
    Will,
    /// Its user was removed while it connected.
    #[error("the user has been removed")]
    Removed,
    /// Its session is taken over again and again: several clients use its client identifier.
    #[error("several clients take its client identifier from each other")]
    TakenOverTooOften,
}

impl IdentityFault {
    /// The reason, from a closed list.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Nothing => "nothing-brought",
            Self::Certificate(_) => "certificate-name",
            Self::TokenName => "token-name",
            Self::OtherName => "other-name",
            Self::OtherClientId => "other-client-id",
            Self::Busy => "verification-full",
            Self::Will => "will",
            Self::Removed => "removed",
            Self::TakenOverTooOften => "taken-over-too-often",
        }
    }

    /// The reason in the metric of closed connections.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Credentials => "bad-credentials",
            Self::Busy => "verification-full",
            Self::TakenOverTooOften => "taken-over-too-often",
            Self::Nothing
            | Self::Certificate(_)
            | Self::OtherName
            | Self::OtherClientId
            | Self::TokenName
            | Self::Will
            | Self::Removed => "not-authorized",
        }
    }
}

impl Access {
    /// Identifies a client. May wait for a password to be verified, on another thread.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn identify(&self, claim: Claim<'_>) -> Result<Identity, IdentityFault> {
        let options = self.options();
        if let Some(name) = self.certified(&claim)? {
            if claim.username.is_some_and(|username| username != name) {
                return Err(IdentityFault::OtherName);
            }
            let path = self.trusted().path(claim.certificates).map(Arc::new);
            return self.named(&name, claim.client_id, Proof::Certificate(path));
        }
        match (claim.username, claim.password) {
            _ if !options.knows_anybody() => Ok(Identity::anonymous(claim.client_id)),
            (None, None) if options.anonymous => Ok(Identity::anonymous(claim.client_id)),
            (None, None) => Err(IdentityFault::Nothing),
            (username, Some(password)) => {
                let password = std::str::from_utf8(password);
                let password = password.map_err(|_| IdentityFault::Credentials)?;
                if options.jwt_keys.is_some() && is_jwt(password) {
                    let (name, proof) = self.ask_token(password, claim.address).await?;
                    if username.is_some_and(|username| !username.is_empty() && username != name) {
                        return Err(IdentityFault::OtherName);
                    }
                    return self.named(&name, claim.client_id, proof);
                }
                let username = username.ok_or(IdentityFault::Credentials)?;
                self.ask_password(username, Secret::new(password), claim.address).await?;
                self.named(username, claim.client_id, Proof::Password)
            }
            (Some(_), None) => Err(IdentityFault::Credentials),
        }
    }

    /// The name in its certificate, if it has one.
    fn certified(&self, claim: &Claim<'_>) -> Result<Option<String>, IdentityFault> {
        let options = self.options();
        let (which, bytes_max) = (options.certificate_name, options.name_bytes_max);
        let name = match (claim.certificates.first(), claim.proxied_name) {
            (Some(der), _) => certificate_name(der, which, bytes_max),
            (None, Some(name)) if which == CertificateName::Cn => proxied_name(name, bytes_max),
            (None, Some(_)) => Err(NameFault::Absent),
            (None, None) => return Ok(None),
        };
        name.map(Some).map_err(IdentityFault::Certificate)
    }

    async fn ask_password(
        &self,
        username: &str,
        password: Secret,
        address: IpAddr,
    ) -> Result<(), IdentityFault> {
        let users = self.users();
        let (Some(users), Some(verifier)) = (&*users, self.verifier()) else {
            return Err(IdentityFault::Credentials);
        };
        match verifier.password(users, username, password, address).await {
            Verdict::Right { .. } => Ok(()),
            Verdict::Wrong => Err(IdentityFault::Credentials),
            Verdict::Busy => Err(IdentityFault::Busy),
        }
    }

    async fn ask_token(
        &self,
        token: &str,
        address: IpAddr,
    ) -> Result<(String, Proof), IdentityFault> {
        let keys = self.jwt_keys();
        let (Some(keys), Some(verifier)) = (&*keys, self.verifier()) else {
            return Err(IdentityFault::Credentials);
        };
        let options = self.options();
        let terms = JwtTerms {
            audience: options.jwt_audience.clone(),
            name_claim: options.jwt_name_claim.clone(),
        };
        let jwt = Jwt::read(token, keys, &terms, self.now()).ok_or(IdentityFault::Credentials)?;
        if !is_name(&jwt.name) || jwt.name.len() > options.name_bytes_max {
            return Err(IdentityFault::TokenName);
        }
        let (name, expires) = (jwt.name.clone(), jwt.expires);
        match verifier.token(jwt, token, address).await {
            Verdict::Right { key } => Ok((name, Proof::Token { key, expires })),
            Verdict::Wrong => Err(IdentityFault::Credentials),
            Verdict::Busy => Err(IdentityFault::Busy),
        }
    }

    fn named(
        &self,
        name: &str,
        client_id: Arc<str>,
        proof: Proof,
    ) -> Result<Identity, IdentityFault> {
        let vehicle = match self.options().vehicle {
            VehicleName::Username => Some(name.into()),
            VehicleName::ClientId if *client_id == *name => Some(name.into()),
            VehicleName::ClientId => return Err(IdentityFault::OtherClientId),
            VehicleName::Certificate => matches!(proof, Proof::Certificate(_)).then(|| name.into()),
        };
        Ok(Identity::verified(name.into(), vehicle, client_id, proof))
    }

    /// The identity of a session whose client is disconnected: its credentials are no longer known.
    #[must_use]
    pub fn absent(&self, username: &str, client_id: Arc<str>) -> Identity {
        if username.is_empty() {
            return Identity::anonymous(client_id);
        }
        let known = self.named(username, Arc::clone(&client_id), Proof::Certificate(None));
        known.unwrap_or_else(|_| {
            Identity::verified(username.into(), None, client_id, Proof::Certificate(None))
        })
    }

    /// Whether a client of that name may connect again: not if only passwords are accepted, and its
    /// user has been removed.
    #[must_use]
    pub fn may_return(&self, identity: &Identity) -> bool {
        let users = self.users();
        match (identity.username(), users.as_ref()) {
            (Some(name), Some(users)) if self.options().knows_users_only() => users.contains(name),
            _ => true,
        }
    }

    /// Whether it would still be accepted: not if its user, or the key of its token, has been
    /// removed, or if its certificate is no longer trusted.
    #[must_use]
    pub fn is_known(&self, identity: &Identity) -> bool {
        match (identity.proof(), identity.username()) {
            (Proof::Password, Some(name)) => {
                self.users().as_ref().as_ref().is_some_and(|users| users.contains(name))
            }
            (Proof::Token { key, .. }, _) => {
                self.jwt_keys().as_ref().as_ref().is_some_and(|keys| keys.has(*key))
            }
            (Proof::Certificate(Some(path)), _) => self.trusted().holds(path),
            (Proof::Password | Proof::Nothing | Proof::Certificate(None), _) => true,
        }
    }
}

/// A name from a PROXY header.
fn proxied_name(name: &[u8], bytes_max: usize) -> Result<String, NameFault> {
    let name = std::str::from_utf8(name).map_err(|_| NameFault::Encoding)?;
    if !is_name(name) {
        return Err(NameFault::NotALevel);
    }
    if name.len() > bytes_max { Err(NameFault::Long) } else { Ok(name.to_owned()) }
}
