//! Why a mapping cannot be used to encode.

use std::path::PathBuf;

use thiserror::Error;

/// A shape could not be made, or a payload could not be encoded.
#[derive(Debug, Error)]
pub(crate) enum ShapeError {
    /// A schema or mapping file cannot be read. Check the name and `--schemas`.
    #[error("cannot read {name} from {}", dir.display())]
    Read {
        dir: PathBuf,
        name: String,
        #[source]
        source: std::io::Error,
    },
    /// A mapping file is not TOML of the expected shape. `fleetline check` prints the error.
    #[error("cannot understand the mapping file {name}")]
    Mapping {
        name: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    /// No mapping has the requested format (and name). Name another `--mapping` or `--format`.
    #[error("no mapping for {format} in {place}{}", named(name.as_deref()))]
    Absent { format: &'static str, name: Option<String>, place: String },
    /// A `.proto` does not compile. The source error contains the position.
    #[error("cannot compile {name}")]
    Protobuf {
        name: String,
        #[source]
        source: Box<protox::Error>,
    },
    /// An `.avsc`, or one that it references, does not parse. The source error contains the reason.
    #[error("cannot parse {name}")]
    Avro {
        name: String,
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// A JSON Schema does not parse. The source error contains the position.
    #[error("cannot parse {name}")]
    Json {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    /// A mapping names something that its schema does not contain.
    #[error("{name} holds no {wanted}")]
    Missing { name: String, wanted: String },
    /// The fleet writes times only as integers. Give the mapping an integer time field.
    #[error("the time of {name} is not an integer field of the message itself")]
    Time { name: String },
    /// A value does not fit its Avro schema: a field that must not be null has no value.
    #[error("cannot encode a payload for {name}")]
    Encode {
        name: String,
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// The shape has no field with that name. The known ones are listed.
    #[error("{name} is no field of the mapping; it has {}", known.join(", "))]
    Field { name: String, known: Vec<String> },
}

fn named(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" named {name}"))
}
