//! Names near to one that does not exist.

/// Most names that a fault suggests.
const MOST: usize = 3;

/// Longer names are compared by their first characters only, so that a hostile name costs little.
const LONGEST: usize = 64;

/// The candidates nearest to `wanted`, best first; none if none is near.
///
/// Near is: the same but for the letter case, one a part of the other (`psfFlux` of `r_psfFlux`; a part of `wanted` is more
/// than half of it), or at most a third of its letters wrong.
pub(crate) fn names<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<char> = wanted.chars().take(LONGEST).map(|letter| letter.to_ascii_lowercase()).collect();
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> =
                candidate.chars().take(LONGEST).map(|letter| letter.to_ascii_lowercase()).collect();
            score(&wanted, &letters).map(|score| (score, candidate))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// How far a candidate is from the wanted name, if it is near at all. Small is near; a wrong letter counts four, a letter
/// more around a name that is contained whole counts one.
fn score(wanted: &[char], candidate: &[char]) -> Option<usize> {
    if wanted == candidate {
        return Some(0);
    }
    let (short, long) = if wanted.len() <= candidate.len() { (wanted, candidate) } else { (candidate, wanted) };
    let long_enough = short.len() >= 3 && (wanted.len() <= candidate.len() || 2 * candidate.len() > wanted.len());
    let contained = long_enough && long.windows(short.len()).any(|window| window == short);
    if contained {
        return Some(long.len() - short.len());
    }
    let allowed = wanted.len().div_ceil(3);
    if long.len() - short.len() > allowed {
        return None;
    }
    let wrong = wrong_letters(wanted, candidate);
    (wrong <= allowed).then_some(4 * wrong)
}

/// Letters to insert, delete, replace or swap with a neighbour.
fn wrong_letters(first: &[char], second: &[char]) -> usize {
    let width = second.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    let mut row = vec![0; width];
    for (i, a) in first.iter().enumerate() {
        row[0] = i + 1;
        for (j, b) in second.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && Some(a) == second.get(j - 1) && first.get(i - 1) == Some(b) {
                least = least.min(before_last[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last[second.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first() {
        let columns = ["coord_ra", "coord_dec", "r_psfFlux", "r_psfFluxErr", "i_psfFlux", "objectId"];
        assert_eq!(names("psfFlux", columns), ["i_psfFlux", "r_psfFlux", "r_psfFluxErr"]);
        assert_eq!(names("objectID", columns), ["objectId"]);
        assert_eq!(names("objcetId", columns), ["objectId"]);
        assert_eq!(names("zzz", columns), Vec::<String>::new());
        assert_eq!(names("distanc", ["TAN", "DISTANCE"]), ["DISTANCE"]);
    }

    #[test]
    fn counts_wrong_letters() {
        let count = |a: &str, b: &str| wrong_letters(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(count("", ""), 0);
        assert_eq!(count("ra", ""), 2);
        assert_eq!(count("ceiling", "cieling"), 1);
        assert_eq!(count("object", "objects"), 1);
        assert_eq!(count("kitten", "sitting"), 3);
    }
}
