//! The settings of one connection: what `set`, `show` and `reset` speak of.

use std::collections::BTreeMap;
use std::time::Duration;

use compute::postgres_catalog::Setting;

use super::error::SqlError;

/// Settings of a client's own, `myapp.user`, that are kept.
const OWN_SETTINGS_MAX: usize = 200;
/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Name, first value, whether clients are told when it changes, what it is.
const KNOWN: &[(&str, &str, bool, &str)] = &[
    ("application_name", "", true, "What the program calls itself; kept in the query log."),
    ("bytea_output", "hex", false, "How bytes are written."),
    ("client_encoding", "UTF8", true, "The encoding of texts; always UTF-8."),
    ("client_min_messages", "notice", false, "Accepted without effect."),
    ("datestyle", "ISO, MDY", true, "How dates are written; always ISO."),
    ("block_size", "8192", false, "Bytes of a page of PostgreSQL's."),
    ("check_function_bodies", "on", false, "Accepted without effect."),
    ("default_table_access_method", "heap", false, "How PostgreSQL would keep tables."),
    ("default_tablespace", "", false, "Accepted without effect."),
    ("default_transaction_deferrable", "off", false, "Accepted without effect."),
    ("default_transaction_isolation", "repeatable read", false, "Always repeatable read."),
    ("default_transaction_read_only", "on", true, "Always on."),
    ("enable_nestloop", "on", false, "Accepted without effect."),
    ("extra_float_digits", "1", false, "Numbers always have all their digits."),
    ("geqo", "on", false, "Accepted without effect."),
    ("idle_in_transaction_session_timeout", "0", false, "Milliseconds a transaction may wait."),
    ("idle_session_timeout", "0", false, "Milliseconds a connection may wait."),
    ("in_hot_standby", "off", true, "Always off."),
    ("integer_datetimes", "on", true, "Always on."),
    ("intervalstyle", "postgres", true, "How intervals are written."),
    ("is_superuser", "off", true, "Whether the user administers."),
    ("jit", "off", false, "Accepted without effect."),
    ("lc_collate", "C", false, "The order of texts."),
    ("lc_ctype", "C", false, "The classes of letters."),
    ("lc_messages", "C", false, "The language of messages."),
    ("lc_monetary", "C", false, "Accepted without effect."),
    ("lc_numeric", "C", false, "Accepted without effect."),
    ("lc_time", "C", false, "Accepted without effect."),
    ("lock_timeout", "0", false, "Accepted without effect: nothing waits for locks."),
    ("max_connections", "100", false, "Connections at a time."),
    ("max_identifier_length", "63", false, "Bytes of a name."),
    ("max_index_keys", "32", false, "Columns of an index."),
    ("role", "none", false, "Accepted without effect."),
    ("row_security", "off", false, "Accepted without effect."),
    ("search_path", "", false, "Namespaces in which bare names are looked up."),
    ("server_encoding", "UTF8", true, "Always UTF-8."),
    ("server_version", "16.6", true, "The PostgreSQL whose clients fit."),
    ("server_version_num", "160006", false, "The same as a number."),
    ("session_authorization", "", true, "Who is connected."),
    ("standard_conforming_strings", "on", true, "Backslashes are letters."),
    ("statement_timeout", "0", false, "Milliseconds a statement may run."),
    ("synchronize_seqscans", "on", false, "Accepted without effect."),
    ("timezone", "UTC", true, "The zone in which moments are written and dates begin."),
    ("transaction_isolation", "repeatable read", false, "Always repeatable read."),
    ("transaction_read_only", "on", false, "Always on."),
    ("work_mem", "4096", false, "Accepted without effect."),
    ("xmloption", "content", false, "Accepted without effect."),
];

/// Settings that tell about the server.
const FIXED: &[&str] = &[
    "block_size",
    "max_connections",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "max_identifier_length",
    "max_index_keys",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
];

/// As the protocol spells them, where that is not in lower case.
const SPELT: &[(&str, &str)] =
    &[("datestyle", "DateStyle"), ("intervalstyle", "IntervalStyle"), ("timezone", "TimeZone")];

