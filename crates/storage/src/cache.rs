//! Small caches of immutable things, bounded by bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the youngest entries up to a number of bytes.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    bytes_max: usize,
    held: Mutex<Held<V>>,
}

#[derive(Debug)]
struct Held<V> {
    values: HashMap<String, (Arc<V>, usize)>,
    order: VecDeque<String>,
    bytes: usize,
}

impl<V> Cache<V> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let held = Held { values: HashMap::new(), order: VecDeque::new(), bytes: 0 };
        Self { bytes_max, held: Mutex::new(held) }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Arc<V>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values.get(key).map(|(value, _)| Arc::clone(value))
    }

    pub(crate) fn put(&self, key: &str, value: &Arc<V>, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > self.bytes_max || held.values.contains_key(key) {
            return;
        }
        held.values.insert(key.to_owned(), (Arc::clone(value), bytes));
        held.order.push_back(key.to_owned());
        held.bytes += bytes;
        while held.bytes > self.bytes_max {
            let Some(oldest) = held.order.pop_front() else { break };
            if let Some((_, freed)) = held.values.remove(&oldest) {
                held.bytes -= freed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_leave_first() {
        let cache = Cache::new(10);
        cache.put("a", &Arc::new(1), 6);
        cache.put("b", &Arc::new(2), 6);
        assert_eq!(cache.get("a"), None);
        assert_eq!(cache.get("b").as_deref(), Some(&2));
        cache.put("c", &Arc::new(3), 11);
        assert_eq!(cache.get("c"), None);
    }
}
