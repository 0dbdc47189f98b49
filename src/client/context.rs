//! Who calls whom, with which certificate? A context is a small TOML file that says so; its name is the file's.
//!
//! Contexts are kept in the folder that `SAMVERKAN_CONTEXTS` names, else in `~/.config/samverkan/contexts`. The one in use is
//! named by `--context`, else `SAMVERKAN_CONTEXT`, else the file `current` in that folder; a folder with one context needs
//! none of these. Tested below.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

/// The environment variable that names the folder of contexts.
pub const FOLDER_VARIABLE: &str = "SAMVERKAN_CONTEXTS";
/// The environment variable that names the context in use.
pub const NAME_VARIABLE: &str = "SAMVERKAN_CONTEXT";
/// The file in the folder that names the context in use.
const CURRENT_FILE: &str = "current";

/// One actor at one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Host and port, as in `127.0.0.1:7443`.
    pub address: String,
    /// The host name or IP address that the server's certificate must be for. None: the host in `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// PEM file with the authorities whose servers are trusted. Relative to the context's file, like the next two.
    pub ca: PathBuf,
    /// PEM file with the actor's certificate.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// The organisation. Shown only: who calls is what the certificate says.
    pub organisation: String,
    /// The actor, as `user/anna`. Shown only, too.
    pub actor: String,
}

/// What is wrong with a context, or with choosing one.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// Neither variable nor home directory.
    #[error("no folder for contexts: neither {FOLDER_VARIABLE} nor HOME is set")]
    NoFolder,
    /// Nothing says which one.
    #[error("no context is chosen; {folder} has {}", listed(found))]
    NotChosen {
        /// Where they would be.
        folder: PathBuf,
        /// Those that are there.
        found: Vec<String>,
    },
    /// There is none of this name.
    #[error("no context {name:?}; {folder} has {}", listed(found))]
    NotFound {
        /// As asked for.
        name: String,
        /// Where it would be.
        folder: PathBuf,
        /// Those that are there.
        found: Vec<String>,
    },
    /// A name that would be no plain file.
    #[error("{name:?} can't be a context's name: use letters, digits, '-', '_' and inner '.'")]
    BadName {
        /// As asked for.
        name: String,
    },
    /// The file is no context.
    #[error("{path}: is no context: {problem}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

impl Context {
    /// Reads a context's file; its relative paths come out relative to where the program runs.
    pub fn load(path: &Path) -> Result<Self, ContextError> {
        let text = fs::read_to_string(path).map_err(|source| ContextError::Io { path: path.into(), source })?;
        let mut context: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            ContextError::Malformed { path: path.into(), problem: format!("line {line}: {}", error.message()) }
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in [&mut context.ca, &mut context.certificate, &mut context.key] {
            *file = folder.join(&*file);
        }
        Ok(context)
    }

    /// Writes the context to a file, paths as they are.
    pub fn write(&self, path: &Path) -> Result<(), ContextError> {
        let io_error = |source| ContextError::Io { path: path.into(), source };
        let text = toml::to_string(self).map_err(|error| io_error(io::Error::other(error)))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error)?;
        }
        fs::write(path, text).map_err(io_error)
    }
}

/// A folder of contexts.
#[derive(Debug, Clone)]
pub struct Contexts {
    folder: PathBuf,
}

