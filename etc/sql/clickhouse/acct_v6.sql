-- Table acct_v6: plugin clickhouse, sql_table_version: 6, sql_table_type: original.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_v6 (
    mac_src String,
    mac_dst String,
    vlan UInt16,
    ip_src String,
    ip_dst String,
    as_src UInt64,
    as_dst UInt64,
    src_port UInt16,
    dst_port UInt16,
    tos UInt32,
    ip_proto String,
    agent_id UInt64,
    class_id String,
    packets UInt64,
    bytes UInt64,
    flows UInt64,
    stamp_inserted DateTime,
    stamp_updated DateTime
) ENGINE = SummingMergeTree((packets, bytes, flows))
    PARTITION BY toYYYYMM(stamp_inserted)
    ORDER BY (stamp_inserted, mac_src, mac_dst, vlan, ip_src, ip_dst, as_src, as_dst, src_port, dst_port, tos, ip_proto, agent_id, class_id);
