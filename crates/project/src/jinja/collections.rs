//! Python's mutable list, dict and set. The engine's own collections cannot be changed, and dbt
//! projects append to lists and update dicts all the time.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Kwargs, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use crate::jinja::arguments::{Arguments, Repr};

/// Levels of nesting that are printed; a list that holds itself would go on for ever.
const PRINT_DEPTH_MAX: usize = 64;

thread_local! {
    static PRINT_DEPTH: Cell<usize> = const { Cell::new(0) };
}

fn nested(
    f: &mut fmt::Formatter<'_>,
    print: impl FnOnce(&mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    let depth = PRINT_DEPTH.get();
    if depth >= PRINT_DEPTH_MAX {
        return f.write_str("...");
    }
    PRINT_DEPTH.set(depth + 1);
    let result = print(f);
    PRINT_DEPTH.set(depth);
    result
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn unknown_method() -> Error {
    Error::from(ErrorKind::UnknownMethod)
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Items of anything that can be looped over.
pub(crate) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    value.try_iter()?.checked().collect()
}

/// Python's position: negative numbers count from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok().filter(|index| *index < length)
    }
}

/// A Python list.
#[derive(Default)]
pub(crate) struct List(Mutex<Vec<Value>>);

impl List {
    pub(crate) fn value(items: Vec<Value>) -> Value {
        Value::from_object(Self(Mutex::new(items)))
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        locked(&self.0).clone()
    }

