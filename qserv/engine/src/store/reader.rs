//! The cluster's segments as an object store that DataFusion reads from.

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use qserv_core::{Error, ErrorKind, Result};

use super::cluster::ClusterStore;
use super::path::SegmentPath;

/// Bytes read at a time when a whole segment or a large part of one is asked for: bounds memory, and what a failure repeats.
const PIECE_BYTES: u64 = 16 * 1024 * 1024;

/// How errors and logs call this store.
const NAME: &str = "qserv segments";

/// Reads segments from wherever they are; refuses everything else.
///
/// Every error has a [`qserv_core::Error`] among its sources, whose kind and context are those to report; as text it reads as
/// [`Error::to_wire`] gives it, since that is all that is left of a source on its way through Parquet and between machines.
///
/// All segments seem to be of one time, that of the epoch: they never change, and copies on different machines must not look
/// different to caches.
#[derive(Debug)]
pub(super) struct Reader {
    store: ClusterStore,
}

impl Reader {
    pub(super) fn new(store: ClusterStore) -> Self {
        Self { store }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

#[async_trait]
impl ObjectStore for Reader {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let told = |error| outward(location, error);
        let path = SegmentPath::parse(location.as_ref()).map_err(told)?;
        if options.head {
            let length = self.store.length(&path).await.map_err(told)?;
            let meta = meta(location, length);
            options.check_preconditions(&meta)?;
            return Ok(result(meta, 0..0, Bytes::new()));
        }
        // The first piece, or all of it, comes in one go with the length.
        let (length, mut parts) = self
            .store
            .read(&path, |length| {
                let range = range_of(options.range.as_ref(), length)?;
                let end = range.end.min(range.start.saturating_add(PIECE_BYTES));
                let first = range.start..end;
                Ok(vec![first])
            })
            .await
            .map_err(told)?;
        let meta = meta(location, length);
        options.check_preconditions(&meta)?;
        let range = range_of(options.range.as_ref(), length).map_err(told)?;
        let first = parts.pop().unwrap_or_default();
        let rest = range.start + first.len() as u64..range.end;
        if rest.is_empty() {
            return Ok(result(meta, range, first));
        }
        let further = pieces(self.store.clone(), path, location.clone(), rest);
        let payload = GetResultPayload::Stream(futures::stream::iter([Ok(first)]).chain(further).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::new() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let told = |error| outward(location, error);
        let path = SegmentPath::parse(location.as_ref()).map_err(told)?;
        let bounded = |length| ranges.iter().map(|range| within(range, length)).collect();
        self.store.read(&path, bounded).await.map(|(_, parts)| parts).map_err(told)
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(read_only())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(read_only())
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        locations.and_then(async |_| Err(read_only())).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        futures::stream::iter([Err(not_listed())]).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        Err(not_listed())
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(read_only())
    }
}

/// The rest of a segment, a piece at a time; each is found again if where it was fails.
fn pieces(
    store: ClusterStore,
    path: SegmentPath,
    location: Path,
    rest: Range<u64>,
) -> BoxStream<'static, object_store::Result<Bytes>> {
    let state = (store, path, location);
    futures::stream::try_unfold((state, rest), |((store, path, location), rest)| async move {
        if rest.is_empty() {
            return Ok(None);
        }
        let piece = rest.start..rest.end.min(rest.start.saturating_add(PIECE_BYTES));
        let (_, mut parts) = store
            .read(&path, |length| Ok(vec![within(&piece, length)?]))
            .await
            .map_err(|error| outward(&location, error))?;
        let bytes = parts.pop().unwrap_or_default();
        Ok(Some((bytes, ((store, path, location), piece.end..rest.end))))
    })
    .boxed()
}

fn meta(location: &Path, length: u64) -> ObjectMeta {
    ObjectMeta {
        location: location.clone(),
        last_modified: DateTime::UNIX_EPOCH,
        size: length,
        e_tag: None,
        version: None,
    }
}

fn result(meta: ObjectMeta, range: Range<u64>, bytes: Bytes) -> GetResult {
    let payload = GetResultPayload::Stream(futures::stream::iter([Ok(bytes)]).boxed());
    GetResult { payload, meta, range, attributes: Attributes::new() }
}

/// The bytes that a range means in a segment of this length.
fn range_of(range: Option<&GetRange>, length: u64) -> Result<Range<u64>> {
    match range {
        None => Ok(0..length),
        Some(range) => range.as_range(length).map_err(|error| outside().with("length", length).caused_by(error)),
    }
}

/// A range that must lie within a segment as it is.
fn within(range: &Range<u64>, length: u64) -> Result<Range<u64>> {
    if range.start <= range.end && range.end <= length {
        return Ok(range.clone());
    }
    Err(outside().with("range", format!("{}..{}", range.start, range.end)).with("length", length))
}

fn outside() -> Error {
    // A reader asks for what the file's own metadata promises.
    Error::invalid("bytes were asked for that the segment does not have")
}

/// An error of ours as the source of one of the object store's.
#[derive(Debug)]
struct Carried(Error);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_wire())
    }
}

impl std::error::Error for Carried {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn outward(location: &Path, error: Error) -> object_store::Error {
    match error.kind() {
        ErrorKind::NotFound => {
            object_store::Error::NotFound { path: location.to_string(), source: Box::new(Carried(error)) }
        }
        _ => object_store::Error::Generic { store: NAME, source: Box::new(Carried(error)) },
    }
}

fn read_only() -> object_store::Error {
    object_store::Error::NotSupported { source: "segments are read here, and written through SegmentStore".into() }
}

fn not_listed() -> object_store::Error {
    object_store::Error::NotSupported {
        source: "the catalog knows which segments there are; stores are not listed".into(),
    }
}
