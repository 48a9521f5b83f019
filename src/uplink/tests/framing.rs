//! Which mapping takes which message.
