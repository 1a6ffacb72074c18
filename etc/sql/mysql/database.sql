-- The user and the database that the plugin expects if nothing else is configured.

CREATE DATABASE IF NOT EXISTS pmacct;
CREATE USER IF NOT EXISTS 'pmacct'@'localhost' IDENTIFIED BY 'arealsmartpwd';
GRANT SELECT, INSERT, UPDATE, DELETE, LOCK TABLES, CREATE, CREATE TEMPORARY TABLES
    ON pmacct.* TO 'pmacct'@'localhost';
