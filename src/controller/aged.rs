//! What is remembered of objects for a while: forgotten by age, not when an object goes, since that is not told for certain.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// Values by the UID of an object, each kept until nobody has asked for it so long.
pub(crate) struct Aged<V> {
    kept_for: SignedDuration,
    entries: Mutex<Entries<V>>,
}

struct Entries<V> {
    by_uid: HashMap<String, (Timestamp, V)>,
    swept: Timestamp,
}

impl<V: Clone> Aged<V> {
    pub(crate) fn new(kept_for: SignedDuration) -> Self {
        Self { kept_for, entries: Mutex::new(Entries { by_uid: HashMap::new(), swept: Timestamp::MIN }) }
    }

    pub(crate) fn get(&self, uid: &str, now: Timestamp) -> Option<V> {
        let mut entries = self.swept(now);
        let (asked, value) = entries.by_uid.get_mut(uid)?;
        *asked = now;
        Some(value.clone())
    }

    pub(crate) fn put(&self, uid: String, value: V, now: Timestamp) {
        self.swept(now).by_uid.insert(uid, (now, value));
    }

    pub(crate) fn remove(&self, uid: &str, now: Timestamp) {
        self.swept(now).by_uid.remove(uid);
    }

    /// Looks through all of them once in the time that they are kept, so that a visit costs the same however many there are.
    fn swept(&self, now: Timestamp) -> MutexGuard<'_, Entries<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(entries.swept) >= self.kept_for {
            entries.swept = now;
            entries.by_uid.retain(|_, (asked, _)| now.duration_since(*asked) < self.kept_for);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let aged = Aged::new(SignedDuration::from_secs(100));
        aged.put("asked-for".to_owned(), 1, at(0));
        aged.put("gone".to_owned(), 2, at(0));
        assert_eq!(aged.get("asked-for", at(60)), Some(1));
        assert_eq!(aged.get("asked-for", at(120)), Some(1));
        assert_eq!(aged.entries.lock().unwrap().by_uid.len(), 1);
        assert_eq!(aged.get("gone", at(120)), None);
        aged.remove("asked-for", at(121));
        assert_eq!(aged.get("asked-for", at(122)), None);
    }
}
