-- Table acct_uni_v2: plugin pgsql, sql_table_version: 2, sql_table_type: original, sql_data: unified.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_uni_v2 (
    mac_src CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
    mac_dst CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
    vlan INT NOT NULL DEFAULT 0,
    ip_src CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    ip_dst CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    port_src INT NOT NULL DEFAULT 0,
    port_dst INT NOT NULL DEFAULT 0,
    ip_proto SMALLINT NOT NULL DEFAULT 0,
    agent_id BIGINT NOT NULL DEFAULT 0,
    packets INT NOT NULL,
    bytes BIGINT NOT NULL,
    stamp_inserted timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00',
    stamp_updated timestamp without time zone,
    PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, port_src, port_dst, ip_proto, agent_id, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON acct_uni_v2 TO pmacct;
