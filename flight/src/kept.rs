//! What the czar keeps for its clients between two requests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Things under made-up names, for a time; the oldest goes first where there are too many.
pub(crate) struct Kept<T> {
    most: usize,
    entries: HashMap<Uuid, (u64, u64, T)>,
    next: u64,
}

impl<T: Clone> Kept<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), entries: HashMap::new(), next: 0 }
    }

    pub(crate) fn keep(&mut self, value: T, now_s: u64, ends_s: u64) -> Uuid {
        self.entries.retain(|_, (_, ends, _)| *ends > now_s);
        if self.entries.len() >= self.most
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, (order, _, _))| *order).map(|(id, _)| *id)
        {
            self.entries.remove(&oldest);
        }
        let id = Uuid::new_v4();
        self.next += 1;
        self.entries.insert(id, (self.next, ends_s, value));
        id
    }

    pub(crate) fn get(&self, id: &Uuid) -> Option<T> {
        self.entries.get(id).map(|(_, _, value)| value.clone())
    }

    pub(crate) fn change(&mut self, id: &Uuid, change: impl FnOnce(&mut T)) {
        if let Some((_, _, value)) = self.entries.get_mut(id) {
            change(value);
        }
    }

    pub(crate) fn remove(&mut self, id: &Uuid) -> Option<T> {
        self.entries.remove(id).map(|(_, _, value)| value)
    }
}

/// A lock that is none the worse for a panic of whoever held it: nothing here is changed in two steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
