-- Table acct_bgp: plugin sqlite3, sql_table_version: 1, sql_table_type: bgp.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_bgp (
    as_src INT(8) NOT NULL DEFAULT 0,
    as_dst INT(8) NOT NULL DEFAULT 0,
    comms CHAR(24) NOT NULL DEFAULT ' ',
    as_path CHAR(21) NOT NULL DEFAULT ' ',
    local_pref INT(8) NOT NULL DEFAULT 0,
    med INT(8) NOT NULL DEFAULT 0,
    peer_as_src INT(8) NOT NULL DEFAULT 0,
    peer_as_dst INT(8) NOT NULL DEFAULT 0,
    peer_ip_src CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    peer_ip_dst CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    agent_id INT(8) NOT NULL DEFAULT 0,
    packets INT NOT NULL,
    bytes BIGINT NOT NULL,
    stamp_inserted DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
    stamp_updated DATETIME,
    PRIMARY KEY (as_src, as_dst, comms, as_path, local_pref, med, peer_as_src, peer_as_dst, peer_ip_src, peer_ip_dst, agent_id, stamp_inserted)
);
