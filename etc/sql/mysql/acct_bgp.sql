-- Table acct_bgp: plugin mysql, sql_table_version: 1, sql_table_type: bgp.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE `acct_bgp` (
    as_src INT(4) UNSIGNED NOT NULL,
    as_dst INT(4) UNSIGNED NOT NULL,
    comms CHAR(24) NOT NULL,
    as_path CHAR(21) NOT NULL,
    local_pref INT(4) UNSIGNED NOT NULL,
    med INT(4) UNSIGNED NOT NULL,
    peer_as_src INT(4) UNSIGNED NOT NULL,
    peer_as_dst INT(4) UNSIGNED NOT NULL,
    peer_ip_src CHAR(45) NOT NULL,
    peer_ip_dst CHAR(45) NOT NULL,
    agent_id INT(4) UNSIGNED NOT NULL,
    packets INT UNSIGNED NOT NULL,
    bytes BIGINT UNSIGNED NOT NULL,
    stamp_inserted DATETIME NOT NULL,
    stamp_updated DATETIME,
    PRIMARY KEY (as_src, as_dst, comms, as_path, local_pref, med, peer_as_src, peer_as_dst, peer_ip_src, peer_ip_dst, agent_id, stamp_inserted)
);
