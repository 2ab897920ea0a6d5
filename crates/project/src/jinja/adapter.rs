//! `adapter` and `api`: dispatch is answered here, everything else by the host.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::jinja::agate::TableObject;
use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::call::MacroObject;
use crate::jinja::collections::{List, dict_of, invalid};
use crate::jinja::column_object::{ColumnClass, ColumnObject};
use crate::jinja::context::Context;
use crate::jinja::objects::{RelationClass, RelationObject, relation_class};
use crate::jinja::signal::{Raised, raise};
use crate::jinja::value::{from_json, to_json};
use crate::jinja::{AdapterCall, Column, Failure, Relation, Table};

/// The `adapter` variable.
#[derive(Debug)]
pub(crate) struct Adapter(pub(crate) Arc<Context>);

fn relation_argument(value: &Value) -> Result<Relation, Error> {
    RelationObject::of(value)
        .ok_or_else(|| invalid(format!("expected a relation, found {value:?}")))
}

fn columns_value(columns: Vec<Column>) -> Value {
    List::value(columns.into_iter().map(ColumnObject::value).collect())
}

impl Adapter {
    fn dispatch(&self, arguments: &mut Arguments) -> Result<Value, Error> {
        let name = arguments.text("macro_name")?;
        let namespace = arguments.optional("macro_namespace").filter(|value| !value.is_none());
        let namespace = namespace.map(|namespace| text_of(&namespace));
        if name.contains('.') {
            let (package, own) = name.split_once('.').unwrap_or_default();
            let failure = Failure::new(format!("adapter.dispatch takes no package in \"{name}\""))
                .help(format!("Write adapter.dispatch('{own}', '{package}')."));
            return Err(raise(Raised::Other, failure));
        }
        let library = &self.0.library;
        match library.dispatch(&self.0.node.package, &name, namespace.as_deref()) {
            Ok(found) => Ok(MacroObject::value(&self.0, found)),
            Err(mut tried) => {
                let mut seen = std::collections::BTreeSet::new();
                tried.retain(|name| seen.insert(name.clone()));
                let failure = Failure {
                    message: format!("no implementation of macro \"{name}\" was found"),
                    notes: vec![format!("Searched for: {}.", tried.join(", "))],
                    help: vec![format!("Define macro default__{name}.")],
                };
                Err(raise(Raised::Name, failure))
            }
        }
    }

    /// Answers that need no host; `None` for other methods.
    fn plain(&self, method: &str, arguments: &mut Arguments) -> Result<Option<Value>, Error> {
        Ok(Some(match method {
            "dispatch" => self.dispatch(arguments)?,
            "quote" => Value::from(format!("\"{}\"", arguments.text("identifier")?)),
            "quote_as_configured" => {
                let identifier = arguments.text("identifier")?;
                Value::from(format!("\"{identifier}\""))
            }
            "quote_seed_column" => {
                let column = arguments.text("column")?;
                match arguments.optional("quote_config") {
                    Some(quote) if !quote.is_none() && !quote.is_true() => Value::from(column),
                    _ => Value::from(format!("\"{column}\"")),
                }
            }
            "type" => Value::from(self.0.settings.dialect.as_str()),
            "commit"
            | "begin"
            | "clear_transaction"
            | "cache_added"
            | "cache_dropped"
            | "cache_renamed"
            | "nice_connection_name"
            | "expand_target_column_types"
            | "verify_database"
            | "store_relation" => Value::from(""),
            "valid_incremental_strategies" => List::value(
                ["append", "delete+insert", "merge", "microbatch"].map(Value::from).to_vec(),
            ),
            "is_motherduck" | "disable_transactions" | "is_ducklake" => Value::from(false),
            _ => return Ok(None),
        }))
    }

    /// What dbt answers while it parses.
    fn parsing(&self, method: &str) -> Value {
        match method {
            "get_relation" | "load_relation" => Value::from(()),
            "get_columns_in_relation"
            | "list_relations"
            | "list_schemas"
            | "get_missing_columns"
            | "list_relations_without_caching"
            | "get_column_schema_from_query" => List::value(Vec::new()),
            "execute" => {
                let table = TableObject::value(&Table::default());
                Value::from(Tuple::new(vec![Value::from(""), table]))
            }
            "check_schema_exists" => Value::from(false),
            _ => Value::from(""),
        }
    }

