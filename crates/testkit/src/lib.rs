//! Exporters, processes and conditions for tests.
