//! Aggregates as text: formatted, CSV and JSON; names with variables.
