//! A bounded map that keeps what was used lately.

use std::collections::HashMap;

/// A map from paths to values that holds at most twice `generation` entries: those used lately.
///
/// Entries live in two generations. What is used moves to the young one; when that is full, the old one is forgotten and the
/// young one becomes old. Every operation takes constant time, which an exact least-recently-used order would not be worth.
#[derive(Debug)]
pub(crate) struct RecentMap<V> {
    young: HashMap<String, V>,
    old: HashMap<String, V>,
    generation: usize,
}

impl<V: Clone> RecentMap<V> {
    /// An empty map that keeps between `capacity / 2` and `capacity` entries (at least two).
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), generation: (capacity / 2).max(1) }
    }

    /// The value of a key, which counts as a use.
    pub(crate) fn get(&mut self, key: &str) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// Sets the value of a key, which counts as a use.
    pub(crate) fn insert(&mut self, key: String, value: V) {
        if self.young.len() >= self.generation && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets the entries for which `keep` is false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str, &V) -> bool) {
        self.young.retain(|key, value| keep(key, value));
        self.old.retain(|key, value| keep(key, value));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stays_bounded_and_never_answers_wrongly(capacity in 2_usize..12, keys in prop::collection::vec(0_u8..30, 0..200)) {
            let mut map = RecentMap::new(capacity);
            for key in keys {
                let name = key.to_string();
                match map.get(&name) {
                    Some(value) => prop_assert_eq!(value, key),
                    None => map.insert(name.clone(), key),
                }
                prop_assert_eq!(map.get(&name), Some(key));
                prop_assert!(map.len() <= capacity);
            }
        }
    }

    #[test]
    fn keeps_what_is_used_and_forgets_what_is_removed() {
        let mut map = RecentMap::new(4);
        map.insert("kept".into(), 0);
        for number in 1..100 {
            assert_eq!(map.get("kept"), Some(0));
            map.insert(number.to_string(), number);
        }
        map.remove("kept");
        assert_eq!(map.get("kept"), None);
        map.retain(|_, _| false);
        assert_eq!(map.len(), 0);
    }
}
