-- Table acct_v5: plugin mysql, sql_table_version: 5, sql_table_type: original.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE `acct_v5` (
    mac_src CHAR(17) NOT NULL,
    mac_dst CHAR(17) NOT NULL,
    vlan INT(2) UNSIGNED NOT NULL,
    ip_src CHAR(45) NOT NULL,
    ip_dst CHAR(45) NOT NULL,
    src_port INT(2) UNSIGNED NOT NULL,
    dst_port INT(2) UNSIGNED NOT NULL,
    tos INT(4) UNSIGNED NOT NULL,
    ip_proto CHAR(6) NOT NULL,
    agent_id INT(4) UNSIGNED NOT NULL,
    class_id CHAR(16) NOT NULL,
    packets INT UNSIGNED NOT NULL,
    bytes BIGINT UNSIGNED NOT NULL,
    flows INT UNSIGNED NOT NULL,
    stamp_inserted DATETIME NOT NULL,
    stamp_updated DATETIME,
    PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, src_port, dst_port, tos, ip_proto, agent_id, class_id, stamp_inserted)
);
