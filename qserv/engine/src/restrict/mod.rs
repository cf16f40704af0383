//! From a query's filters and joins to the chunks it must read.
//!
//! [`restrict`] goes through an optimized logical plan in four steps:
//!
//! 1. every scan of a declared table becomes a [`Site`];
//! 2. each site's filters become a [`Predicate`], named keys are looked up in the key index, and segments that cannot
//!    hold a wanted row are dropped by their bounds;
//! 3. equi-joins on a director's key carry chunk sets from site to site (`links`), and joins of near neighbours within the overlap
//!    radius let one side read its overlap (`neighbours`);
//! 4. the chunks that are left are placed on workers ([`Placement`]), once for all sites.

mod cuts;
mod links;
mod neighbours;
mod predicate;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use object_store::ObjectStore;
use qserv_core::Result;
use qserv_core::catalog::{Segment, SegmentRole, TableKind};
use qserv_core::index::{KeyHome, KeyIndex, KeyIndexCache};
use qserv_core::partition::{ChunkId, PixelizationKind};

use crate::error::from_datafusion;
use crate::placement::{Cell, LiveWorker, Load, Placement};
use crate::table::{CatalogTable, Site, SitePlan};

pub use cuts::{Cut, cuts};
pub use predicate::Predicate;

/// Most keys that one query looks up in a key index; a query that names more is pruned by key bounds alone.
const MAX_KEY_LOOKUPS: usize = 100_000;

/// What restricting needs from outside.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The workers that take queries now.
    pub live: Vec<LiveWorker>,
    /// A view over all segments, for the key index.
    pub reader: Arc<dyn ObjectStore>,
    /// Decoded pieces of key indexes.
    pub key_cache: Arc<KeyIndexCache>,
    /// Whether joins of near neighbours may read the overlap of chunks.
    pub overlap: Overlap,
}

/// Whether the overlap of chunks is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Where a join of near neighbours finds all it needs there.
    Read,
    /// Never: for a plan that could not be made with it.
    Ignore,
}

/// A plan whose sites know what to read.
#[derive(Debug)]
pub struct Restricted {
    /// The plan.
    pub plan: LogicalPlan,
    /// Its sites by number, each planned.
    pub sites: Vec<Arc<Site>>,
    /// The assignment that they share.
    pub placement: Arc<Placement>,
}

/// A site while its segments are being chosen.
struct Choice {
    site: Arc<Site>,
    role: SegmentRole,
    predicate: Predicate,
    /// Ranges of the sort column that hold all wanted rows, where that is known.
    healpix_29_ranges: Option<Vec<Range<u64>>>,
    segments: Vec<Arc<Segment>>,
    /// Whether overlap is read beside the chunks.
    is_halo: bool,
    /// Whether it is one of two sides that are paired chunk by chunk.
    is_paired: bool,
}

impl Choice {
    fn chunks(&self) -> BTreeSet<ChunkId> {
        self.segments.iter().filter_map(|segment| segment.chunk).collect()
    }
}

/// Finds what each site of an optimized plan must read.
///
/// # Errors
/// `Unavailable` if a chunk has no live replica; what reading the key index gives.
pub async fn restrict(plan: LogicalPlan, surroundings: &Surroundings) -> Result<Restricted> {
    let (plan, scans) = tag_sites(plan)?;
    let links = links::find(&plan).map_err(from_datafusion)?;

    let mut choices = Vec::with_capacity(scans.len());
    for (site, filters) in scans {
        let role = links.role(&site);
        let columns = site.table.restricting_columns(role);
        let predicate = look_up_keys(&site.table, role, Predicate::of(&filters, columns), surroundings).await?;
        let healpix_29_ranges = predicate.healpix_29_ranges();
        let cells = Cells::of(&site.table, healpix_29_ranges.as_deref());
        // Cells first: comparing two numbers tells more than the cap around a segment's rows, in less time.
        let may_match = |segment: &&Arc<Segment>| cells.may_hold(segment) && predicate.may_match(segment);
        let segments: Vec<Arc<Segment>> = site.table.table().segments_of(role).filter(may_match).cloned().collect();
        choices.push(Choice { site, role, predicate, healpix_29_ranges, segments, is_halo: false, is_paired: false });
    }
    carry_over(&mut choices, &links);
    if surroundings.overlap == Overlap::Read {
        let pairs = neighbours::find(&plan, &choices).map_err(from_datafusion)?;
        neighbours::read_overlap(&mut choices, &pairs);
    }

    let placement = Arc::new(place(&choices, surroundings)?);
    for choice in &choices {
        choice.site.set_plan(site_plan(choice, &placement, links.groups_rows));
    }
    let sites = choices.into_iter().map(|choice| choice.site).collect();
    Ok(Restricted { plan, sites, placement })
}

