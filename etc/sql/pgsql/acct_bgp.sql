-- Table acct_bgp: plugin pgsql, sql_table_version: 1, sql_table_type: bgp.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_bgp (
    as_src BIGINT NOT NULL DEFAULT 0,
    as_dst BIGINT NOT NULL DEFAULT 0,
    comms CHAR(24) NOT NULL DEFAULT ' ',
    as_path CHAR(21) NOT NULL DEFAULT ' ',
    local_pref BIGINT NOT NULL DEFAULT 0,
    med BIGINT NOT NULL DEFAULT 0,
    peer_as_src BIGINT NOT NULL DEFAULT 0,
    peer_as_dst BIGINT NOT NULL DEFAULT 0,
    peer_ip_src inet NOT NULL DEFAULT '0.0.0.0',
    peer_ip_dst inet NOT NULL DEFAULT '0.0.0.0',
    agent_id BIGINT NOT NULL DEFAULT 0,
    packets INT NOT NULL,
    bytes BIGINT NOT NULL,
    stamp_inserted timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00',
    stamp_updated timestamp without time zone,
    PRIMARY KEY (as_src, as_dst, comms, as_path, local_pref, med, peer_as_src, peer_as_dst, peer_ip_src, peer_ip_dst, agent_id, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON acct_bgp TO pmacct;
