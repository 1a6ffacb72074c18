-- Table acct_bgp: plugin clickhouse, sql_table_version: 1, sql_table_type: bgp.
-- Made from the table of columns in crates/sql; changes belong there.

CREATE TABLE acct_bgp (
    as_src UInt64,
    as_dst UInt64,
    comms String,
    as_path String,
    local_pref UInt64,
    med UInt64,
    peer_as_src UInt64,
    peer_as_dst UInt64,
    peer_ip_src String,
    peer_ip_dst String,
    agent_id UInt64,
    packets UInt64,
    bytes UInt64,
    stamp_inserted DateTime,
    stamp_updated DateTime
) ENGINE = SummingMergeTree((packets, bytes))
    PARTITION BY toYYYYMM(stamp_inserted)
    ORDER BY (stamp_inserted, as_src, as_dst, comms, as_path, local_pref, med, peer_as_src, peer_as_dst, peer_ip_src, peer_ip_dst, agent_id);
