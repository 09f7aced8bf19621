//! Words to come.
