-- Table acct: plugin clickhouse, sql_table_version: 1, sql_table_type: original.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct (
    mac_src String,
    mac_dst String,
    ip_src String,
    ip_dst String,
    src_port UInt16,
    dst_port UInt16,
    ip_proto String,
    packets UInt64,
    bytes UInt64,
    stamp_inserted DateTime,
    stamp_updated DateTime
) ENGINE = SummingMergeTree((packets, bytes))
    PARTITION BY toYYYYMM(stamp_inserted)
    ORDER BY (stamp_inserted, mac_src, mac_dst, ip_src, ip_dst, src_port, dst_port, ip_proto);
