//! Schema changes: add, rename, widen and drop columns, each column known by its field id, so that
//! old files keep their meaning.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema};
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, Schema, StructType, Type};

use base::TableName;
use ledger::{SchemaChange, SchemaChangeKind};

use crate::schema::{FieldIds, join, rows_fit, table_type, widens_to};
use crate::{Result, StorageError};

/// One change a user or a source asks for. Columns inside a struct are named with dots.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaEdit {
    /// A new column; old rows hold NULL in it.
    AddColumn {
        /// Its name; a dotted path adds to a struct.
        name: String,
        /// Its type, as rows have it.
        kind: DataType,
        /// The column it stands behind; none puts it last.
        after: Option<String>,
        /// What it means.
        doc: Option<String>,
    },
    /// Another name for the same column.
    RenameColumn {
        /// Present name.
        from: String,
        /// New name, without the path.
        to: String,
    },
    /// A wider type: int to long, float to double, decimal to more digits.
    WidenColumn {
        /// The column.
        name: String,
        /// Its new type.
        kind: DataType,
    },
    /// Takes a column out of the schema; a later one of the same name is another column.
    DropColumn {
        /// The column.
        name: String,
    },
}

/// A schema on its way to the next version.
#[derive(Debug)]
pub(crate) struct Evolution {
    table: TableName,
    fields: Vec<NestedFieldRef>,
    ids: FieldIds,
    pub(crate) changes: Vec<SchemaChange>,
}

impl Evolution {
    pub(crate) fn new(table: &TableName, schema: Option<&Schema>, last_column_id: i32) -> Self {
        let fields = schema.map(|schema| schema.as_struct().fields().to_vec()).unwrap_or_default();
        let ids = FieldIds { last: last_column_id };
        Self { table: table.clone(), fields, ids, changes: Vec::new() }
    }

