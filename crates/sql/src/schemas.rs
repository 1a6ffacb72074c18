//! CREATE TABLE statements of the standard schemas, and the document of all columns, generated from [`crate::columns`].
//!
//! They are committed in `etc/sql` and `docs/sql-columns.md`; `cargo run -p xtask -- documents` writes these files.

use crate::columns::{COLUMNS, Shape, Spec, of};
use crate::settings::Dialect;
use flow::column::{Id, SqlType};
use flow::primitive;
use std::fmt::Write;

/// The newest version of the standard schemas.
const VERSIONS: u32 = 9;
/// The last version in which PostgreSQL has separate tables for AS numbers and for unified data.
const FAMILIES: u32 = 5;

/// A file below `etc/sql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// All files of statements.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    for (dialect, folder) in [
        (Dialect::Sqlite, "sqlite"),
        (Dialect::PgSql, "pgsql"),
        (Dialect::MySql, "mysql"),
        (Dialect::ClickHouse, "clickhouse"),
    ] {
        let shape = |version, bgp, unified| Shape { dialect, version, bgp, unified };
        for version in 1..=VERSIONS {
            files.push(file(folder, shape(version, false, false), false));
            if dialect == Dialect::PgSql && version <= FAMILIES {
                files.push(file(folder, shape(version, false, true), false));
                files.push(file(folder, shape(version, false, false), true));
            }
        }
        files.push(file(folder, shape(1, true, false), false));
        if let Some(text) = database(dialect) {
            files.push(File { path: format!("{folder}/database.sql"), text });
        }
    }
    files
}

fn file(folder: &str, shape: Shape, ases: bool) -> File {
    let table = shape.table(ases);
    let mut text = format!("-- Table {table}: {}.\n", describe(shape, ases));
    text += "-- Made from the table of columns in crates/sql; changes belong there.\n\n";
    text += &create(shape, ases);
    File { path: format!("{folder}/{table}.sql"), text }
}

fn describe(shape: Shape, ases: bool) -> String {
    let Shape { dialect, version, bgp, unified } = shape;
    let who = match dialect {
        Dialect::Sqlite => "sqlite3",
        Dialect::PgSql => "pgsql",
        Dialect::MySql => "mysql",
        Dialect::ClickHouse => "clickhouse",
    };
    let kind = if bgp { "sql_table_type: bgp" } else { "sql_table_type: original" };
    let mut text = format!("plugin {who}, sql_table_version: {version}, {kind}");
    if unified {
        text += ", sql_data: unified";
    }
    if ases {
        text += ", AS numbers in place of addresses";
    }
    text
}

/// The statements that create the user and the database.
fn database(dialect: Dialect) -> Option<String> {
    let title = "-- The user and the database that the plugin expects if nothing else is configured.\n\n";
    match dialect {
        Dialect::Sqlite => None,
        Dialect::ClickHouse => Some(
            "-- The database that the plugin expects if nothing else is configured.\n\n\
             CREATE DATABASE IF NOT EXISTS pmacct;\n"
                .to_owned(),
        ),
        Dialect::MySql => Some(format!(
            "{title}CREATE DATABASE IF NOT EXISTS pmacct;\n\
             CREATE USER IF NOT EXISTS 'pmacct'@'localhost' IDENTIFIED BY 'arealsmartpwd';\n\
             GRANT SELECT, INSERT, UPDATE, DELETE, LOCK TABLES, CREATE, CREATE TEMPORARY TABLES\n    \
             ON pmacct.* TO 'pmacct'@'localhost';\n"
        )),
        Dialect::PgSql => {
            let mut text = format!(
                "{title}CREATE ROLE pmacct LOGIN PASSWORD 'arealsmartpwd';\nCREATE DATABASE pmacct OWNER pmacct;\n\
                 \\connect pmacct\n\n-- Names of IP protocols, for joins.\n\
                 CREATE TABLE proto (\n    num SMALLINT NOT NULL PRIMARY KEY,\n    description CHAR(20)\n);\n\
                 GRANT SELECT, INSERT, UPDATE, DELETE ON proto TO pmacct;\nINSERT INTO proto (num, description) VALUES\n"
            );
            let named = (0..=255).filter_map(|number| Some((number, encode::protocols::name(number)?)));
            let rows: Vec<String> = named.map(|(number, name)| format!("    ({number}, '{name}')")).collect();
            text += &rows.join(",\n");
            text += ";\n";
            Some(text)
        }
    }
}

