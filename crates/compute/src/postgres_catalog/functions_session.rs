//! Functions about the connection: who, where, which settings.

use super::functions::{Function, number_argument, text_argument};
use super::kinds;
use super::run::Run;
use super::value::{Value, number};
use crate::error::QueryError;

/// What the program says it is: drivers read the number.
const VERSION: &str = concat!("PostgreSQL 16.6 (fiveply ", env!("CARGO_PKG_VERSION"), ")");

/// What `version()` says.
pub fn version() -> &'static str {
    VERSION
}

const T: u32 = kinds::TEXT;

fn text(value: impl Into<std::sync::Arc<str>>) -> Result<Value, QueryError> {
    Ok(Value::text(value))
}

fn user(run: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    text(run.state.host.user())
}

fn now(run: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Moment(run.state.host.now().timestamp_micros()))
}

fn nothing(_: &Run<'_>, _: &[Value]) -> Result<Value, QueryError> {
    Ok(Value::Null)
}

pub(crate) static FUNCTIONS: &[Function] = &[
    Function::new("version", T, &[], (0, 0), |_, _| text(VERSION)),
    Function::new("current_database", kinds::NAME, &[], (0, 0), |run, _| {
        text(run.state.host.database())
    }),
    Function::new("current_catalog", kinds::NAME, &[], (0, 0), |run, _| {
        text(run.state.host.database())
    }),
    Function::new("current_schema", kinds::NAME, &[], (0, 0), |run, _| {
        Ok(run.state.search_path().first().map_or(Value::Null, |name| Value::text(name.as_str())))
    }),
    Function::new("current_schemas", 1003, &[kinds::BOOL], (1, 1), |run, a| {
        let implied = a[0].is_true().then(|| "pg_catalog".to_owned());
        let path = implied.into_iter().chain(run.state.search_path());
        Ok(Value::array(path.map(Value::text)))
    }),
    Function::new("current_user", kinds::NAME, &[], (0, 0), user),
    Function::new("session_user", kinds::NAME, &[], (0, 0), user),
    Function::new("user", kinds::NAME, &[], (0, 0), user),
    Function::new("current_role", kinds::NAME, &[], (0, 0), user),
    Function::new("pg_backend_pid", kinds::INT4, &[], (0, 0), |run, _| {
        Ok(Value::Int(i64::from(run.state.host.process_id())))
    }),
    Function::new("current_setting", T, &[T, kinds::BOOL], (1, 2), |run, a| {
        let name = text_argument(a, 0);
        match run.state.host.setting(&name) {
            Some(value) => text(value),
            None if a.get(1).is_some_and(Value::is_true) => Ok(Value::Null),
            None => Err(QueryError::new(
                base::ErrorKind::NotFound,
                format!("unrecognized configuration parameter \"{name}\""),
            )),
        }
    }),
    Function::new("set_config", T, &[T, T, kinds::BOOL], (3, 3), |run, a| {
        let (name, value) = (text_argument(a, 0), text_argument(a, 1));
        text(run.state.host.set(&name, &value, a[2].is_true())?)
    })
    .lenient(),
    Function::new("now", kinds::TIMESTAMPTZ, &[], (0, 0), now),
    Function::new("current_timestamp", kinds::TIMESTAMPTZ, &[], (0, 0), now),
    Function::new("transaction_timestamp", kinds::TIMESTAMPTZ, &[], (0, 0), now),
    Function::new("statement_timestamp", kinds::TIMESTAMPTZ, &[], (0, 0), now),
    Function::new("clock_timestamp", kinds::TIMESTAMPTZ, &[], (0, 0), now),
    Function::new("pg_postmaster_start_time", kinds::TIMESTAMPTZ, &[], (0, 0), |run, _| {
        Ok(Value::Moment(run.state.host.started().timestamp_micros()))
    }),
    Function::new("pg_conf_load_time", kinds::TIMESTAMPTZ, &[], (0, 0), |run, _| {
        Ok(Value::Moment(run.state.host.started().timestamp_micros()))
    }),
    Function::new("inet_server_addr", kinds::INET, &[], (0, 0), nothing),
    Function::new("inet_client_addr", kinds::INET, &[], (0, 0), nothing),
    Function::new("inet_server_port", kinds::INT4, &[], (0, 0), nothing),
    Function::new("inet_client_port", kinds::INT4, &[], (0, 0), nothing),
    Function::new("pg_is_in_recovery", kinds::BOOL, &[], (0, 0), |_, _| Ok(Value::Bool(false))),
    Function::new("pg_is_wal_replay_paused", kinds::BOOL, &[], (0, 0), |_, _| {
        Ok(Value::Bool(false))
    }),
    Function::new("pg_last_wal_replay_lsn", T, &[], (0, 0), nothing),
    Function::new("txid_current", kinds::INT8, &[], (0, 0), |_, _| Ok(Value::Int(1))),
    Function::new("pg_current_xact_id", kinds::INT8, &[], (0, 0), |_, _| Ok(Value::Int(1))),
    Function::new("pg_cancel_backend", kinds::BOOL, &[kinds::INT4], (1, 1), |run, a| {
        let process = i32::try_from(number_argument(a, 0)?).unwrap_or(0);
        Ok(Value::Bool(run.state.host.stop(process, false)?))
    }),
    Function::new(
        "pg_terminate_backend",
        kinds::BOOL,
        &[kinds::INT4, kinds::INT8],
        (1, 2),
        |run, a| {
            let process = i32::try_from(number_argument(a, 0)?).unwrap_or(0);
            Ok(Value::Bool(run.state.host.stop(process, true)?))
        },
    ),
    Function::new("pg_sleep", kinds::VOID, &[kinds::FLOAT8], (1, 1), |run, a| {
        let seconds = number(&a[0]).unwrap_or(0.0);
        let wait = std::time::Duration::try_from_secs_f64(seconds.max(0.0));
        run.state.host.sleep(wait.unwrap_or(std::time::Duration::MAX));
        Ok(Value::text(""))
    }),
    Function::new("pg_advisory_unlock_all", kinds::VOID, &[], (0, 0), |_, _| text("")),
    Function::new("pg_advisory_lock", kinds::VOID, &[], (1, 2), |_, _| text("")),
    Function::new("pg_try_advisory_lock", kinds::BOOL, &[], (1, 2), |_, _| Ok(Value::Bool(true))),
    Function::new("pg_advisory_unlock", kinds::BOOL, &[], (1, 2), |_, _| Ok(Value::Bool(true))),
    Function::new("pg_my_temp_schema", kinds::OID, &[], (0, 0), |_, _| Ok(Value::Int(0))),
    Function::new("pg_is_other_temp_schema", kinds::BOOL, &[kinds::OID], (1, 1), |_, _| {
        Ok(Value::Bool(false))
    }),
    Function::new("pg_export_snapshot", T, &[], (0, 0), |_, _| text("00000003-00000001-1")),
    Function::new("pg_jit_available", kinds::BOOL, &[], (0, 0), |_, _| Ok(Value::Bool(false))),
    Function::new("pg_client_encoding", kinds::NAME, &[], (0, 0), |_, _| text("UTF8")),
    Function::new("getdatabaseencoding", kinds::NAME, &[], (0, 0), |_, _| text("UTF8")),
    Function::new("pg_encoding_to_char", kinds::NAME, &[kinds::INT4], (1, 1), |_, a| {
        text(if number_argument(a, 0)? == 6 { "UTF8" } else { "" })
    }),
    Function::new("pg_char_to_encoding", kinds::INT4, &[kinds::NAME], (1, 1), |_, a| {
        let name = text_argument(a, 0).to_ascii_lowercase();
        Ok(Value::Int(if matches!(name.as_str(), "utf8" | "utf-8" | "unicode") { 6 } else { -1 }))
    }),
];
