//! Schema files → an immutable registry of codecs.