/// The statement that creates a table of that schema. `ases`: columns of addresses hold AS numbers.
pub fn create(shape: Shape, ases: bool) -> String {
    let table = shape.table(ases);
    let quote = if shape.dialect == Dialect::MySql { "`" } else { "" };
    let mut text = format!("CREATE TABLE {quote}{table}{quote} (\n");
    let times = [of(Id::StampInserted), of(Id::StampUpdated)];
    for spec in shape.columns().chain(times.into_iter().flatten()) {
        let _ = writeln!(text, "    {} {},", shape.name(spec), sql_type(spec, shape, ases));
    }
    // ClickHouse would lose the flags of merged rows, so they are part of the key there.
    let is_key = |ty| match ty {
        SqlType::Packets | SqlType::Bytes => false,
        SqlType::Flags => shape.dialect == Dialect::ClickHouse,
        _ => true,
    };
    let bin = of(Id::StampInserted).map_or("", |spec| shape.name(spec));
    let keys = shape.columns().filter(|spec| is_key(spec.ty)).map(|spec| shape.name(spec));
    let keys = keys.collect::<Vec<_>>().join(", ");
    if shape.dialect == Dialect::ClickHouse {
        text.truncate(text.trim_end_matches([',', '\n']).len());
        let sums: Vec<&str> =
            (shape.columns().filter(|spec| matches!(spec.ty, SqlType::Packets | SqlType::Bytes)))
                .map(|spec| shape.name(spec))
                .collect();
        let _ = write!(
            text,
            "\n) ENGINE = SummingMergeTree(({}))\n    PARTITION BY toYYYYMM({bin})\n    ORDER BY ({bin}, {keys});\n",
            sums.join(", ")
        );
        return text;
    }
    let _ = write!(text, "    PRIMARY KEY ({keys}, {bin})\n);\n");
    if shape.dialect == Dialect::PgSql {
        let _ = writeln!(text, "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO pmacct;");
    }
    text
}

/// The type of a column, with its default.
pub(crate) fn sql_type(spec: &Spec, shape: Shape, ases: bool) -> String {
    let address = spec.ty == SqlType::Address;
    if address && ases {
        return "BIGINT NOT NULL DEFAULT 0".to_owned();
    }
    if shape.unified && address {
        return "CHAR(45) NOT NULL DEFAULT '0.0.0.0'".to_owned();
    }
    if shape.unified && spec.ty == SqlType::Mac {
        return "CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0'".to_owned();
    }
    type_of(spec.ty, shape.dialect)
}

