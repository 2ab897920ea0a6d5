//! The catalog as one connection sees it: shared relations, its own beside them, names and numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::stable_number;
use super::host::Host;
use super::kinds::{self, Oid};
use super::plan::Relation;
use super::relations::{OWNER, int, namespace_number, relation, system_number, text};
use super::statics::statics;
use super::value::Value;
use super::{OWNER_NAME, PostgresCatalog};

/// What a statement is answered from.
pub(crate) struct CatalogState<'a> {
    pub(crate) catalog: &'a PostgresCatalog,
    pub(crate) host: &'a dyn Host,
    own: Mutex<HashMap<&'static str, Arc<Relation>>>,
}

/// Relations that differ from connection to connection.
const SESSION: &[&str] = &[
    "pg_authid",
    "pg_database",
    "pg_roles",
    "pg_settings",
    "pg_shadow",
    "pg_stat_activity",
    "pg_stat_database",
    "pg_user",
];

pub(crate) fn session_relations() -> impl Iterator<Item = (&'static str, &'static str)> {
    SESSION.iter().map(|name| ("pg_catalog", *name))
}

impl<'a> CatalogState<'a> {
    pub(crate) fn new(catalog: &'a PostgresCatalog, host: &'a dyn Host) -> Self {
        Self { catalog, host, own: Mutex::default() }
    }

