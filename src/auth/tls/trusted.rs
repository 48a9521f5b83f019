//! The trusted CAs of clients' certificates, and the revoked certificates.
//!
//! A session keeps fingerprints of the certificates of its path ([`CertificatePath`]), so that a
//! reload can check whether the path is still trusted without keeping certificates. A CA is
//! identified by its name: a CA that is renewed with another key keeps its sessions.

use std::collections::HashSet;

use ring::digest;
use rustls::pki_types::CertificateDer;
use smallvec::SmallVec;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates between a client's own and its authority's that are followed.
const DEPTH_MAX: usize = 8;

/// Identifies a certificate: a fingerprint of its issuer and its serial number, which revocation
/// lists contain. Eight bytes, because each session keeps one: with a million sessions and a list
/// of a million certificates, a session is ended wrongly once in 18 million reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CertificateId(u64);

impl CertificateId {
    /// Of the issuer in DER and the serial number as its bytes.
    pub(super) fn of_parts(issuer: &[u8], serial: &[u8]) -> Self {
        Self(fingerprint(&[issuer, serial]))
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        Self::of_parts(certificate.issuer().as_raw(), certificate.raw_serial())
    }
}

/// Identifies a CA: a fingerprint of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AuthorityId(u64);

impl AuthorityId {
    fn of(name: &[u8]) -> Self {
        Self(fingerprint(&[name]))
    }
}

/// No two lists of parts give the same text.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    u64::from_be_bytes(*hash.finish().as_ref().first_chunk().expect("32 bytes"))
}

/// The path of a client's certificate: itself, the intermediate certificates, and its CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePath {
    certificates: SmallVec<[CertificateId; 1]>,
    authority: AuthorityId,
}

/// What is trusted now.
#[derive(Debug, Default)]
pub struct Trusted {
    authorities: HashSet<AuthorityId>,
    revoked: HashSet<CertificateId>,
}

impl Trusted {
    /// Trusts a CA; `der` is its certificate.
    pub(super) fn add_authority(&mut self, der: &CertificateDer<'_>) {
        if let Ok((_, certificate)) = X509Certificate::from_der(der) {
            self.authorities.insert(AuthorityId::of(certificate.subject().as_raw()));
        }
    }

    /// Does not trust these certificates.
    pub(super) fn revoke(&mut self, certificates: impl IntoIterator<Item = CertificateId>) {
        self.revoked.extend(certificates);
    }

    /// The path of a chain that was just verified: the client's certificate first, the others in
    /// any order. `None` if their names do not show it.
    pub(in crate::auth) fn path(&self, chain: &[CertificateDer<'_>]) -> Option<CertificatePath> {
        let parsed = chain.iter().map_while(|der| X509Certificate::from_der(der).ok());
        let parsed: Vec<_> =
            parsed.take(1 + DEPTH_MAX).map(|(_, certificate)| certificate).collect();
        let mut certificates = SmallVec::new();
        let mut current = parsed.first()?;
        while certificates.len() <= DEPTH_MAX {
            certificates.push(CertificateId::of(current));
            let issuer = current.issuer().as_raw();
            let authority = AuthorityId::of(issuer);
            if self.authorities.contains(&authority) {
                return Some(CertificatePath { certificates, authority });
            }
            current = parsed.iter().find(|above| above.subject().as_raw() == issuer)?;
        }
        None
    }

    /// Whether the path is still trusted.
    #[must_use]
    pub fn holds(&self, path: &CertificatePath) -> bool {
        let is_revoked = path.certificates.iter().any(|id| self.revoked.contains(id));
        self.authorities.contains(&path.authority) && !is_revoked
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    struct Made {
        issuer: Issuer<'static, KeyPair>,
        der: CertificateDer<'static>,
    }

    fn make(name: &str, serial: u64, by: Option<&Made>) -> Made {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(serial.into());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let made = match by {
            Some(by) => params.signed_by(&key, &by.issuer),
            None => params.self_signed(&key),
        };
        Made { der: made.expect("a certificate").der().clone(), issuer: Issuer::new(params, key) }
    }

    #[test]
    fn a_path_stands_until_its_authority_goes_or_a_certificate_of_it_is_revoked() {
        let (one, other) = (make("one", 1, None), make("other", 1, None));
        let between = make("between", 7, Some(&one));
        let client = make("VIN1", 8, Some(&between));
        let trusts = |authorities: &[&Made], revoked: &[(&Made, u64)]| {
            let mut trusted = Trusted::default();
            authorities.iter().for_each(|authority| trusted.add_authority(&authority.der));
            trusted.revoke(revoked.iter().map(|(issuer, serial)| {
                let (_, issuer) = X509Certificate::from_der(&issuer.der).expect("a certificate");
                let serial = &serial.to_be_bytes()[7..];
                CertificateId::of_parts(issuer.subject().as_raw(), serial)
            }));
            trusted
        };
        let both = trusts(&[&one, &other], &[]);
        let path = both.path(&[client.der.clone(), between.der.clone()]).expect("a path");
        assert_eq!(path.certificates.len(), 2);
        assert!(both.holds(&path) && trusts(&[&one], &[(&other, 7), (&one, 8)]).holds(&path));
        assert!(!trusts(&[&other], &[]).holds(&path), "its authority has gone");
        assert!(!trusts(&[&one], &[(&one, 7)]).holds(&path), "what lies between is revoked");
        assert!(!trusts(&[&one], &[(&between, 8)]).holds(&path), "it is revoked itself");
        // A forged certificate of the right name, and further ones in the chain, do not change the
        // path.
        let forged = make("one", 9, Some(&other));
        let chain = [client.der.clone(), between.der.clone(), forged.der, other.der.clone()];
        assert_eq!(both.path(&chain), Some(path));
        assert_eq!(both.path(std::slice::from_ref(&client.der)), None);
        assert_eq!(both.path(&[]), None);
    }

    #[test]
    fn certificates_that_name_each_other_end() {
        let one = make("one", 1, None);
        let two = make("two", 2, Some(&one));
        let back = make("one", 3, Some(&two));
        let other = make("other", 1, None);
        let mut trusted = Trusted::default();
        trusted.add_authority(&other.der);
        assert_eq!(trusted.path(&[back.der, two.der]), None);
    }
}
