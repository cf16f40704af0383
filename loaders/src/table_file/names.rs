//! Names of columns: whatever a file calls them, each has one and no two have the same.

use std::collections::{HashMap, HashSet};

/// Gives names to columns without one (`column_3` for the third) and numbers to those whose name an earlier one has (`flux_2`).
pub(super) fn make_different<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut taken: HashSet<String> = HashSet::new();
    // The number that each repeated name gets next, so that ten thousand of one name are no work.
    let mut next: HashMap<String, u64> = HashMap::new();
    for (index, name) in names.enumerate() {
        if name.trim().is_empty() {
            *name = format!("column_{}", index + 1);
        }
        if !taken.contains(name) {
            taken.insert(name.clone());
            continue;
        }
        let number = next.entry(name.clone()).or_insert(2);
        let numbered = loop {
            let numbered = format!("{name}_{number}");
            *number += 1;
            if !taken.contains(&numbered) {
                break numbered;
            }
        };
        *name = numbered;
        taken.insert(name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_what_has_no_name_of_its_own() {
        let mut names = ["a", "", "a", "A", "a_2", "a", "column_2"].map(str::to_owned);
        make_different(names.iter_mut());
        assert_eq!(names, ["a", "column_2", "a_2", "A", "a_2_2", "a_3", "column_2_2"]);
    }
}