/// A site and the filters of its scan.
type FilteredSite = (Arc<Site>, Vec<Expr>);

/// Replaces every scan of a declared table by a scan of a [`Site`]; returns the sites with their filters.
fn tag_sites(plan: LogicalPlan) -> Result<(LogicalPlan, Vec<FilteredSite>)> {
    let mut sites = Vec::new();
    let tagged = plan
        .transform_down_with_subqueries(|node| {
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
            let Ok(provider) = source_as_provider(&scan.source) else { return Ok(Transformed::no(node)) };
            let Some(table) = provider.downcast_ref::<CatalogTable>() else { return Ok(Transformed::no(node)) };
            let site = Arc::new(Site::new(sites.len(), scan.table_name.to_string(), table.clone()));
            sites.push((Arc::clone(&site), scan.filters.clone()));
            let scan = TableScan { source: provider_as_source(site), ..scan.clone() };
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })
        .map_err(from_datafusion)?;
    Ok((tagged.data, sites))
}

/// Looks up the keys that a predicate names, where the index is known to hold every home of a key.
async fn look_up_keys(
    table: &CatalogTable,
    role: SegmentRole,
    predicate: Predicate,
    surroundings: &Surroundings,
) -> Result<Predicate> {
    let is_director = matches!(table.table().table.kind, TableKind::Director { .. });
    let mut keys = Vec::new();
    predicate.keys(&mut keys);
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() || keys.len() > MAX_KEY_LOOKUPS || !(is_director || table.table().key_is_chunk_local) {
        return Ok(predicate);
    }
    let Some((_, family)) = table.key(role) else { return Ok(predicate) };
    let director = table.database().tables.iter().find(|other| other.table.name == *family.director);
    let Some(director) = director else { return Ok(predicate) };
    let segments: Vec<Arc<Segment>> = director.segments_of(SegmentRole::KeyIndex).cloned().collect();
    let index = KeyIndex::new(surroundings.reader.clone(), segments, surroundings.key_cache.clone());
    let homes: HashMap<i64, Vec<KeyHome>> = index.homes(&keys).await?;
    // A director's row lies in the cell that the index gives; a child's own position is near it, not in it.
    Ok(predicate.resolve(&homes, is_director))
}

/// The cells in which a predicate's rows lie, against the cells of chunks: narrower than the cap around a segment's rows.
/// Known for directors over HEALPix, whose rows all lie inside their chunk.
struct Cells<'a> {
    ranges: Option<&'a [Range<u64>]>,
    chunk_order: u8,
}

impl<'a> Cells<'a> {
    fn of(table: &CatalogTable, healpix_29_ranges: Option<&'a [Range<u64>]>) -> Self {
        let database = &table.database().database;
        let is_director = matches!(table.table().table.kind, TableKind::Director { .. });
        let by_cells = is_director && database.pixelization == PixelizationKind::Healpix;
        let ranges = healpix_29_ranges.filter(|_| by_cells);
        Self { ranges, chunk_order: database.chunk_order.unwrap_or(0) }
    }

