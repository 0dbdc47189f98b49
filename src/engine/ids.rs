//! Where the ids of what is new come from. One question: which id is next?
//!
//! Random ones (UUID v4), so that an id says nothing about order, time or organisation (R7). Tests draw known ones, so that two servers
//! can be compared byte by byte: `tests/it/wire/pairs.rs`.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A source of ids. Cheap to clone.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl Ids {
    /// Random ones.
    pub fn random() -> Self {
        Self::drawn_by(Uuid::new_v4)
    }

    /// What `draw` answers, which must never answer the same twice.
    pub fn drawn_by(draw: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    pub(super) fn draw(&self) -> Uuid {
        (self.0)()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}
