//! After a syntax fault the parser goes on at the next clause: what it then reports must not depend on the fault before.

use std::collections::BTreeSet;

use proptest::prelude::*;
use qserv_adql::{Fault, Options, check};

/// A clause that is right, and ways in which it is wrong. Each stands on a line of its own.
#[rustfmt::skip]
const CLAUSES: &[(&str, &[&str])] = &[
    ("SELECT a, b AS c, COUNT(*)", &[
        "SELECT a b c", "SELECT a,, b", "SELECT TOP x a", "SELECT", "SELECT a AS", "SELECT (a b), c", "SELECT order, b",
        "SELECT a + , b", "SELECT CAST(a INTEGER)", "SELECT CASE WHEN a = 1 END", "SELECT a FILTER b", "SELECT t. , b",
        "SELECT EXTRACT(YEAR FROM a b) c d", "SELECT (SELECT x FROM u", "SELECT a IS DISTINCT b", "SELECT 'a'.b",
    ]),
    ("FROM t JOIN u ON t.a = u.a, v", &[
        "FROM t t2 t3", "FROM", "FROM t LEFT JOIN", "FROM t JOIN u ON", "FROM (SELECT x y z FROM w) q r s", "FROM 't'",
        "FROM t, , u", "FROM t JOIN u USING ()", "FROM t NATURAL JOIN u ON t.a = 1", "FROM f(1)", "FROM order o",
    ]),
    ("WHERE a = 1 AND b IN (SELECT x FROM w WHERE y = 2)", &[
        "WHERE", "WHERE a =", "WHERE a = AND b = 1", "WHERE a = b = c", "WHERE a IN ()", "WHERE (a = 1 b) OR c = 2",
        "WHERE a BETWEEN 1", "WHERE a LIKE", "WHERE a b", "WHERE a IS 5", "WHERE group = 1", "WHERE a => 1",
        "WHERE b IN (SELECT x y z FROM w WHERE) OR",
    ]),
    ("GROUP BY a, b", &["GROUP BY", "GROUP BY a,", "GROUP BY a b", "GROUP BY (a"]),
    ("HAVING COUNT(*) > 1", &["HAVING", "HAVING COUNT(*) >", "HAVING COUNT(* > 1", "HAVING a b"]),
    ("ORDER BY a DESC, b", &["ORDER BY", "ORDER BY a b", "ORDER BY a,", "ORDER BY a NULLS 5"]),
];

/// The query in which the clauses take these forms: 0 is right, others are wrong.
fn query(forms: &[usize]) -> String {
    let lines = CLAUSES.iter().zip(forms).map(|((right, wrong), form)| match form.checked_sub(1) {
        None => *right,
        Some(index) => wrong[index % wrong.len()],
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is reported of each line, but for what was expected there.
fn faults(forms: &[usize]) -> BTreeSet<(u64, u64, String)> {
    let shown = |fault: &Fault| (fault.line, fault.column, fault.message.clone());
    check(&query(forms), &Options::default())
        .map_or_else(|faults| faults.iter().map(shown).collect(), |()| BTreeSet::new())
}

#[test]
fn each_form_alone_is_told_in_its_line() {
    assert_eq!(faults(&[0; 6]), BTreeSet::new());
    for (line, (_, wrong)) in CLAUSES.iter().enumerate() {
        for form in 1..=wrong.len() {
            let mut forms = [0; 6];
            forms[line] = form;
            let found = faults(&forms);
            // A clause that ends too early shows at the beginning of the next line.
            let lines = [line as u64 + 1, line as u64 + 2];
            assert!(
                !found.is_empty() && found.iter().all(|(at, ..)| lines.contains(at)),
                "{}\n{found:?}",
                query(&forms)
            );
        }
    }
}

fn any_forms() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![2 => Just(0_usize), 3 => 1_usize..17], CLAUSES.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_put_right_takes_no_other_fault_away(forms in any_forms()) {
        // Of each wrong clause: what is told when all others are right.
        let alone: BTreeSet<_> = (0..forms.len()).flat_map(|line| {
            let mut only = vec![0; forms.len()];
            only[line] = forms[line];
            faults(&only)
        }).collect();
        let together = faults(&forms);
        prop_assert!(together.is_empty() == alone.is_empty());
        for fault in &together {
            // A fault at the end of a clause stands at the token behind it, which is another one where the next is wrong too.
            let known = alone.contains(fault) || alone.iter().any(|(line, column, _)| (*line, *column) == (fault.0, fault.1));
            prop_assert!(known, "{}\n{fault:?} of {together:?}\nalone {alone:?}", query(&forms));
        }
    }

    #[test]
    fn every_wrong_clause_is_told_where_parentheses_match(forms in any_forms()) {
        let text = query(&forms);
        let balanced = text.matches('(').count() == text.matches(')').count();
        if balanced {
            let together = faults(&forms);
            let lines: BTreeSet<u64> = together.iter().map(|(line, ..)| *line).collect();
            for (line, form) in forms.iter().enumerate().filter(|(_, form)| **form > 0) {
                let line = line as u64 + 1;
                prop_assert!(lines.contains(&line) || lines.contains(&(line + 1)), "{text}\n{form}: {together:?}");
            }
        }
    }
}
