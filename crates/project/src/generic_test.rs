//! Generic tests as written in properties: what is called, with what, and under which name. Names
//! and ids come out exactly as dbt makes them, since artifacts and selectors are kept by them.

use base::{Diagnostic, Span};
use serde_json::{Map, Value as Json};

use crate::properties::TestDeclaration;
use crate::test_node::{Test, TestKind, TestSeverity};
use crate::{codes, config, python};

/// Settings that may stand among a test's arguments.
const CONFIG_KEYS: &[&str] = &[
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

/// dbt's length limit for the short name of a test.
const NAME_LENGTH_MAX: usize = 63;

/// A test as written, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GenericTest {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) arguments: Map<String, Json>,
    pub(crate) config: Map<String, Json>,
    pub(crate) custom_name: Option<String>,
    pub(crate) description: String,
    pub(crate) column: Option<String>,
    pub(crate) span: Span,
}

/// What a test is written at.
#[derive(Clone, Debug)]
pub(crate) struct Tested {
    /// Name that goes into the test's name: the model's, or `source_<source>_<table>`'s tail.
    pub(crate) name: String,
    /// Whether it is a source table.
    pub(crate) source: bool,
    /// `ref('orders')` or `source('app', 'signups')`.
    pub(crate) expression: String,
}

/// Takes a test apart. `"unique"`, `{unique: {...}}` and `{name: x, test_name: unique, ...}` are
/// one form; arguments may stand at top level or under `arguments:`.
pub(crate) fn read(
    declaration: &TestDeclaration,
    tested: &Tested,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<GenericTest> {
    let value = &declaration.value;
    let refuse = |message: String, help: &str| {
        Diagnostic::error(codes::TEST_ARGUMENTS, message).at(value.span.clone(), "").help(help)
    };
    let help = "Write \"- not_null\" or \"- accepted_values: {arguments: {values: [a, b]}}\".";
    let (called, mut arguments) = match value.to_json() {
        Json::String(name) => (name, Map::new()),
        Json::Object(mut fields) => match fields.remove("test_name") {
            Some(Json::String(name)) => (name, fields),
            Some(other) => {
                let message = format!("\"test_name\" of a test of \"{}\" is {other}", tested.name);
                diagnostics.push(refuse(message, help));
                return None;
            }
            None if fields.len() == 1 => match fields.into_iter().next() {
                Some((name, Json::Object(arguments))) => (name, arguments),
                Some((name, Json::Null)) => (name, Map::new()),
                Some((name, _)) => {
                    let message = format!("arguments of test \"{name}\" are no mapping");
                    diagnostics.push(refuse(message, help));
                    return None;
                }
                None => return None,
            },
            None => {
                let message = format!(
                    "a test of \"{}\" has {} keys instead of one",
                    tested.name,
                    fields.len()
                );
                let help = "Indent the test's arguments below its name.";
                diagnostics.push(refuse(message, help));
                return None;
            }
        },
        other => {
            let message = format!("a test of \"{}\" is {other}", tested.name);
            diagnostics.push(refuse(message, help));
            return None;
        }
    };
    let settings = settings(&mut arguments, declaration);
    if let Some(Json::Object(nested)) = arguments.remove("arguments") {
        arguments.extend(nested);
    }
    let custom_name = take_text(&mut arguments, "name");
    let description = take_text(&mut arguments, "description").unwrap_or_default();
    if let Some(column) = &declaration.column {
        let shown = if declaration.column_quote { format!("\"{column}\"") } else { column.clone() };
        arguments.insert("column_name".to_owned(), shown.into());
    }
    let model = format!("{{{{ get_where_subquery({}) }}}}", tested.expression);
    arguments.insert("model".to_owned(), model.into());
    let (namespace, name) = match called.split_once('.') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, called),
    };
    let column = declaration.column.clone();
    let span = value.span.clone();
    let config = settings;
    Some(GenericTest { namespace, name, arguments, config, custom_name, description, column, span })
}

