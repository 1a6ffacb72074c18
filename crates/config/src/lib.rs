//! Configuration keys, files, command lines and the problems found in them.
