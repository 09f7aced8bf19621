//! The JSON Schema of probes.yaml, from the same shapes by which it is read.

use serde_json::Value;

use super::Word;
use super::raw::Top;

/// The schema, draft 2020-12, with the kinds of `K` and the notifiers of `N` as alternatives.
pub fn schema<K: Word, N: Word>() -> Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<Top<K, N>>().to_value()
}
