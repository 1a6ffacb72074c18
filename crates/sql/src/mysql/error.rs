//! Write errors, classified by how they are handled.

use delivery::StoreError;
use mysql::{DriverError, Error, MySqlError};

/// Why a write failed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The connection is broken. The last statement may or may not have been executed.
    Lost(String),
    /// The server cannot write, or the configuration is wrong.
    Store(StoreError),
    /// The server has rolled the transaction back; an immediate retry may succeed.
    Retry(String),
    /// The server refuses a row.
    Row(String),
}

impl WriteError {
    /// The error for the delivery worker.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Lost(what) | Self::Retry(what) => StoreError::Down(what),
            Self::Store(error) => error,
            // A statement that writes no particular row: the table does not fit.
            Self::Row(what) => StoreError::Configuration { key: "sql_table", what },
        }
    }

    /// Classifies by the server's error number, and the class of its SQLSTATE (MySQL manual, "Server Error Message Reference"; MariaDB
    /// manual, "MariaDB Error Code Reference").
    fn from_server(error: MySqlError) -> Self {
        let MySqlError { state, message, code } = error;
        let what = format!("{message} (error {code})");
        let configuration = |key| StoreError::Configuration { key, what: what.clone() };
        Self::Store(match code {
            1045 => configuration("sql_passwd"),
            1044 | 1049 => configuration("sql_db"),
            1130 | 1142 | 1143 | 1227 | 1251 | 1275 | 1370 | 1524 | 1698 => configuration("sql_user"),
            1146 | 1064 | 1100 | 1288 | 1347 | 1471 => configuration("sql_table"),
            1050 => configuration("sql_table_schema"),
            1054 => configuration("sql_table_version"),
            // Shutdown, a killed connection.
            1053 | 1317 | 1927 => return Self::Lost(what),
            // Deadlock; in MariaDB also a row that another transaction has changed.
            1213 | 1020 => return Self::Retry(what),
            // The packet limit, values out of the range of the type, constraints, columns without a value and without a
            // default, generated columns, and errors of triggers.
            1048
            | 1153
            | 1263..=1266
            | 1292
            | 1364
            | 1366
            | 1406
            | 1411
            | 1423
            | 1525
            | 1690
            | 1906
            | 3105
            | 3819
            | 4025 => {
                return Self::Row(what);
            }
            _ if ["22", "23", "45"].iter().any(|class| state.starts_with(class)) => return Self::Row(what),
            // Too many connections, lock timeouts, full disks, read-only servers, and everything else.
            _ => StoreError::Down(what),
        })
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match error {
            Error::MySqlError(error) => Self::from_server(error),
            Error::TlsError(error) => Self::Store(untrusted(error.to_string())),
            Error::DriverError(DriverError::TlsNotSupported) => {
                Self::Store(untrusted("the server does not support TLS".to_owned()))
            }
            Error::DriverError(DriverError::CleartextPluginDisabled) => {
                let what =
                    "the server asks for the password in clear text; set sql_cleartext_passwd: true to send it"
                        .to_owned();
                Self::Store(StoreError::Configuration { key: "sql_passwd", what })
            }
            Error::DriverError(error) => Self::Lost(error.to_string()),
            Error::IoError(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Self::Store(untrusted(error.to_string()))
            }
            Error::IoError(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                Self::Lost("no answer in time".to_owned())
            }
            Error::IoError(error) => Self::Lost(error.to_string()),
            other => {
                // An untrusted certificate shows as an error of the first write.
                let what = other.to_string();
                if what.contains("certificate") { Self::Store(untrusted(what)) } else { Self::Lost(what) }
            }
        }
    }
}

fn untrusted(what: String) -> StoreError {
    StoreError::Configuration { key: "sql_conn_ca_file", what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_classified() {
        let of = |code, state: &str| {
            WriteError::from(Error::MySqlError(MySqlError {
                state: state.to_owned(),
                message: "m".to_owned(),
                code,
            }))
        };
        assert!(matches!(
            of(1045, "28000"),
            WriteError::Store(StoreError::Configuration { key: "sql_passwd", .. })
        ));
        assert!(matches!(of(1062, "23000"), WriteError::Row(_)));
        assert!(matches!(of(1264, "22003"), WriteError::Row(_)));
        assert!(matches!(of(1366, "HY000"), WriteError::Row(_)));
        assert!(matches!(of(1644, "45000"), WriteError::Row(_)));
        for code in [1048, 1364, 1423, 1906, 3105] {
            assert!(matches!(of(code, "HY000"), WriteError::Row(_)), "{code}");
        }
        assert!(matches!(
            of(1050, "42S01"),
            WriteError::Store(StoreError::Configuration { key: "sql_table_schema", .. })
        ));
        assert!(matches!(of(1213, "40001"), WriteError::Retry(_)));
        assert!(matches!(of(1205, "HY000"), WriteError::Store(StoreError::Down(_))));
        assert!(matches!(of(1053, "08S01"), WriteError::Lost(_)));
    }
}