    /// Whether no column is known yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn build(&self) -> Result<Schema> {
        Ok(Schema::builder().with_fields(self.fields.clone()).build()?)
    }

    pub(crate) fn apply(&mut self, edit: &SchemaEdit) -> Result<()> {
        let fields = self.fields.clone();
        self.fields = match edit {
            SchemaEdit::AddColumn { name, kind, after, doc } => {
                let field = Field::new(leaf(name), kind.clone(), true);
                let added = Added { field, after: after.as_deref(), doc: doc.as_deref() };
                self.add(fields, name, &added)?
            }
            SchemaEdit::RenameColumn { from, to } => self.rename(fields, from, to)?,
            SchemaEdit::WidenColumn { name, kind } => self.widen(fields, name, kind)?,
            SchemaEdit::DropColumn { name } => self.drop_column(fields, name)?,
        };
        Ok(())
    }

    fn add(
        &mut self,
        fields: Vec<NestedFieldRef>,
        name: &str,
        added: &Added<'_>,
    ) -> Result<Vec<NestedFieldRef>> {
        if let Some((parent, child)) = inside(&fields, name) {
            return self.inside_struct(fields, &parent, name, |this, inner| {
                this.add(inner, &child, added)
            });
        }
        if position(&fields, name).is_some() {
            return Err(self.refuse(name, "a column of this name exists"));
        }
        let id = self.ids.next();
        let kind = table_type(name, &added.field, &mut self.ids)?;
        let mut field = NestedField::optional(id, name, kind);
        if let Some(doc) = added.doc {
            field = field.with_doc(doc);
        }
        self.note(name, SchemaChangeKind::ColumnAdded, None, Some(field.field_type.to_string()));
        let place = match added.after {
            None => fields.len(),
            Some(after) => 1 + self.find(&fields, leaf(after))?,
        };
        let mut fields = fields;
        fields.insert(place, Arc::new(field));
        Ok(fields)
    }

    fn rename(
        &mut self,
        mut fields: Vec<NestedFieldRef>,
        from: &str,
        to: &str,
    ) -> Result<Vec<NestedFieldRef>> {
        if let Some((parent, child)) = inside(&fields, from) {
            return self.inside_struct(fields, &parent, from, |this, inner| {
                this.rename(inner, &child, to)
            });
        }
        let place = self.find(&fields, from)?;
        if position(&fields, to).is_some() {
            return Err(self.refuse(from, &format!("a column named \"{to}\" exists")));
        }
        let mut field = NestedField::clone(&fields[place]);
        field.name = to.to_owned();
        fields[place] = Arc::new(field);
        let (before, after) = (Some(from.to_owned()), Some(to.to_owned()));
        self.note(from, SchemaChangeKind::ColumnRenamed, before, after);
        Ok(fields)
    }

    fn widen(
        &mut self,
        mut fields: Vec<NestedFieldRef>,
        name: &str,
        kind: &DataType,
    ) -> Result<Vec<NestedFieldRef>> {
        if let Some((parent, child)) = inside(&fields, name) {
            return self.inside_struct(fields, &parent, name, |this, inner| {
                this.widen(inner, &child, kind)
            });
        }
        let place = self.find(&fields, name)?;
        let wanted = Field::new(name, kind.clone(), true);
        let wider = table_type(name, &wanted, &mut FieldIds { last: 0 })?;
        let old = Arc::clone(&fields[place]);
        match (old.field_type.as_ref(), &wider) {
            (Type::Primitive(from), Type::Primitive(to)) if from == to => return Ok(fields),
            (Type::Primitive(from), Type::Primitive(to)) if widens_to(from, to) => {}
            (from, to) => {
                let reason = format!("{from} cannot become {to} without reading old rows anew");
                return Err(self.refuse(name, &reason));
            }
        }
        let (before, after) = (Some(old.field_type.to_string()), Some(wider.to_string()));
        self.note(name, SchemaChangeKind::ColumnWidened, before, after);
        fields[place] = with_type(&old, wider);
        Ok(fields)
    }

    fn drop_column(
        &mut self,
        mut fields: Vec<NestedFieldRef>,
        name: &str,
    ) -> Result<Vec<NestedFieldRef>> {
        if let Some((parent, child)) = inside(&fields, name) {
            return self.inside_struct(fields, &parent, name, |this, inner| {
                this.drop_column(inner, &child)
            });
        }
        let place = self.find(&fields, name)?;
        if fields.len() == 1 {
            return Err(self.refuse(name, "it is the last one"));
        }
        let gone = fields.remove(place);
        let before = Some(gone.field_type.to_string());
        self.note(name, SchemaChangeKind::ColumnDropped, before, None);
        Ok(fields)
    }

    fn inside_struct(
        &mut self,
        mut fields: Vec<NestedFieldRef>,
        parent: &str,
        whole: &str,
        change: impl FnOnce(&mut Self, Vec<NestedFieldRef>) -> Result<Vec<NestedFieldRef>>,
    ) -> Result<Vec<NestedFieldRef>> {
        let place = self.find(&fields, parent)?;
        let field = Arc::clone(&fields[place]);
        let Some(inner) = struct_inside(&field.field_type) else {
            return Err(self.refuse(whole, &format!("\"{parent}\" is no struct")));
        };
        let noted = self.changes.len();
        let inner = change(self, inner.fields().to_vec())?;
        for change in &mut self.changes[noted..] {
            change.column = join(parent, &change.column);
        }
        fields[place] = with_type(&field, with_struct_inside(&field.field_type, inner));
        Ok(fields)
    }

    /// Adds and widens until rows of this schema fit; nothing is dropped.
    pub(crate) fn fit(&mut self, rows: &ArrowSchema) -> Result<()> {
        let fields = self.fields.clone();
        self.fields = self.fit_struct("", fields, rows.fields())?;
        Ok(())
    }

    fn fit_struct(
        &mut self,
        path: &str,
        mut fields: Vec<NestedFieldRef>,
        rows: &Fields,
    ) -> Result<Vec<NestedFieldRef>> {
        self.check_distinct(path, rows)?;
        for found in rows {
            let whole = join(path, found.name());
            match position(&fields, found.name()) {
                None => {
                    let id = self.ids.next();
                    let kind = table_type(&whole, found, &mut self.ids)?;
                    self.note(&whole, SchemaChangeKind::ColumnAdded, None, Some(kind.to_string()));
                    fields.push(Arc::new(NestedField::optional(id, found.name(), kind)));
                }
                Some(place) => {
                    let old = Arc::clone(&fields[place]);
                    let kind = self.fit_type(&whole, &old.field_type, found)?;
                    fields[place] = with_type(&old, kind);
                }
            }
        }
        Ok(fields)
    }

    /// Two columns of one name would become one, and rows would be lost without a word.
    fn check_distinct(&self, path: &str, rows: &Fields) -> Result<()> {
        let mut seen = HashSet::new();
        match rows.iter().find(|field| !seen.insert(field.name())) {
            None => Ok(()),
            Some(twice) => {
                Err(self.refuse(&join(path, twice.name()), "the rows have it twice; rename one"))
            }
        }
    }

    fn fit_type(&mut self, path: &str, old: &Type, found: &Field) -> Result<Type> {
        match (old, found.data_type()) {
            (_, DataType::Null) => Ok(old.clone()),
            (Type::Struct(inner), DataType::Struct(rows)) => {
                let fields = self.fit_struct(path, inner.fields().to_vec(), rows)?;
                Ok(Type::Struct(StructType::new(fields)))
            }
            (
                Type::List(list),
                DataType::List(element)
                | DataType::LargeList(element)
                | DataType::FixedSizeList(element, _),
            ) => {
                let old = &list.element_field;
                let kind = self.fit_type(&join(path, "element"), &old.field_type, element)?;
                Ok(Type::List(ListType::new(with_type(old, kind))))
            }
            (Type::Map(map), DataType::Map(entries, _)) => self.fit_map(path, map, entries),
            (Type::Primitive(_), DataType::Struct(_) | DataType::Map(..)) => {
                Err(self.mismatch(path, old, found))
            }
            (Type::Primitive(from), _) if rows_fit(found, from) => Ok(old.clone()),
            (Type::Primitive(from), _) => {
                let wider = table_type(path, found, &mut FieldIds { last: 0 })?;
                match &wider {
                    Type::Primitive(to) if widens_to(from, to) => {
                        let (before, after) = (Some(old.to_string()), Some(wider.to_string()));
                        self.note(path, SchemaChangeKind::ColumnWidened, before, after);
                        Ok(wider)
                    }
                    _ => Err(self.mismatch(path, old, found)),
                }
            }
            _ => Err(self.mismatch(path, old, found)),
        }
    }

    fn fit_map(&mut self, path: &str, map: &MapType, entries: &Field) -> Result<Type> {
        let old = Type::Map(map.clone());
        let DataType::Struct(pair) = entries.data_type() else {
            return Err(self.mismatch(path, &old, entries));
        };
        let [key, value] = pair.as_ref() else {
            return Err(self.mismatch(path, &old, entries));
        };
        let key_kind = self.fit_type(&join(path, "key"), &map.key_field.field_type, key)?;
        let value_kind = self.fit_type(&join(path, "value"), &map.value_field.field_type, value)?;
        let key = with_type(&map.key_field, key_kind);
        Ok(Type::Map(MapType::new(key, with_type(&map.value_field, value_kind))))
    }

    /// Takes the shape of these rows as a whole: for a table whose rows are all replaced. Columns
    /// that fit keep their field ids.
    pub(crate) fn replace(&mut self, rows: &ArrowSchema) -> Result<()> {
        self.check_distinct("", rows.fields())?;
        let old: HashMap<String, NestedFieldRef> = std::mem::take(&mut self.fields)
            .into_iter()
            .map(|field| (field.name.clone(), field))
            .collect();
        let mut kept = HashMap::new();
        for found in rows.fields() {
            let changes = self.changes.len();
            let fitted = old
                .get(found.name())
                .map(|field| (field, self.fit_type(found.name(), &field.field_type, found)));
            let field = match fitted {
                Some((field, Ok(kind))) => {
                    kept.insert(found.name().clone(), ());
                    with_type(field, kind)
                }
                Some((_, Err(_))) | None => {
                    self.changes.truncate(changes);
                    let id = self.ids.next();
                    let kind = table_type(found.name(), found, &mut self.ids)?;
                    let after = Some(kind.to_string());
                    self.note(found.name(), SchemaChangeKind::ColumnAdded, None, after);
                    Arc::new(NestedField::optional(id, found.name(), kind))
                }
            };
            self.fields.push(field);
        }
        let mut gone: Vec<_> =
            old.into_iter().filter(|(name, _)| !kept.contains_key(name)).collect();
        gone.sort_by_key(|(_, field)| field.id);
        for (name, field) in gone {
            let before = Some(field.field_type.to_string());
            self.note(&name, SchemaChangeKind::ColumnDropped, before, None);
        }
        Ok(())
    }

    fn note(
        &mut self,
        column: &str,
        kind: SchemaChangeKind,
        from: Option<String>,
        to: Option<String>,
    ) {
        let (table, column) = (self.table.clone(), column.to_owned());
        self.changes.push(SchemaChange { table, kind, column, from, to });
    }

    fn find(&self, fields: &[NestedFieldRef], name: &str) -> Result<usize> {
        position(fields, name).ok_or_else(|| StorageError::NoColumn {
            table: self.table.to_string(),
            column: name.to_owned(),
            columns: names(fields),
        })
    }

    fn refuse(&self, column: &str, reason: &str) -> StorageError {
        let (table, column) = (self.table.to_string(), column.to_owned());
        StorageError::SchemaChange { table, column, reason: reason.to_owned() }
    }

    fn mismatch(&self, column: &str, expected: &Type, found: &Field) -> StorageError {
        StorageError::ColumnType {
            table: self.table.to_string(),
            column: column.to_owned(),
            expected: expected.to_string(),
            found: found.data_type().to_string(),
        }
    }
}