fn take_text(arguments: &mut Map<String, Json>, key: &str) -> Option<String> {
    match arguments.get(key) {
        Some(Json::String(_)) => match arguments.remove(key) {
            Some(Json::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Settings out of the arguments, and out of `config:`, which wins.
fn settings(arguments: &mut Map<String, Json>, declaration: &TestDeclaration) -> Map<String, Json> {
    let mut settings = Map::new();
    if !declaration.column_tags.is_empty() {
        settings.insert("tags".to_owned(), declaration.column_tags.clone().into());
    }
    let mut beside = Map::new();
    for key in CONFIG_KEYS {
        if let Some(value) = arguments.remove(*key) {
            beside.insert((*key).to_owned(), value);
        }
    }
    config::merge(&mut settings, &beside);
    if let Some(Json::Object(inner)) = arguments.remove("config") {
        config::merge(&mut settings, &inner);
    }
    settings
}

impl GenericTest {
    /// The short name (for files and tables) and the full one (for id and fqn).
    pub(crate) fn names(&self, tested: &Tested) -> (String, String) {
        if let Some(name) = &self.custom_name {
            return (name.clone(), name.clone());
        }
        let mut kind = self.name.clone();
        if tested.source {
            kind = format!("source_{kind}");
        }
        if let Some(namespace) = &self.namespace {
            kind = format!("{namespace}_{kind}");
        }
        synthesize(&kind, &tested.name, &self.arguments)
    }

    /// The last part of the test's id: ten digits over name, macro and arguments.
    pub(crate) fn id_hash(&self, full_name: &str) -> String {
        let mut metadata = Map::new();
        metadata.insert("kwargs".to_owned(), hashable(&Json::Object(self.arguments.clone())));
        metadata.insert("name".to_owned(), self.name.as_str().into());
        let namespace = self.namespace.as_deref().unwrap_or("None");
        metadata.insert("namespace".to_owned(), namespace.into());
        let text = format!("{full_name}{}", python::representation(&Json::Object(metadata)));
        let hash = python::md5(&text);
        hash[hash.len() - 10..].to_owned()
    }

    /// The node's test facts, its settings merged.
    pub(crate) fn test(
        &self,
        settings: &Map<String, Json>,
        short_name: String,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Test {
        let kind = TestKind::Generic {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            arguments: self.arguments.clone(),
            column: self.column.clone(),
        };
        with_settings(kind, settings, short_name, &self.span, diagnostics)
    }
}

/// dbt's `get_hashable_md`: keys sorted, every scalar as text.
fn hashable(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            keys.into_iter().map(|key| (key.clone(), hashable(&fields[key]))).collect()
        }
        Json::Array(items) => items.iter().map(hashable).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            python::text(value).into()
        }
    }
}

/// dbt's `synthesize_generic_test_names`.
fn synthesize(kind: &str, tested: &str, arguments: &Map<String, Json>) -> (String, String) {
    let mut keys: Vec<&String> = arguments.keys().filter(|key| *key != "model").collect();
    keys.sort_unstable();
    let mut flat: Vec<String> = Vec::new();
    for key in keys {
        match &arguments[key] {
            Json::Object(fields) => flat.extend(fields.values().map(python::text)),
            Json::Array(items) => flat.extend(items.iter().map(python::text)),
            value @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
                flat.push(python::text(value));
            }
        }
    }
    let clean: Vec<String> = flat.iter().map(|text| letters_only(text)).collect();
    let identifier = format!("{kind}_{tested}");
    let full = format!("{identifier}_{}", clean.join("__"));
    if full.chars().count() <= NAME_LENGTH_MAX {
        return (full.clone(), full);
    }
    let start: String = identifier.chars().take(30).collect();
    (format!("{start}_{}", python::md5(&full)), full)
}

/// Every stretch of other characters becomes one underscore.
fn letters_only(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut gap = false;
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            clean.push(letter);
            gap = false;
        } else if !gap {
            clean.push('_');
            gap = true;
        }
    }
    clean
}

