//! What a type's name means: the same word is another type in another dialect.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Spanned,
    TimezoneInfo,
};

use super::dialect::Dialect;
use super::tree::{call, number, text};
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// Casts and typed literals.
pub(crate) fn rewrite(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    if let Expr::TypedString(typed) = expr {
        let node = Expr::TypedString(typed.clone());
        typed.data_type = meaning(scene, &typed.data_type, &node)?;
        if matches!(typed.data_type, DataType::Interval { .. }) {
            return Ok(());
        }
        let value = typed.value.value.clone().into_string().unwrap_or_default();
        *expr = special_moment(scene, &typed.data_type, &value).unwrap_or_else(|| Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(text(value)),
            data_type: typed.data_type.clone(),
            array: false,
            format: None,
        });
        return Ok(());
    }
    let node = expr.clone();
    let Expr::Cast { expr: inner, data_type, format, kind, .. } = expr else { return Ok(()) };
    if format.is_some() {
        return Err(refused(scene, &node, "\"cast … format\" is not run", "Use strptime."));
    }
    let cut = match (&*data_type, scene.dialect) {
        (
            DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
            | DataType::CharacterVarying(Some(CharacterLength::IntegerLength { length, .. })),
            Dialect::Postgres,
        ) => Some(*length),
        _ => None,
    };
    if let DataType::Numeric(ExactNumberInfo::None) | DataType::Decimal(ExactNumberInfo::None) =
        data_type
        && scene.dialect == Dialect::Postgres
    {
        *expr = call("fp_to_numeric", vec![(**inner).clone()]);
        return Ok(());
    }
    if matches!(data_type, DataType::JSON | DataType::JSONB) {
        if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
            let help = "Ask json_valid(x) first: case when json_valid(x) then x end.";
            return Err(refused(scene, &node, "\"try_cast\" to json is not run", help));
        }
        let name = if matches!(data_type, DataType::JSONB) { "fp_jsonb" } else { "fp_as_json" };
        *expr = call(name, vec![(**inner).clone()]);
        return Ok(());
    }
    *data_type = meaning(scene, data_type, &node)?;
    if let Some(value) = super::tree::as_text(inner)
        && let Some(moment) = special_moment(scene, data_type, value)
    {
        *expr = moment;
        return Ok(());
    }
    if matches!(kind, CastKind::SafeCast) {
        *kind = CastKind::TryCast;
    }
    if let Some(length) = cut {
        *expr = call("left", vec![expr.clone(), number(length)]);
    }
    Ok(())
}

/// `'now'::timestamp`, `'today'::date`: the business clock, not the machine's.
fn special_moment(scene: &Scene<'_>, data_type: &DataType, value: &str) -> Option<Expr> {
    if !matches!(data_type, DataType::Date | DataType::Timestamp(..)) {
        return None;
    }
    let days = match value.trim().to_ascii_lowercase().as_str() {
        "now" if matches!(data_type, DataType::Timestamp(..)) => {
            return Some(super::time::moment(scene));
        }
        "today" | "now" => 0,
        "yesterday" => -1,
        "tomorrow" => 1,
        _ => return None,
    };
    Some(super::time::day(scene, days))
}

/// The type that DataFusion should read.
fn meaning(
    scene: &Scene<'_>,
    data_type: &DataType,
    node: &impl Spanned,
) -> Result<DataType, QueryError> {
    let duckdb = scene.dialect == Dialect::Duckdb;
    Ok(match data_type {
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone)
        }
        DataType::Timestamp(Some(0..=5), _) => {
            return Err(refused(
                scene,
                node,
                "a timestamp with a precision is not run",
                "Round with date_trunc('second', …) and the like.",
            ));
        }
        DataType::Timestamp(..) | DataType::Datetime(_) | DataType::TimestampNtz(_) => {
            DataType::Timestamp(Some(6), TimezoneInfo::None)
        }
        DataType::Varchar(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Nvarchar(_)
        | DataType::String(_)
        | DataType::Text => DataType::Varchar(None),
        DataType::Char(_) | DataType::Character(_) if duckdb => DataType::Varchar(None),
        DataType::Char(_) | DataType::Character(_) => {
            return Err(refused(scene, node, "\"char\" pads with spaces", "Use varchar."));
        }
        DataType::Float(ExactNumberInfo::Precision(precision)) if *precision <= 24 => {
            DataType::Real
        }
        DataType::Float(_) if duckdb => DataType::Real,
        DataType::Float(_) | DataType::Float8 | DataType::Double(_) | DataType::Float64 => double(),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            DataType::Decimal(match info {
                ExactNumberInfo::None if duckdb => ExactNumberInfo::PrecisionAndScale(18, 3),
                ExactNumberInfo::None => ExactNumberInfo::PrecisionAndScale(38, 9),
                ExactNumberInfo::Precision(p) => ExactNumberInfo::PrecisionAndScale(*p, 0),
                ExactNumberInfo::PrecisionAndScale(p, s) => {
                    ExactNumberInfo::PrecisionAndScale(*p, *s)
                }
            })
        }
        DataType::HugeInt | DataType::Int128 => {
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(38, 0))
        }
        DataType::Int64 => DataType::BigInt(None),
        DataType::UTinyInt => DataType::TinyIntUnsigned(None),
        DataType::USmallInt => DataType::SmallIntUnsigned(None),
        DataType::UBigInt => DataType::BigIntUnsigned(None),
        DataType::Blob(_) | DataType::Bytes(_) | DataType::Binary(_) | DataType::Varbinary(_) => {
            DataType::Bytea
        }
        DataType::JSON | DataType::JSONB | DataType::Uuid => DataType::Varchar(None),
        DataType::Custom(name, _) => custom(scene, &name.to_string(), node)?,
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, size)) => DataType::Array(
            ArrayElemTypeDef::SquareBracket(Box::new(meaning(scene, inner, node)?), *size),
        ),
        other => other.clone(),
    })
}

fn custom(scene: &Scene<'_>, name: &str, node: &impl Spanned) -> Result<DataType, QueryError> {
    let whole = DataType::BigInt(None);
    Ok(match name.to_ascii_lowercase().as_str() {
        "hugeint" => DataType::Decimal(ExactNumberInfo::PrecisionAndScale(38, 0)),
        "int1" => DataType::TinyInt(None),
        "short" => DataType::SmallInt(None),
        "signed" => DataType::Int(None),
        "long" | "int64" => whole,
        "uinteger" => DataType::IntUnsigned(None),
        "ubigint" => DataType::BigIntUnsigned(None),
        "timestamptz" | "timestamp_tz" => DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone),
        "timestamp_ntz" | "datetime" => DataType::Timestamp(Some(6), TimezoneInfo::None),
        "name" => DataType::Varchar(None),
        "logical" => DataType::Boolean,
        _ => {
            return Err(refused(
                scene,
                node,
                format!("type \"{name}\" is not known"),
                "Use boolean, integer, bigint, decimal, double, varchar, date or timestamp.",
            ));
        }
    })
}

/// `double precision`.
pub(crate) fn double() -> DataType {
    DataType::DoublePrecision
}

/// `cast('value' as type)`.
pub(crate) fn cast_text(value: &str, data_type: DataType) -> Expr {
    cast(text(value), data_type)
}

/// `cast(value as type)`.
pub(crate) fn cast(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type,
        array: false,
        format: None,
    }
}
