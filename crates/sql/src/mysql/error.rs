//! What went wrong, by what can be done about it.

use delivery::StoreError;
use mysql::{DriverError, Error, MySqlError};

/// What went wrong.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The connection is of no more use. What was sent last may have been done.
    Lost(String),
    /// The server cannot, or the configuration is wrong.
    Store(StoreError),
    /// The server has undone the transaction, and it may work at once.
    Retry(String),
    /// The server does not take a row.
    Row(String),
}

impl WriteError {
    /// As the delivery worker is told.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Lost(what) | Self::Retry(what) => StoreError::Down(what),
            Self::Store(error) => error,
            // Statements about no row in particular: the table is not as it should be.
            Self::Row(what) => StoreError::Configuration { key: "sql_table", what },
        }
    }

    /// By the server's number, and the class of its SQLSTATE (MySQL manual, "Server Error Message Reference"; MariaDB
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
            // Limits of packets, values that fit no type, conditions of the table, columns that get no value and have no
            // default or take none, and what triggers refuse.
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
            // Too many connections, locks that last, full disks, servers that only read, and what nobody foresaw.
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
                Self::Store(untrusted("the server does not encrypt".to_owned()))
            }
            Error::DriverError(DriverError::CleartextPluginDisabled) => {
                let what = "the server asks for the password in the clear: sql_cleartext_passwd: true sends it"
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
                // A certificate that is not trusted shows when the first packet is written.
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
    fn errors_are_told_apart() {
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