    /// Namespaces of the search path that hold something.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let held =
            |name: &String| self.catalog.tables().iter().any(|facts| facts.name.namespace == *name);
        self.host.search_path().into_iter().filter(held).collect()
    }

    /// A relation of the catalog by the parts of its name.
    pub(crate) fn relation(&self, parts: &[String]) -> Option<Arc<Relation>> {
        let (schema, name) = match parts {
            [name] => ("pg_catalog", name.as_str()),
            [schema, name] | [_, schema, name] => (schema.as_str(), name.as_str()),
            _ => return None,
        };
        if let Some(own) = SESSION.iter().find(|own| schema == "pg_catalog" && **own == name) {
            let mut held = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            return Some(Arc::clone(held.entry(own).or_insert_with(|| self.own_relation(own))));
        }
        let all = &self.catalog.relations;
        let found = all.iter().find(|((held, own), _)| *held == schema && *own == name);
        found.map(|(_, relation)| Arc::clone(relation))
    }

    fn own_relation(&self, name: &str) -> Arc<Relation> {
        match name {
            "pg_settings" => self.settings(),
            "pg_stat_activity" => self.activity(),
            "pg_database" => self.databases(),
            "pg_stat_database" => {
                let row = |name: String| vec![int(database_number(&name)), text(&name), int(1)];
                let rows = self.host.databases().into_iter().map(row).collect();
                relation("datid oid, datname name, numbackends int4", rows)
            }
            _ => self.roles(name),
        }
    }

    fn settings(&self) -> Arc<Relation> {
        let rows = self.host.settings().into_iter().map(|setting| {
            vec![
                text(&setting.name),
                text(&setting.value),
                Value::Null,
                text("Settings of the connection"),
                text(&setting.description),
                Value::Null,
                text("user"),
                text("string"),
                text("session"),
                Value::Null,
                Value::Null,
                Value::Null,
                text(&setting.value),
                text(&setting.value),
                Value::Bool(false),
            ]
        });
        relation(
            "name text, setting text, unit text, category text, short_desc text, \
             extra_desc text, context text, vartype text, source text, min_val text, \
             max_val text, enumvals text[], boot_val text, reset_val text, pending_restart bool",
            rows.collect(),
        )
    }

    fn activity(&self) -> Arc<Relation> {
        let moment = |time: chrono::DateTime<chrono::Utc>| Value::Moment(time.timestamp_micros());
        let rows = self.host.activity().into_iter().map(|held| {
            vec![
                int(database_number(&held.database)),
                text(&held.database),
                int(held.process),
                int(role_number(&held.user)),
                text(&held.user),
                text(&held.application),
                Value::Null,
                Value::Null,
                moment(held.opened),
                Value::Null,
                held.began.map_or(Value::Null, moment),
                Value::Null,
                Value::Null,
                Value::Null,
                text(&held.state),
                text(&held.query),
                text("client backend"),
            ]
        });
        relation(
            "datid oid, datname name, pid int4, usesysid oid, usename name, \
             application_name text, client_addr inet, client_port int4, \
             backend_start timestamptz, xact_start timestamptz, query_start timestamptz, \
             state_change timestamptz, wait_event_type text, wait_event text, state text, \
             query text, backend_type text",
            rows.collect(),
        )
    }

    fn databases(&self) -> Arc<Relation> {
        let rows = self.host.databases().into_iter().map(|name| {
            vec![
                int(database_number(&name)),
                text(&name),
                int(OWNER),
                int(6),
                text("c"),
                Value::Bool(false),
                Value::Bool(true),
                int(-1),
                int(0),
                int(0),
                int(1_663),
                text("C.UTF-8"),
                text("C.UTF-8"),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
            ]
        });
        relation(
            "oid oid, datname name, datdba oid, encoding int4, datlocprovider char, \
             datistemplate bool, datallowconn bool, datconnlimit int4, datfrozenxid xid, \
             datminmxid xid, dattablespace oid, datcollate text, datctype text, \
             daticulocale text, daticurules text, datlocale text, datcollversion text, \
             datacl aclitem[], datlastsysoid oid",
            rows.collect(),
        )
    }

    fn roles(&self, name: &str) -> Arc<Relation> {
        let mut users = self.host.users();
        users.push((OWNER_NAME.to_owned(), true));
        users.sort();
        users.dedup_by(|left, right| left.0 == right.0);
        let no = || Value::Bool(false);
        if matches!(name, "pg_user" | "pg_shadow") {
            let row = |(user, administers): (String, bool)| {
                let number = int(role_number(&user));
                let (admin, hidden) = (Value::Bool(administers), text("********"));
                vec![text(&user), number, no(), admin, no(), no(), hidden, Value::Null, Value::Null]
            };
            return relation(
                "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, \
                 usebypassrls bool, passwd text, valuntil timestamptz, useconfig text[]",
                users.into_iter().map(row).collect(),
            );
        }
        let row = |(user, administers): (String, bool)| {
            vec![
                int(role_number(&user)),
                text(&user),
                Value::Bool(administers),
                Value::Bool(true),
                no(),
                no(),
                Value::Bool(true),
                no(),
                int(-1),
                text("********"),
                Value::Null,
                no(),
                Value::Null,
            ]
        };
        relation(
            "oid oid, rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, \
             rolcreatedb bool, rolcanlogin bool, rolreplication bool, rolconnlimit int4, \
             rolpassword text, rolvaliduntil timestamptz, rolbypassrls bool, rolconfig text[]",
            users.into_iter().map(row).collect(),
        )
    }

    /// The number of a table or relation by its written name.
    pub(crate) fn relation_oid(&self, written: &str) -> Option<Oid> {
        let parts = split_name(written);
        let tables = self.catalog.tables();
        let table = |namespace: &str, name: &str| {
            let found = tables
                .iter()
                .find(|facts| facts.name.namespace == namespace && facts.name.name == name);
            let index = || {
                tables.iter().find(|facts| {
                    facts.name.namespace == namespace
                        && !facts.key.is_empty()
                        && facts.key_name() == name
                })
            };
            found.map(|facts| facts.oid).or_else(|| index().map(|facts| facts.index_oid()))
        };
        let system = |schema: &str, name: &str| {
            let parts = [schema.to_owned(), name.to_owned()];
            self.relation(&parts).map(|_| system_number(schema, name))
        };
        match parts.as_slice() {
            [name] => {
                let path = self.search_path();
                let found = path.iter().find_map(|namespace| table(namespace, name));
                found.or_else(|| system("pg_catalog", name))
            }
            [namespace, name] | [_, namespace, name] => {
                table(namespace, name).or_else(|| system(namespace, name))
            }
            _ => None,
        }
    }

    /// The name of a relation, with its namespace where a bare name would not find it.
    pub(crate) fn relation_name(&self, number: Oid) -> String {
        use super::functions::quoted;
        let written = |namespace: &str, name: String| {
            let visible = self.search_path().iter().any(|held| held == namespace);
            if visible { quoted(&name) } else { format!("{}.{}", quoted(namespace), quoted(&name)) }
        };
        if let Some(facts) = self.catalog.facts_of(number) {
            return written(&facts.name.namespace, facts.name.name.clone());
        }
        let indexed = self
            .catalog
            .tables()
            .iter()
            .find(|facts| !facts.key.is_empty() && facts.index_oid() == number);
        if let Some(facts) = indexed {
            return written(&facts.name.namespace, facts.key_name());
        }
        let mut system = self.catalog.relations.keys().copied().chain(session_relations());
        match system.find(|(schema, name)| system_number(schema, name) == number) {
            Some(("pg_catalog", name)) => name.to_owned(),
            Some((schema, name)) => format!("{schema}.{name}"),
            None => number.to_string(),
        }
    }

    pub(crate) fn namespace_oid(&self, written: &str) -> Option<Oid> {
        let name = split_name(written).pop()?;
        let known = matches!(name.as_str(), "pg_catalog" | "information_schema")
            || self.catalog.tables().iter().any(|facts| facts.name.namespace == name);
        known.then(|| namespace_number(&name))
    }

    pub(crate) fn namespace_name(&self, number: Oid) -> String {
        let own = self.catalog.tables().iter().map(|facts| facts.name.namespace.as_str());
        let mut all = own.chain(["pg_catalog", "information_schema"]);
        let found = all.find(|name| namespace_number(name) == number);
        found.map_or_else(|| number.to_string(), str::to_owned)
    }

    pub(crate) fn type_oid(&self, written: &str) -> Option<Oid> {
        let bare = written.split('(').next().unwrap_or(written);
        kinds::by_name(bare).or_else(|| {
            let name = split_name(bare).pop()?;
            statics().types.get(&name).copied()
        })
    }

    pub(crate) fn type_name(&self, number: Oid) -> String {
        let known = kinds::format(number, None);
        match known.parse::<Oid>() {
            Ok(_) => statics().type_names.get(&number).cloned().unwrap_or(known),
            Err(_) => known,
        }
    }

    pub(crate) fn function_oid(&self, written: &str) -> Option<Oid> {
        let bare = written.split('(').next().unwrap_or(written);
        let name = split_name(bare).pop()?;
        statics().functions.get(&name).copied()
    }

    pub(crate) fn function_name(&self, number: Oid) -> String {
        statics().function_names.get(&number).cloned().unwrap_or_else(|| number.to_string())
    }

    /// A column of a function's row in `pg_proc`.
    pub(crate) fn function_column(&self, number: Oid, column: &str) -> Option<Value> {
        let functions = statics().relations.get("pg_proc")?;
        let place = functions.columns.iter().position(|held| held.name == column)?;
        let at = *functions.rows.with(0, &int(number)).first()?;
        functions.rows.rows.get(usize::try_from(at).ok()?)?.get(place).cloned()
    }

    pub(crate) fn role_oid(&self, written: &str) -> Option<Oid> {
        let name = split_name(written).pop()?;
        let known = name == OWNER_NAME || self.host.users().iter().any(|(held, _)| *held == name);
        known.then(|| role_number(&name))
    }

    pub(crate) fn role_name(&self, number: Oid) -> String {
        if number == OWNER {
            return OWNER_NAME.to_owned();
        }
        let users = self.host.users();
        let found = users.into_iter().find(|(name, _)| role_number(name) == number);
        found.map_or_else(|| format!("unknown (OID={number})"), |(name, _)| name)
    }
}

fn database_number(name: &str) -> Oid {
    stable_number(&["database", name])
}

fn role_number(name: &str) -> Oid {
    if name == OWNER_NAME { OWNER } else { stable_number(&["role", name]) }
}

/// The parts of `a.b`, `"A".b`, quotes taken off.
pub(crate) fn split_name(written: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = written.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                part.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            other if quoted => part.push(other),
            other => part.extend(other.to_lowercase()),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_names_are_taken_apart_at_their_dots() {
        assert_eq!(split_name("shop.Orders"), ["shop", "orders"]);
        assert_eq!(split_name("\"My.Shop\".\"A\"\"b\""), ["My.Shop", "A\"b"]);
    }
}
