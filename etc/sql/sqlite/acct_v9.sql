-- Table acct_v9: plugin sqlite3, sql_table_version: 9, sql_table_type: original.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_v9 (
    mac_src CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
    mac_dst CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0',
    vlan INT(4) NOT NULL DEFAULT 0,
    ip_src CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    ip_dst CHAR(45) NOT NULL DEFAULT '0.0.0.0',
    as_src INT(8) NOT NULL DEFAULT 0,
    as_dst INT(8) NOT NULL DEFAULT 0,
    port_src INT(4) NOT NULL DEFAULT 0,
    port_dst INT(4) NOT NULL DEFAULT 0,
    tcp_flags INT(4) NOT NULL DEFAULT 0,
    tos INT(4) NOT NULL DEFAULT 0,
    ip_proto CHAR(6) NOT NULL DEFAULT ' ',
    tag INT(8) NOT NULL DEFAULT 0,
    class_id CHAR(16) NOT NULL DEFAULT ' ',
    packets INT NOT NULL,
    bytes BIGINT NOT NULL,
    flows INT NOT NULL,
    stamp_inserted DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
    stamp_updated DATETIME,
    PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, as_src, as_dst, port_src, port_dst, tos, ip_proto, tag, class_id, stamp_inserted)
);
