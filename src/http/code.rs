//! The stable words of errors: a closed list.

use crate::model::words;

words! {
    /// What went wrong, for programs. The names are part of the contract.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Code;

    /// There is nothing at the path.
    NotFound = "not-found",
    /// The path exists, but not for this method.
    MethodNotAllowed = "method-not-allowed",
    /// No answer within `http.request-timeout`.
    TimedOut = "timed-out",
    /// A parameter or a member of the body is unknown, missing or no value of its kind.
    ParameterInvalid = "parameter-invalid",
    /// The body is larger than `http.body-bytes-max`, or did not come whole.
    BodyUnread = "body-unread",
    /// The vehicle has no session, is not remembered, and the store has no point of it in the
    /// range.
    VehicleUnknown = "vehicle-unknown",
    /// The vehicle edge did not answer in time; ask again.
    EdgeSilent = "edge-silent",
    /// As many questions run as may, `query.concurrent-max`; ask again.
    Busy = "busy",
    /// No mapping writes the measurement.
    MeasurementUnknown = "measurement-unknown",
    /// The measurement's mapping keeps no tag for the vehicle; ask natively.
    VehicleUntagged = "vehicle-untagged",
    /// No mapping writes the field.
    FieldUnknown = "field-unknown",
    /// The function does not fit the field's type.
    FunctionUnfit = "function-unfit",
    /// `after` is none that an answer gave.
    AfterInvalid = "after-invalid",
    /// The store does not speak the language.
    LanguageUnsupported = "language-unsupported",
    /// The question is not one that only reads, or the store refuses it.
    QueryRefused = "query-refused",
    /// The store is away; ask again.
    StoreUnavailable = "store-unavailable",
    /// The store lets nobody in, or its database is gone: the operator has to mend it.
    StoreHalted = "store-halted",
    /// The answer has more rows than `query.rows-max`; ask for less.
    TooManyRows = "too-many-rows",
    /// The answer has more bytes than `query.bytes-max`; ask for less.
    TooManyBytes = "too-many-bytes",
    /// The answer takes longer than `query.time-max`; ask for less.
    QueryTimedOut = "query-timed-out",
    /// The store's answer cannot be read.
    StoreAnswerBroken = "store-answer-broken",
}
