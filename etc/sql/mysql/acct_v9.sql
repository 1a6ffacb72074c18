-- Table acct_v9: plugin mysql, sql_table_version: 9, sql_table_type: original.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE `acct_v9` (
    mac_src CHAR(17) NOT NULL,
    mac_dst CHAR(17) NOT NULL,
    vlan INT(2) UNSIGNED NOT NULL,
    ip_src CHAR(45) NOT NULL,
    ip_dst CHAR(45) NOT NULL,
    as_src INT(4) UNSIGNED NOT NULL,
    as_dst INT(4) UNSIGNED NOT NULL,
    port_src INT(2) UNSIGNED NOT NULL,
    port_dst INT(2) UNSIGNED NOT NULL,
    tcp_flags INT(4) UNSIGNED NOT NULL,
    tos INT(4) UNSIGNED NOT NULL,
    ip_proto CHAR(6) NOT NULL,
    tag INT(4) UNSIGNED NOT NULL,
    class_id CHAR(16) NOT NULL,
    packets INT UNSIGNED NOT NULL,
    bytes BIGINT UNSIGNED NOT NULL,
    flows INT UNSIGNED NOT NULL,
    stamp_inserted DATETIME NOT NULL,
    stamp_updated DATETIME,
    PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, as_src, as_dst, port_src, port_dst, tos, ip_proto, tag, class_id, stamp_inserted)
);