/// The values of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    first: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn new(namespace: Option<&str>, user: &str, administers: bool) -> Self {
        let mut first: BTreeMap<String, String> = KNOWN
            .iter()
            .map(|(name, value, _, _)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let administers = if administers { "on" } else { "off" };
        first.insert("is_superuser".to_owned(), administers.to_owned());
        first.insert("session_authorization".to_owned(), user.to_owned());
        first.insert("search_path".to_owned(), namespace.unwrap_or_default().to_owned());
        Self { now: first.clone(), first }
    }

    /// What the client asks for when it connects is what `reset` goes back to.
    pub(super) fn start(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        self.set(name, Some(value))?;
        let name = name.to_lowercase();
        if let Some(value) = self.now.get(&name) {
            self.first.insert(name, value.clone());
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.now.get(&name.to_lowercase()).map(String::as_str)
    }

    /// Changes a value; says what the client must be told.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<Option<(String, String)>, SqlError> {
        let name = name.to_lowercase();
        let known = KNOWN.iter().find(|(held, ..)| *held == name);
        if FIXED.contains(&name.as_str()) {
            return Err(SqlError::new("55P02", format!("parameter \"{name}\" cannot be changed")));
        }
        if known.is_none() && !name.contains('.') {
            return Err(unknown(&name));
        }
        let value = match value {
            Some(value) => accepted(&name, value)?,
            None => self.first.get(&name).cloned().unwrap_or_default(),
        };
        if known.is_none()
            && !self.now.contains_key(&name)
            && self.now.len() > KNOWN.len() + OWN_SETTINGS_MAX
        {
            return Err(SqlError::new(
                "54000",
                format!("more than {OWN_SETTINGS_MAX} own settings"),
            ));
        }
        self.now.insert(name.clone(), value.clone());
        let told = known.is_some_and(|(_, _, told, _)| *told);
        Ok(told.then(|| (spelt(&name), value)))
    }

    /// Everything as it was at first.
    pub(super) fn reset_all(&mut self) -> Vec<(String, String)> {
        let before = std::mem::replace(&mut self.now, self.first.clone());
        self.told()
            .into_iter()
            .filter(|(name, value)| before.get(&name.to_lowercase()) != Some(value))
            .collect()
    }

    /// Every value that a client is told.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        let told = KNOWN.iter().filter(|(_, _, told, _)| *told);
        told.filter_map(|(name, ..)| Some((spelt(name), self.now.get(*name)?.clone()))).collect()
    }

    pub(super) fn all(&self) -> Vec<Setting> {
        let known = |name: &str| KNOWN.iter().find(|(held, ..)| *held == name);
        self.now
            .iter()
            .map(|(name, value)| Setting {
                name: spelt(name),
                value: value.clone(),
                description: known(name)
                    .map_or_else(String::new, |(_, _, _, what)| (*what).to_owned()),
            })
            .collect()
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        let milliseconds = milliseconds(self.get(name)?)?;
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }

    pub(super) fn time_zone(&self) -> &str {
        self.get("timezone").unwrap_or("UTC")
    }

    pub(super) fn search_path(&self) -> Vec<String> {
        let path = self.get("search_path").unwrap_or_default();
        let parts = path.split(',').map(|part| part.trim().trim_matches('"').to_owned());
        parts.filter(|part| !part.is_empty() && part != "$user").collect()
    }
}

pub(super) fn unknown(name: &str) -> SqlError {
    SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

fn spelt(name: &str) -> String {
    let spelt = SPELT.iter().find(|(held, _)| *held == name);
    spelt.map_or(name, |(_, spelt)| spelt).to_owned()
}

fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
}

