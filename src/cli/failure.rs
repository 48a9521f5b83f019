//! How a command ends if it fails.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    auth::FileProblems, config::ResolveErrors, mapping::LoadErrors, schema::Problem,
    telemetry::Chain,
};

/// Why a command failed; decides the exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments do not make sense together: exit code 2.
    Usage(String),
    /// The configuration is wrong: exit code 2.
    Configuration(ResolveErrors),
    /// Schemas or mappings below this folder are wrong: exit code 2.
    Schemas(PathBuf, LoadErrors),
    /// Files that the configuration names are wrong: exit code 2.
    Files(FileProblems),
    /// The operation failed: exit code 1.
    Failed(Box<dyn Error + Send + Sync>),
    /// The operation failed, or something is wrong, and standard error or the answer already
    /// reports it.
    Reported(u8),
    /// The reader of standard output is gone, which is not an error of ours.
    Closed,
}

impl Failure {
    /// An error from a library or stage.
    pub(super) fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }

    /// An error while writing the answer.
    pub(super) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(Box::new(error)),
        }
    }

    /// 0 done, 1 failed, 2 wrong usage or configuration.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit_code())
    }

    /// The same as a number.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::Schemas(..) | Self::Files(_) => 2,
            Self::Failed(_) => 1,
            Self::Reported(code) => *code,
            Self::Closed => 0,
        }
    }

    /// The message for standard error, if any.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::Reported(_) | Self::Closed => None,
            other => Some(other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::Configuration(errors) => errors.fmt(f),
            Self::Schemas(dir, errors) => {
                f.write_str(&schema_problems(dir, &errors.problems).join("\n"))
            }
            Self::Files(problems) => problems.fmt(f),
            Self::Failed(error) => Chain(error.as_ref()).fmt(f),
            Self::Reported(_) | Self::Closed => Ok(()),
        }
    }
}

/// Errors, or warnings, in schemas and mappings, each with a path that can be opened from here.
pub(super) fn schema_problems(dir: &Path, problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| {
            // A problem of the folder itself has the path of the configuration.
            let is_folder = *problem.file == dir.display().to_string();
            let path = if is_folder { dir.to_path_buf() } else { dir.join(&problem.file) };
            match problem.line {
                Some(line) => format!("{}:{line}: {}", path.display(), problem.what),
                None => format!("{}: {}", path.display(), problem.what),
            }
        })
        .collect()
}

impl From<ResolveErrors> for Failure {
    fn from(errors: ResolveErrors) -> Self {
        Self::Configuration(errors)
    }
}