    fn change(&self, method: &str, arguments: &mut Arguments) -> Result<Value, Error> {
        match method {
            "append" => {
                let item = arguments.required("item")?;
                locked(&self.0).push(item);
            }
            "extend" => {
                let more = items(&arguments.required("iterable")?)?;
                locked(&self.0).extend(more);
            }
            "insert" => {
                let index = arguments.required("index")?.as_i64().unwrap_or(0);
                let item = arguments.required("item")?;
                let mut list = locked(&self.0);
                let length = list.len();
                let at = if index < 0 {
                    position(index, length).unwrap_or(0)
                } else {
                    usize::try_from(index).unwrap_or(length).min(length)
                };
                list.insert(at, item);
            }
            "pop" => {
                let index = arguments.optional("index").and_then(|index| index.as_i64());
                let mut list = locked(&self.0);
                let at = position(index.unwrap_or(-1), list.len())
                    .ok_or_else(|| invalid("pop from a list that has no such item"))?;
                return Ok(list.remove(at));
            }
            "remove" => {
                let item = arguments.required("item")?;
                let found = self.items().iter().position(|other| *other == item);
                let at = found.ok_or_else(|| invalid("list.remove(x): x not in list"))?;
                locked(&self.0).remove(at);
            }
            "reverse" => locked(&self.0).reverse(),
            "clear" => locked(&self.0).clear(),
            "sort" => {
                let reverse = arguments.named("reverse").is_some_and(|value| value.is_true());
                let mut sorted = self.items();
                sorted.sort();
                if reverse {
                    sorted.reverse();
                }
                *locked(&self.0) = sorted;
            }
            _ => return Err(unknown_method()),
        }
        Ok(Value::from(()))
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items();
        nested(f, |f| f.debug_list().entries(items.into_iter().map(Repr)).finish())
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let list = locked(&self.0);
        let at = position(key.as_i64()?, list.len())?;
        list.get(at).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        match method {
            "copy" => Ok(Self::value(self.items())),
            "count" => {
                let item = arguments.required("item")?;
                Ok(Value::from(self.items().iter().filter(|other| **other == item).count()))
            }
            "index" => {
                let item = arguments.required("item")?;
                let found = self.items().iter().position(|other| *other == item);
                found.map(Value::from).ok_or_else(|| invalid(format!("{item:?} is not in list")))
            }
            _ => self.change(method, &mut arguments),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A Python dict; keeps insertion order.
#[derive(Default)]
pub(crate) struct Dict(Mutex<IndexMap<Value, Value>>);

impl Dict {
    pub(crate) fn value(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
        Value::from_object(Self(Mutex::new(pairs.into_iter().collect())))
    }

    pub(crate) fn pairs(&self) -> Vec<(Value, Value)> {
        locked(&self.0).iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn get(&self, key: &Value) -> Option<Value> {
        locked(&self.0).get(key).cloned()
    }

    fn update(&self, arguments: &mut Arguments) -> Result<(), Error> {
        if let Some(other) = arguments.optional("other") {
            let more = pairs_of(&other)?;
            locked(&self.0).extend(more);
        }
        let named = arguments.take_named();
        locked(&self.0).extend(named.into_iter().map(|(key, value)| (Value::from(key), value)));
        Ok(())
    }
}

/// The pairs of a map, or of a sequence of pairs.
pub(crate) fn pairs_of(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    if value.kind() == ValueKind::Map
        && let Some(object) = value.as_object()
    {
        return Ok(object.try_iter_pairs().into_iter().flatten().collect());
    }
    items(value)?
        .iter()
        .map(|pair| Ok((pair.get_item_by_index(0)?, pair.get_item_by_index(1)?)))
        .collect()
}

/// `method` of any map that reads only; `None` for other methods.
pub(crate) fn read_map(
    pairs: impl FnOnce() -> Vec<(Value, Value)>,
    get: impl FnOnce(&Value) -> Option<Value>,
    method: &str,
    arguments: &mut Arguments,
) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "get" => {
            let key = arguments.required("key")?;
            let default = arguments.optional("default").unwrap_or_else(|| Value::from(()));
            get(&key).unwrap_or(default)
        }
        "keys" => List::value(pairs().into_iter().map(|(key, _)| key).collect()),
        "values" => List::value(pairs().into_iter().map(|(_, value)| value).collect()),
        "items" => List::value(
            pairs()
                .into_iter()
                .map(|(key, value)| Value::from(Tuple::new(vec![key, value])))
                .collect(),
        ),
        // dbt's own objects, which are plain mappings here, are asked for it.
        "copy" | "to_dict" => Dict::value(pairs()),
        _ => return Ok(None),
    }))
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.pairs();
        let pairs = pairs.into_iter().map(|(key, value)| (Repr(key), Repr(value)));
        nested(f, |f| f.debug_map().entries(pairs).finish())
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(locked(&self.0).keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let read = read_map(|| self.pairs(), |key| self.get(key), method, &mut arguments)?;
        if let Some(value) = read {
            return Ok(value);
        }
        match method {
            "update" => self.update(&mut arguments).map(|()| Value::from(())),
            "pop" => {
                let key = arguments.required("key")?;
                let default = arguments.optional("default");
                let removed = locked(&self.0).shift_remove(&key);
                removed.or(default).ok_or_else(|| invalid(format!("dict has no key {key:?}")))
            }
            "popitem" => {
                let (key, value) =
                    locked(&self.0).pop().ok_or_else(|| invalid("popitem of an empty dict"))?;
                Ok(Value::from(Tuple::new(vec![key, value])))
            }
            "setdefault" => {
                let key = arguments.required("key")?;
                let default = arguments.optional("default").unwrap_or_else(|| Value::from(()));
                Ok(locked(&self.0).entry(key).or_insert(default).clone())
            }
            "clear" => {
                locked(&self.0).clear();
                Ok(Value::from(()))
            }
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A Python set; keeps insertion order, which Python leaves open.
#[derive(Default)]
pub(crate) struct Set(Mutex<IndexMap<Value, ()>>);

impl Set {
    pub(crate) fn value(items: impl IntoIterator<Item = Value>) -> Value {
        Value::from_object(Self(Mutex::new(items.into_iter().map(|item| (item, ())).collect())))
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        locked(&self.0).keys().cloned().collect()
    }

    fn contains(&self, item: &Value) -> bool {
        locked(&self.0).contains_key(item)
    }

    fn combine(&self, method: &str, other: &[Value]) -> Option<Value> {
        let own = self.items();
        let outside: IndexMap<&Value, ()> = other.iter().map(|item| (item, ())).collect();
        let kept = |inside: bool| {
            own.iter()
                .filter(|item| outside.contains_key(item) == inside)
                .cloned()
                .collect::<Vec<_>>()
        };
        Some(match method {
            "union" => Self::value(own.into_iter().chain(other.iter().cloned())),
            "intersection" => Self::value(kept(true)),
            "difference" => Self::value(kept(false)),
            "symmetric_difference" => {
                let theirs = other.iter().filter(|item| !self.contains(item)).cloned();
                Self::value(kept(false).into_iter().chain(theirs))
            }
            "issubset" => Value::from(kept(false).is_empty()),
            "issuperset" => Value::from(other.iter().all(|item| self.contains(item))),
            "isdisjoint" => Value::from(kept(true).is_empty()),
            _ => return None,
        })
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items();
        if items.is_empty() {
            return f.write_str("set()");
        }
        nested(f, |f| f.debug_set().entries(items.into_iter().map(Repr)).finish())
    }
}

impl Object for Set {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let (mut mine, mut theirs) = (self.items(), other.items());
        mine.sort();
        theirs.sort();
        mine.partial_cmp(&theirs)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        match method {
            "add" => {
                locked(&self.0).insert(arguments.required("item")?, ());
            }
            "discard" => {
                locked(&self.0).shift_remove(&arguments.required("item")?);
            }
            "remove" => {
                let item = arguments.required("item")?;
                let removed = locked(&self.0).shift_remove(&item);
                removed.ok_or_else(|| invalid(format!("set has no item {item:?}")))?;
            }
            "pop" => {
                let item = locked(&self.0).pop().map(|(item, ())| item);
                return item.ok_or_else(|| invalid("pop from an empty set"));
            }
            "clear" => locked(&self.0).clear(),
            "copy" => return Ok(Self::value(self.items())),
            "update" => {
                let more = items(&arguments.required("iterable")?)?;
                locked(&self.0).extend(more.into_iter().map(|item| (item, ())));
            }
            _ => {
                let other =
                    items(&arguments.optional("other").unwrap_or_else(|| List::value(vec![])))?;
                return self.combine(method, &other).ok_or_else(unknown_method);
            }
        }
        Ok(Value::from(()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A mutable list of any sequence that is not text or a tuple; other values as they are.
pub(crate) fn thawed(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable if !value.is_tuple() => {
            Ok(List::value(items(&value)?))
        }
        _ => Ok(value),
    }
}

/// Named arguments as a dict.
pub(crate) fn dict_of(named: impl IntoIterator<Item = (String, Value)>) -> Value {
    Dict::value(named.into_iter().map(|(key, value)| (Value::from(key), value)))
}

/// Named arguments as the engine passes them.
pub(crate) fn kwargs_of(named: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::from(named.into_iter().collect::<Kwargs>())
}