    fn looked_up(&self, arguments: &mut Arguments) -> Result<Value, Error> {
        let part = |value: Option<Value>| value.filter(|v| !v.is_none()).map(|v| text_of(&v));
        let database = part(arguments.optional("database"));
        let schema = part(arguments.optional("schema"));
        let identifier = part(arguments.optional("identifier"));
        let mut wanted = Relation::new("", "", "");
        (wanted.database, wanted.schema, wanted.identifier) = (database, schema, identifier);
        let found = self.0.host.relation(&wanted)?;
        Ok(found.map_or_else(|| Value::from(()), |found| self.0.relation(found)))
    }

    fn asked(&self, method: &str, arguments: &mut Arguments) -> Result<Option<Value>, Error> {
        let host = &self.0.host;
        Ok(Some(match method {
            "get_relation" => self.looked_up(arguments)?,
            "already_exists" => {
                let schema = arguments.text("schema")?;
                let wanted = Relation {
                    database: None,
                    ..Relation::new("", schema, arguments.text("name")?)
                };
                Value::from(host.relation(&wanted)?.is_some())
            }
            "get_columns_in_relation" => {
                let relation = relation_argument(&arguments.required("relation")?)?;
                columns_value(host.columns(&relation)?)
            }
            "get_missing_columns" => {
                let from =
                    host.columns(&relation_argument(&arguments.required("from_relation")?)?)?;
                let to = host.columns(&relation_argument(&arguments.required("to_relation")?)?)?;
                let known = |column: &Column| to.iter().any(|other| other.name == column.name);
                columns_value(from.into_iter().filter(|column| !known(column)).collect())
            }
            "get_column_schema_from_query" => {
                columns_value(host.query_columns(&self.unmarked(&arguments.text("sql")?))?)
            }
            "list_relations" | "list_relations_without_caching" => {
                let first = arguments.required("database")?;
                let (database, schema) = match RelationObject::of(&first) {
                    Some(relation) => (relation.database, relation.schema.unwrap_or_default()),
                    None => (Some(text_of(&first)), arguments.text("schema")?),
                };
                let found = host.relations(database.as_deref(), &schema)?;
                List::value(found.into_iter().map(|relation| self.0.relation(relation)).collect())
            }
            "execute" => {
                let sql = self.unmarked(&arguments.text("sql")?);
                let table = host.query(&sql)?;
                let response = dict_of([
                    ("_message".to_owned(), Value::from("OK")),
                    ("code".to_owned(), Value::from("OK")),
                    ("rows_affected".to_owned(), Value::from(table.rows.len())),
                ]);
                Value::from(Tuple::new(vec![response, TableObject::value(&table)]))
            }
            "convert_type" => Value::from("varchar"),
            _ => return Ok(None),
        }))
    }

    /// SQL without the marks of a source map.
    fn unmarked(&self, sql: &str) -> String {
        match &self.0.marks {
            Some(_) => crate::jinja::marks::stripped(sql),
            None => sql.to_owned(),
        }
    }

    fn handed_over(&self, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let positional = arguments.take_positional();
        let named = arguments.take_named();
        let relations = positional.iter().chain(named.values()).filter_map(RelationObject::of);
        let call = AdapterCall {
            method: method.to_owned(),
            relations: relations.collect(),
            arguments: positional.iter().map(to_json).collect(),
            named: named.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
        };
        Ok(from_json(&self.0.host.adapter(&call)?))
    }
}

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Relation" => {
                Some(Value::from_object(RelationClass(relation_class(&self.0.settings.dialect))))
            }
            "Column" => Some(Value::from_object(ColumnClass)),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        if let Some(value) = self.plain(method, &mut arguments)? {
            return Ok(value);
        }
        if self.0.parsing() {
            return Ok(self.parsing(method));
        }
        if let Some(value) = self.asked(method, &mut arguments)? {
            return Ok(value);
        }
        self.handed_over(method, args)
    }
}

/// The `api` variable.
#[derive(Debug)]
pub(crate) struct Api(pub(crate) Arc<Context>);

impl Object for Api {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Relation" => {
                Some(Value::from_object(RelationClass(relation_class(&self.0.settings.dialect))))
            }
            "Column" => Some(Value::from_object(ColumnClass)),
            _ => None,
        }
    }
}