struct Added<'a> {
    field: Field,
    after: Option<&'a str>,
    doc: Option<&'a str>,
}

fn position(fields: &[NestedFieldRef], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.name == name)
}

pub(crate) fn names(fields: &[NestedFieldRef]) -> String {
    let quoted: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.name)).collect();
    quoted.join(", ")
}

fn leaf(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, leaf)| leaf)
}

/// Splits a dotted name, unless a column carries the whole name itself.
fn inside(fields: &[NestedFieldRef], name: &str) -> Option<(String, String)> {
    if position(fields, name).is_some() {
        return None;
    }
    let (parent, child) = name.split_once('.')?;
    position(fields, parent)?;
    Some((parent.to_owned(), child.to_owned()))
}

fn struct_inside(kind: &Type) -> Option<&StructType> {
    match kind {
        Type::Struct(inner) => Some(inner),
        Type::List(list) => struct_inside(&list.element_field.field_type),
        Type::Map(map) => struct_inside(&map.value_field.field_type),
        Type::Primitive(_) => None,
    }
}

fn with_struct_inside(kind: &Type, inner: Vec<NestedFieldRef>) -> Type {
    match kind {
        Type::Struct(_) => Type::Struct(StructType::new(inner)),
        Type::List(list) => {
            let element = &list.element_field;
            let kind = with_struct_inside(&element.field_type, inner);
            Type::List(ListType::new(with_type(element, kind)))
        }
        Type::Map(map) => {
            let kind = with_struct_inside(&map.value_field.field_type, inner);
            let value = with_type(&map.value_field, kind);
            Type::Map(MapType::new(Arc::clone(&map.key_field), value))
        }
        Type::Primitive(_) => kind.clone(),
    }
}

fn with_type(field: &NestedFieldRef, kind: Type) -> NestedFieldRef {
    if *field.field_type == kind {
        return Arc::clone(field);
    }
    let mut field = NestedField::clone(field);
    field.field_type = Box::new(kind);
    Arc::new(field)
}