/// The type of columns in a dialect. Those of ClickHouse are wide, since it wraps numbers around that do not fit.
pub(crate) fn type_of(ty: SqlType, dialect: Dialect) -> String {
    let [mysql, pgsql, sqlite, clickhouse] = match ty {
        SqlType::Tiny => {
            ["INT(1) UNSIGNED NOT NULL", "SMALLINT NOT NULL DEFAULT 0", "INT(2) NOT NULL DEFAULT 0", "UInt8"]
        }
        SqlType::Short => {
            ["INT(2) UNSIGNED NOT NULL", "INT NOT NULL DEFAULT 0", "INT(4) NOT NULL DEFAULT 0", "UInt16"]
        }
        SqlType::Flags => {
            ["INT(4) UNSIGNED NOT NULL", "SMALLINT NOT NULL DEFAULT 0", "INT(4) NOT NULL DEFAULT 0", "UInt16"]
        }
        SqlType::Int => {
            ["INT(4) UNSIGNED NOT NULL", "INT NOT NULL DEFAULT 0", "INT(4) NOT NULL DEFAULT 0", "UInt32"]
        }
        SqlType::Long => {
            ["INT(4) UNSIGNED NOT NULL", "BIGINT NOT NULL DEFAULT 0", "INT(8) NOT NULL DEFAULT 0", "UInt64"]
        }
        SqlType::Event => {
            ["INT(1) UNSIGNED NOT NULL", "INT NOT NULL DEFAULT 0", "INT(2) NOT NULL DEFAULT 0", "UInt32"]
        }
        SqlType::Address => [
            "CHAR(45) NOT NULL",
            "inet NOT NULL DEFAULT '0.0.0.0'",
            "CHAR(45) NOT NULL DEFAULT '0.0.0.0'",
            "String",
        ],
        SqlType::Mac => [
            "CHAR(17) NOT NULL",
            "macaddr NOT NULL DEFAULT '0:0:0:0:0:0'",
            "CHAR(17) NOT NULL DEFAULT '0:0:0:0:0:0'",
            "String",
        ],
        SqlType::Protocol => {
            ["CHAR(6) NOT NULL", "SMALLINT NOT NULL DEFAULT 0", "CHAR(6) NOT NULL DEFAULT ' '", "String"]
        }
        SqlType::Char(size) => return text("CHAR", size, dialect),
        SqlType::Varchar(size) => return text("VARCHAR", size, dialect),
        SqlType::Country => {
            ["CHAR(2) NOT NULL", "CHAR(2) NOT NULL DEFAULT '--'", "CHAR(2) NOT NULL DEFAULT '--'", "String"]
        }
        SqlType::Roa => ["CHAR(1) NULL", "CHAR(1) NOT NULL DEFAULT ' '", "CHAR(1) NOT NULL DEFAULT ' '", "String"],
        SqlType::Real => ["FLOAT NOT NULL", "REAL NOT NULL DEFAULT 0", "REAL NOT NULL DEFAULT 0", "Float64"],
        SqlType::Time => [
            "DATETIME NOT NULL",
            "timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00'",
            "DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'",
            "DateTime",
        ],
        SqlType::Residual => ["INT NOT NULL", "INT NOT NULL DEFAULT 0", "INT NOT NULL DEFAULT 0", "UInt32"],
        SqlType::Packets => ["INT UNSIGNED NOT NULL", "INT NOT NULL", "INT NOT NULL", "UInt64"],
        SqlType::Bytes => ["BIGINT UNSIGNED NOT NULL", "BIGINT NOT NULL", "BIGINT NOT NULL", "UInt64"],
        SqlType::Inserted => [
            "DATETIME NOT NULL",
            "timestamp without time zone NOT NULL DEFAULT '0001-01-01 00:00:00'",
            "DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'",
            "DateTime",
        ],
        SqlType::Updated => ["DATETIME", "timestamp without time zone", "DATETIME", "DateTime"],
    };
    let ty = match dialect {
        Dialect::MySql => mysql,
        Dialect::PgSql => pgsql,
        Dialect::Sqlite => sqlite,
        Dialect::ClickHouse => clickhouse,
    };
    ty.to_owned()
}

fn text(name: &str, size: u8, dialect: Dialect) -> String {
    match dialect {
        Dialect::MySql => format!("{name}({size}) NOT NULL"),
        Dialect::PgSql | Dialect::Sqlite => format!("{name}({size}) NOT NULL DEFAULT ' '"),
        // ClickHouse does not bound texts.
        Dialect::ClickHouse => "String".to_owned(),
    }
}

/// Dialects, with the names of their servers.
const SERVERS: [(Dialect, &str); 4] = [
    (Dialect::MySql, "MySQL"),
    (Dialect::PgSql, "PostgreSQL"),
    (Dialect::Sqlite, "SQLite"),
    (Dialect::ClickHouse, "ClickHouse"),
];