/// Types the settings of a test, generic or singular.
pub(crate) fn with_settings(
    kind: TestKind,
    settings: &Map<String, Json>,
    short_name: String,
    span: &Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Test {
    let text = |key: &str| settings.get(key).filter(|value| !value.is_null()).map(python::text);
    let severity = match text("severity").map(|word| word.to_lowercase()).as_deref() {
        None | Some("error") => TestSeverity::Error,
        Some("warn") => TestSeverity::Warn,
        Some(other) => {
            let message = format!("severity of test \"{short_name}\" is \"{other}\"");
            diagnostics.push(
                Diagnostic::error(codes::CONFIG_VALUE, message)
                    .at(span.clone(), "")
                    .help("Use \"error\" or \"warn\"."),
            );
            TestSeverity::Error
        }
    };
    Test {
        kind,
        attached: None,
        severity,
        fail_calculation: text("fail_calc").unwrap_or_else(|| "count(*)".to_owned()),
        warn_if: text("warn_if").unwrap_or_else(|| "!= 0".to_owned()),
        error_if: text("error_if").unwrap_or_else(|| "!= 0".to_owned()),
        where_condition: text("where"),
        limit: settings.get("limit").and_then(Json::as_i64),
        store_failures: settings.get("store_failures").and_then(Json::as_bool),
        short_name,
    }
}

#[cfg(test)]
mod tests {
    use base::SourceFile;

    use super::*;
    use crate::yaml;

    fn names(text: &str, column: Option<&str>, tested: &Tested) -> (String, String, String) {
        let file = SourceFile::new("models/schema.yml", text);
        let mut diagnostics = Vec::new();
        let value = yaml::read(&file, &mut diagnostics).expect("YAML");
        let declaration = TestDeclaration {
            value,
            column: column.map(str::to_owned),
            column_quote: false,
            column_tags: Vec::new(),
        };
        let test = read(&declaration, tested, &mut diagnostics).expect("a test");
        assert_eq!(diagnostics, vec![]);
        let (short, full) = test.names(tested);
        let hash = test.id_hash(&full);
        (short, full, hash)
    }

    fn model(name: &str) -> Tested {
        Tested { name: name.to_owned(), source: false, expression: format!("ref('{name}')") }
    }

    #[test]
    fn names_and_ids_are_those_of_dbt() {
        // The ids of dbt's own jaffle_shop.
        for (text, column, tested, name, hash) in [
            ("unique", "customer_id", "customers", "unique_customers_customer_id", "c5af1ff4b1"),
            (
                "not_null",
                "customer_id",
                "customers",
                "not_null_customers_customer_id",
                "5c9bf9911d",
            ),
            ("not_null", "order_id", "orders", "not_null_orders_order_id", "cf6c17daed"),
            (
                "relationships: {to: ref('customers'), field: customer_id}",
                "customer_id",
                "orders",
                "relationships_orders_customer_id__customer_id__ref_customers_",
                "c6ec7f58f2",
            ),
            (
                "accepted_values: {arguments: {values: [placed, shipped, completed, \
                 return_pending, returned]}}",
                "status",
                "orders",
                "accepted_values_orders_status__placed__shipped__completed__return_pending\
                 __returned",
                "be6b5b5ec3",
            ),
        ] {
            let (_, full, found) = names(text, Some(column), &model(tested));
            assert_eq!((full.as_str(), found.as_str()), (name, hash));
        }
    }

    #[test]
    fn long_names_are_cut_and_hashed() {
        let text =
            "accepted_values: {values: [placed, shipped, completed, return_pending, returned]}";
        let (short, full, _) = names(text, Some("status"), &model("orders"));
        assert!(full.len() > 63);
        assert_eq!(short, "accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758");
    }

    #[test]
    fn sources_namespaces_and_own_names() {
        let source = Tested {
            name: "app_signups".to_owned(),
            source: true,
            expression: "source('app', 'signups')".to_owned(),
        };
        assert_eq!(names("not_null", Some("id"), &source).0, "source_not_null_app_signups_id");
        let text = "dbt_utils.expression_is_true: {expression: 'a >= b'}";
        assert_eq!(
            names(text, None, &model("orders")).0,
            "dbt_utils_expression_is_true_orders_a_b"
        );
        let text = "{name: mine, test_name: unique}";
        assert_eq!(names(text, Some("id"), &model("orders")).0, "mine");
    }
}
