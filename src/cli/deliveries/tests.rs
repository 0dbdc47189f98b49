//! Rendering, kind by kind.