/// The rows of the document for columns that had another name: name, former name, last version that uses it, servers.
fn former_names() -> String {
    let mut text = String::new();
    for spec in COLUMNS.iter() {
        let shape = |dialect, version| Shape { dialect, version, bgp: false, unified: false };
        let former = |dialect| {
            let last = (1..=VERSIONS).rev().find(|version| shape(dialect, *version).name(spec) != spec.name)?;
            Some((shape(dialect, last).name(spec), last))
        };
        let with_former = SERVERS.iter().filter_map(|(dialect, server)| Some((former(*dialect)?, *server)));
        let (names, servers): (Vec<_>, Vec<_>) = with_former.unzip();
        if let Some((name, last)) = names.first() {
            let servers = if servers.len() == SERVERS.len() { "all".to_owned() } else { servers.join(", ") };
            let _ = writeln!(text, "| `{}` | `{name}` | {last} | {servers} |", spec.name);
        }
    }
    text
}

/// The document of all columns.
pub fn document() -> String {
    let mut text = String::from(
        "# Columns of SQL tables\n\n\
         Generated from the table of columns in `crates/sql`. With `sql_optimize_clauses: true` a table may have any of\n\
         these columns, in any order; without it, those of its `sql_table_version`, whose statements are in `etc/sql`.\n\
         Names are those of version 9. `sql_table_version`, which is 1 unless it is set, decides about names and AS numbers with\n\
         `sql_optimize_clauses`, too:\n\n\
         | column | is called | up to version | servers |\n|---|---|---|---|\n",
    );
    text += &former_names();
    text += "\n\
         Up to version 5, AS numbers are written to `ip_src` and `ip_dst`, unless addresses of the same side are aggregated beside them.\n\
         The tables for BGP have AS numbers in `as_src` and `as_dst` in all versions.\n\n\
         Columns of custom primitives are called as these, and hold texts, or numbers for `semantics=u_int`.\n\n\
         Types are those of existing installations. A counter that outgrows its type is refused by the server, and the row\n\
         counted: busy networks want `BIGINT` for `packets` and `flows`. Texts longer than their column are cut.\n\n\
         | column | primitive | MySQL | PostgreSQL | SQLite | ClickHouse |\n|---|---|---|---|---|---|\n";
    for spec in COLUMNS.iter() {
        let primitive = match (primitive::showing(spec.id), spec.id) {
            (Some(primitive), _) => format!("`{}`", primitive.name),
            (None, Id::StampInserted | Id::StampUpdated) => "`sql_history`".to_owned(),
            (None, Id::TimestampMin | Id::TimestampMax) => "`nfacctd_stitching`".to_owned(),
            (None, _) => String::new(),
        };
        let [mysql, pgsql, sqlite, clickhouse] = SERVERS.map(|(dialect, _)| type_of(spec.ty, dialect));
        let _ = writeln!(text, "| `{}` | {primitive} | {mysql} | {pgsql} | {sqlite} | {clickhouse} |", spec.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_committed_files_are_up_to_date() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for File { path, text } in files() {
            let found = std::fs::read_to_string(root.join("etc/sql").join(&path)).unwrap_or_default();
            assert!(found == text, "etc/sql/{path} is stale: run `cargo run -p xtask -- documents`");
        }
        let found = std::fs::read_to_string(root.join("docs/sql-columns.md")).unwrap_or_default();
        assert!(found == document(), "docs/sql-columns.md is stale: run `cargo run -p xtask -- documents`");
    }

    #[test]
    fn former_names_are_listed() {
        let text = former_names();
        assert!(text.contains("| `port_src` | `src_port` | 7 | MySQL, SQLite, ClickHouse |"), "{text}");
        assert!(text.contains("| `tag` | `agent_id` | 8 | all |"), "{text}");
    }

    #[test]
    fn the_statements_name_the_columns_of_their_version() {
        let shape = Shape { dialect: Dialect::Sqlite, version: 3, bgp: false, unified: false };
        let text = create(shape, false);
        assert!(text.starts_with("CREATE TABLE acct_v3 (\n"), "{text}");
        assert!(text.contains("    agent_id INT(8) NOT NULL DEFAULT 0,\n") && !text.contains("flows"), "{text}");
        assert!(text.contains("PRIMARY KEY (mac_src, mac_dst, vlan, ip_src, ip_dst, src_port, dst_port, tos, ip_proto, agent_id, stamp_inserted)"), "{text}");
    }
}
