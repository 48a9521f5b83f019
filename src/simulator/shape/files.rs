//! The source of schemas: a folder, or those that are built into the program.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::ShapeError;
use crate::{
    env::disk::{Access, Disk},
    schema::{Bounds, Problem, SHIPPED, Sources},
};

/// A set of schema and mapping files.
#[derive(Clone, Debug)]
pub(crate) enum Files {
    Shipped,
    Folder { disk: Arc<dyn Disk>, dir: PathBuf },
}

impl Files {
    /// All of them, as the appliance reads them.
    pub(in crate::simulator) fn sources(&self, problems: &mut Vec<Problem>) -> Sources {
        match self {
            Self::Shipped => Sources::from_texts(
                SHIPPED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
            ),
            Self::Folder { dir, .. } => Sources::read(dir, &Bounds::default(), problems),
        }
    }

    /// For messages: the name of this set.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Shipped => "the schemas that ship with fleetline".to_owned(),
            Self::Folder { dir, .. } => dir.display().to_string(),
        }
    }

    /// The names with this ending, sorted.
    pub(super) fn names(&self, end: &str) -> Result<Vec<String>, ShapeError> {
        let names = match self {
            Self::Shipped => SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Self::Folder { disk, dir } => {
                disk.files(dir).map_err(|source| read_error(dir, "the folder", source))?
            }
        };
        Ok(names.into_iter().filter(|name| name.ends_with(end)).collect())
    }

    pub(super) fn text(&self, name: &str) -> Result<String, ShapeError> {
        match self {
            Self::Shipped => SHIPPED
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| {
                    read_error(Path::new("schemas"), name, io::ErrorKind::NotFound.into())
                }),
            Self::Folder { disk, dir } => {
                let text = read_text(disk.as_ref(), &dir.join(name));
                text.map_err(|source| read_error(dir, name, source))
            }
        }
    }
}

fn read_error(dir: &Path, name: &str, source: io::Error) -> ShapeError {
    ShapeError::Read { dir: dir.to_owned(), name: name.to_owned(), source }
}

/// The whole content of a text file.
pub(crate) fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let file = disk.open(path, Access::Read)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut bytes[filled..], u64::try_from(filled).unwrap_or(u64::MAX))? {
            0 => break,
            n => filled += n,
        }
    }
    bytes.truncate(filled);
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}