impl Contexts {
    /// The folder that the environment names.
    pub fn from_environment() -> Result<Self, ContextError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self::from_values(set(FOLDER_VARIABLE).map(Into::into), set("HOME").map(Into::into))
    }

    fn from_values(folder: Option<PathBuf>, home: Option<PathBuf>) -> Result<Self, ContextError> {
        let folder = folder.or_else(|| home.map(|home| home.join(".config/samverkan/contexts")));
        folder.map(Self::at).ok_or(ContextError::NoFolder)
    }

    /// This folder, which need not exist.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their names, sorted. A folder that isn't there has none.
    pub fn names(&self) -> Result<Vec<String>, ContextError> {
        let io_error = |source| ContextError::Io { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(io_error)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error)?.path();
            if path.extension().is_some_and(|extension| extension == "toml")
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
                && is_name(name)
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The name of the one in use, if something says which.
    pub fn current(&self) -> Result<Option<String>, ContextError> {
        if let Some(name) = env::var(NAME_VARIABLE).ok().filter(|name| !name.is_empty()) {
            return Ok(Some(name));
        }
        let path = self.folder.join(CURRENT_FILE);
        match fs::read_to_string(&path) {
            Ok(name) => Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match <[String; 1]>::try_from(self.names()?) {
                Ok([only]) => Ok(Some(only)),
                Err(_) => Ok(None),
            },
            Err(source) => Err(ContextError::Io { path, source }),
        }
    }

    /// The context of this name; without one, the one in use.
    pub fn load(&self, name: Option<&str>) -> Result<(String, Context), ContextError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.current()?.ok_or_else(|| self.not_chosen())?,
        };
        let path = self.path(&name)?;
        if !path.exists() {
            let found = self.names().unwrap_or_default();
            return Err(ContextError::NotFound { name, folder: self.folder.clone(), found });
        }
        Ok((name, Context::load(&path)?))
    }

    fn not_chosen(&self) -> ContextError {
        ContextError::NotChosen { folder: self.folder.clone(), found: self.names().unwrap_or_default() }
    }

    /// Makes this one the one in use.
    pub fn choose(&self, name: &str) -> Result<(), ContextError> {
        self.load(Some(name))?;
        let path = self.folder.join(CURRENT_FILE);
        fs::write(&path, format!("{name}\n")).map_err(|source| ContextError::Io { path, source })
    }

    /// The file of the context of this name.
    pub fn path(&self, name: &str) -> Result<PathBuf, ContextError> {
        if is_name(name) {
            Ok(self.folder.join(format!("{name}.toml")))
        } else {
            Err(ContextError::BadName { name: name.into() })
        }
    }
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            address: "127.0.0.1:7443".into(),
            server_name: None,
            ca: "../ca.pem".into(),
            certificate: "/somewhere/certificate.pem".into(),
            key: "key.pem".into(),
            organisation: "region-a".into(),
            actor: "user/anna".into(),
        }
    }

    #[test]
    fn paths_are_relative_to_the_contexts_own_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("region-a.toml");
        context().write(&path).expect("written");
        let loaded = Context::load(&path).expect("loaded");
        assert_eq!(loaded.ca, folder.path().join("../ca.pem"));
        assert_eq!(loaded.certificate, Path::new("/somewhere/certificate.pem"));
        assert_eq!(loaded.key, folder.path().join("key.pem"));
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.toml");
        fs::write(&path, "address = \"a:1\"\nserver-name = \"b\"\n").expect("written");
        let error = Context::load(&path).expect_err("refused").to_string();
        assert!(error.contains("line 2") && error.contains("server-name"), "{error}");
    }

    #[test]
    fn the_folder_comes_from_the_variable_or_else_from_home() {
        let folder = |variable: Option<&str>, home: Option<&str>| {
            Contexts::from_values(variable.map(Into::into), home.map(Into::into)).map(|contexts| contexts.folder)
        };
        assert_eq!(folder(Some("x"), Some("/home/a")).expect("a folder"), Path::new("x"));
        assert_eq!(folder(None, Some("/home/a")).expect("a folder"), Path::new("/home/a/.config/samverkan/contexts"));
        assert!(matches!(folder(None, None), Err(ContextError::NoFolder)));
    }

    #[test]
    fn the_chosen_context_is_used_and_a_lone_one_needs_no_choice() {
        let folder = tempfile::tempdir().expect("a folder");
        let contexts = Contexts::at(folder.path().join("contexts"));
        assert!(matches!(contexts.load(Some("region-a")), Err(ContextError::NotFound { .. })));
        assert!(matches!(contexts.load(Some("../region-a")), Err(ContextError::BadName { .. })));
        context().write(&contexts.path("region-a").expect("a path")).expect("written");
        assert_eq!(contexts.names().expect("names"), ["region-a"]);
        contexts.choose("region-a").expect("chosen");
        context().write(&contexts.path("region-b").expect("a path")).expect("written");
        if env::var_os(NAME_VARIABLE).is_none() {
            assert_eq!(contexts.load(None).expect("loaded").0, "region-a");
            contexts.choose("region-b").expect("chosen");
            assert_eq!(contexts.load(None).expect("loaded").0, "region-b");
        }
        assert!(contexts.choose("region-c").is_err());
    }
}