    fn may_hold(&self, segment: &Segment) -> bool {
        let (Some(ranges), Some(ChunkId(cell))) = (self.ranges, segment.chunk) else { return true };
        // A nested cell of order k holds 4^(29 - k) cells of order 29, one after the other.
        let width = 1_u64 << (2 * 29_u32.saturating_sub(u32::from(self.chunk_order)));
        let (start, end) = (cell.saturating_mul(width), cell.saturating_add(1).saturating_mul(width));
        // Sorted and disjoint: only the first that ends behind the chunk's start can begin before its end.
        let next = ranges.partition_point(|range| range.end <= start);
        ranges.get(next).is_some_and(|range| range.start < end)
    }
}

/// Carries chunk sets along the links until nothing changes.
fn carry_over(choices: &mut [Choice], links: &links::Links) {
    let local: Vec<bool> = choices.iter().map(|choice| choice.site.table.table().key_is_chunk_local).collect();
    let links: Vec<&links::Link> = links
        .links
        .iter()
        .filter(|link| {
            let (Some(from), Some(to)) = (choices.get(link.from.site), choices.get(link.to.site)) else { return false };
            let key =
                |choice: &Choice| choice.site.table.key(choice.role).map(|(key, family)| (key.to_owned(), family));
            let (Some((from_key, from_family)), Some((to_key, to_family))) = (key(from), key(to)) else { return false };
            from_key == link.from.column
                && to_key == link.to.column
                && from_family == to_family
                && local[link.from.site]
                && local[link.to.site]
        })
        .collect();
    // Each round that changes anything empties at least one chunk of one site; sets shrink fast, and a bound on the
    // rounds costs only pruning.
    for _ in 0..=choices.len() {
        let mut changed = false;
        for link in &links {
            let wanted = choices[link.from.site].chunks();
            let target = &mut choices[link.to.site];
            let before = target.segments.len();
            target.segments.retain(|segment| segment.chunk.is_none_or(|chunk| wanted.contains(&chunk)));
            changed |= target.segments.len() != before;
        }
        if !changed {
            break;
        }
    }
}

fn place(choices: &[Choice], surroundings: &Surroundings) -> Result<Placement> {
    let mut loads: BTreeMap<Cell, Load> = BTreeMap::new();
    for choice in choices {
        for segment in &choice.segments {
            if let Some(chunk) = segment.chunk {
                loads.entry((choice.site.table.chunks_of().clone(), chunk)).or_default().add(segment);
            }
        }
    }
    Placement::new(loads, &surroundings.live)
}

fn site_plan(choice: &Choice, placement: &Arc<Placement>, groups_rows: bool) -> SitePlan {
    let table = choice.site.table.table();
    let with_null_keys: Vec<&Arc<Segment>> =
        choice.segments.iter().filter(|segment| segment.bounds.null_keys > 0).collect();
    let null_chunks: BTreeSet<Option<ChunkId>> = with_null_keys.iter().map(|segment| segment.chunk).collect();
    // NULL keys of several chunks are one group of GROUP BY: their segments must be read in one partition, which can be
    // done if they hold nothing else.
    let spread = null_chunks.len() > 1;
    let apart = with_null_keys.iter().all(|segment| segment.bounds.null_keys == segment.rows);
    SitePlan {
        segments: choice.segments.clone(),
        role: choice.role,
        healpix_29_ranges: choice.healpix_29_ranges.clone().filter(|_| table.table.kind.position().is_some()),
        placement: Arc::clone(placement),
        // A key's row may lie in one chunk and in the overlap of others.
        key_partitioned: !choice.is_halo
            && table.table.kind.is_partitioned()
            && table.key_is_chunk_local
            && (!groups_rows || !spread || apart),
        nulls_together: !choice.is_halo && groups_rows && spread && apart,
        is_halo: choice.is_halo,
        is_paired: choice.is_paired,
    }
}

/// Whether any node of a plan, sub-queries included, satisfies a condition.
fn any_node(plan: &LogicalPlan, mut condition: impl FnMut(&LogicalPlan) -> bool) -> datafusion::common::Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found = condition(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
