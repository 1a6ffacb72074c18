-- Table acct_as_v5: plugin pgsql, sql_table_version: 5, sql_table_type: original, AS numbers in place of addresses.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_as_v5 (
    mac_src macaddr NOT NULL DEFAULT '0:0:0:0:0:0',
    mac_dst macaddr NOT NULL DEFAULT '0:0:0:0:0:0',
    vlan INT NOT NULL DEFAULT 0,
    ip_src BIGINT NOT NULL DEFAULT 0,
    ip_dst BIGINT NOT NULL DEFAULT 0,
    port_src INT NOT NULL DEFAULT 0,
    port_dst INT NOT NULL DEFAULT 0,
    tos INT NOT NULL DEFAULT 0,
    ip_proto SMALLINT NOT NULL DEFAULT 0,
    agent_id BIGINT NOT NULL DEFAULT 0,
    class_id CHAR(16) NOT NULL DEFAULT ' ',
    packets INT NOT NULL,
    bytes BIGINT NOT NULL,
    flows INT NOT NULL,
    stamp_inserted timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00',
    stamp_updated timestamp without time zone,
    PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, port_src, port_dst, tos, ip_proto, agent_id, class_id, stamp_inserted)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON acct_as_v5 TO pmacct;