/// A value as it is kept.
fn accepted(name: &str, value: &str) -> Result<String, SqlError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(SqlError::new("54000", format!("the value of \"{name}\" is too long")));
    }
    match name {
        "statement_timeout"
        | "lock_timeout"
        | "idle_session_timeout"
        | "idle_in_transaction_session_timeout" => {
            milliseconds(value).map(written_time).ok_or_else(|| invalid(name, value))
        }
        "client_encoding" => match value.to_lowercase().replace(['-', '_', '\'', '"'], "").as_str()
        {
            "utf8" | "unicode" | "sqlascii" => Ok("UTF8".to_owned()),
            _ => Err(invalid(name, value).hint("Texts are UTF-8: set client_encoding to 'UTF8'.")),
        },
        "timezone" => zone(value).ok_or_else(|| invalid(name, value)),
        "datestyle" => {
            let style = value.to_uppercase();
            match ["GERMAN", "SQL", "POSTGRES"].into_iter().any(|other| style.contains(other)) {
                true => Err(invalid(name, value).hint("Dates are written in ISO style.")),
                false if style.contains("DMY") => Ok("ISO, DMY".to_owned()),
                false if style.contains("YMD") => Ok("ISO, YMD".to_owned()),
                false => Ok("ISO, MDY".to_owned()),
            }
        }
        "bytea_output" if value != "hex" => {
            Err(invalid(name, value).hint("Bytes are written as hex."))
        }
        "intervalstyle" if value != "postgres" => {
            Err(invalid(name, value).hint("Intervals are written in postgres style."))
        }
        "default_transaction_read_only" | "transaction_read_only"
            if matches!(value.to_lowercase().as_str(), "off" | "false" | "0" | "no") =>
        {
            // A driver that asks to write is told when it writes.
            Ok("on".to_owned())
        }
        "standard_conforming_strings" if value != "on" => Err(invalid(name, value)),
        _ => Ok(value.to_owned()),
    }
}

/// `5000`, `5s`, `2min`.
fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let end = value.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(value.len());
    let number: f64 = value[..end].parse().ok()?;
    let unit = match value[end..].trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked on the line itself"
    )]
    (0.0..1.0e15).contains(&(number * unit)).then(|| (number * unit).round() as u64)
}

/// A time in the largest unit that has no fraction.
fn written_time(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0".to_owned(),
        time if time.is_multiple_of(60_000) => format!("{}min", time / 60_000),
        time if time.is_multiple_of(1_000) => format!("{}s", time / 1_000),
        time => format!("{time}ms"),
    }
}

/// A zone by its name, in any case; fixed offsets as clients write them.
fn zone(value: &str) -> Option<String> {
    let wanted = value.trim();
    if matches!(
        wanted.to_uppercase().as_str(),
        "UTC" | "GMT" | "Z" | "ETC/UTC" | "0" | "+00:00" | "+00"
    ) {
        return Some("UTC".to_owned());
    }
    if let Ok(zone) = wanted.parse::<chrono_tz::Tz>() {
        return Some(zone.name().to_owned());
    }
    let found = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(wanted));
    if let Some(zone) = found {
        return Some(zone.name().to_owned());
    }
    // `+02:00` is a zone two hours east, which the zone database calls `Etc/GMT-2`.
    let hours: i32 = wanted.strip_suffix(":00").unwrap_or(wanted).parse().ok()?;
    let sign = if hours > 0 { '-' } else { '+' };
    (hours.abs() <= 12).then(|| format!("Etc/GMT{sign}{}", hours.abs()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_checked_and_kept_as_postgres_keeps_them() {
        let mut settings = Settings::new(Some("shop"), "ana", false);
        settings.set("statement_timeout", Some("2s")).unwrap();
        assert_eq!(settings.duration("statement_timeout"), Some(Duration::from_secs(2)));
        let told = settings.set("TimeZone", Some("europe/berlin")).unwrap();
        assert_eq!(told, Some(("TimeZone".to_owned(), "Europe/Berlin".to_owned())));
        assert_eq!(settings.set("no_such", Some("1")).unwrap_err().state, "42704");
        assert_eq!(settings.set("client_encoding", Some("LATIN1")).unwrap_err().state, "22023");
        settings.set("myapp.user", Some("x")).unwrap();
        assert_eq!(settings.get("myapp.user"), Some("x"));
        assert_eq!(settings.search_path(), ["shop"]);
        let told = settings.reset_all();
        assert_eq!(told, [("TimeZone".to_owned(), "UTC".to_owned())]);
        assert_eq!(settings.duration("statement_timeout"), None);
    }
}
