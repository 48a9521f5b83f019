//! The name that a verified certificate gives its client.

use x509_parser::{
    der_parser::asn1_rs::Tag,
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
};

use crate::auth::is_name;

/// Which part of a certificate names the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of the subject.
    #[default]
    Cn,
    /// The one DNS name among the subject's alternative names.
    SanDns,
    /// The one URI among them.
    SanUri,
}

/// Why a certificate names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// It is not a certificate; this cannot happen for a verified one.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It has no such name.
    #[error("the certificate has no such name as auth.certificate.vehicle asks for")]
    Absent,
    /// It has several such names, so the name is ambiguous.
    #[error("the certificate has several of the name that auth.certificate.vehicle asks for")]
    Several,
    /// Its encoding is ambiguous.
    #[error("the name in the certificate is neither UTF8String, PrintableString nor IA5String")]
    Encoding,
    /// It cannot be one level of a topic (AU-1).
    #[error("the name in the certificate is empty or holds a slash, a wildcard or NUL")]
    NotALevel,
    /// It is longer than a tag may be.
    #[error("the name in the certificate is longer than uplink.tag-bytes-max")]
    Long,
}

/// The name in a certificate, byte for byte.
///
/// # Errors
/// It has no usable name.
pub fn certificate_name(
    der: &[u8],
    which: CertificateName,
    bytes_max: usize,
) -> Result<String, NameFault> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NameFault::Unreadable)?;
    let name = match which {
        CertificateName::Cn => common_name(&certificate)?,
        CertificateName::SanDns => alternative(&certificate, |name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })?,
        CertificateName::SanUri => alternative(&certificate, |name| match name {
            GeneralName::URI(name) => Some(*name),
            _ => None,
        })?,
    };
    if !is_name(&name) {
        return Err(NameFault::NotALevel);
    }
    if name.len() > bytes_max {
        return Err(NameFault::Long);
    }
    Ok(name)
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, NameFault> {
    let mut names = certificate.subject().iter_common_name();
    let first = names.next().ok_or(NameFault::Absent)?;
    if names.next().is_some() {
        return Err(NameFault::Several);
    }
    let value = first.attr_value();
    if ![Tag::Utf8String, Tag::PrintableString, Tag::Ia5String].contains(&value.tag()) {
        return Err(NameFault::Encoding);
    }
    std::str::from_utf8(value.data).map(str::to_owned).map_err(|_| NameFault::Encoding)
}

fn alternative<'a>(
    certificate: &'a X509Certificate<'a>,
    pick: impl Fn(&'a GeneralName<'a>) -> Option<&'a str>,
) -> Result<String, NameFault> {
    let names =
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(names),
            _ => None,
        });
    let mut picked = names.into_iter().flat_map(|names| &names.general_names).filter_map(pick);
    let first = picked.next().ok_or(NameFault::Absent)?;
    if picked.next().is_some() { Err(NameFault::Several) } else { Ok(first.to_owned()) }
}
