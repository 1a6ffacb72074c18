-- The database that the plugin expects if nothing else is configured.

CREATE DATABASE IF NOT EXISTS pmacct;
