//! A result as an Arrow IPC file: written batch by batch, read batch by batch, in constant memory.
//!
//! The file is one that any reader of Arrow opens. Its footer also says what is no row: whether MAXREC cut the result, and what the
//! user should know ([`Summary`]).

use std::ops::Range;
use std::sync::Arc;

use arrow::array::Array;
use arrow::buffer::Buffer;
use arrow::compute::{BatchCoalescer, cast};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{Block, CompressionType, root_as_footer};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use qserv_core::{Error, Result};

use super::Store;

/// Rows of a batch in the file. Batches of a few rows each, as a selective query gives them, would cost more than they hold.
const BATCH_ROWS: usize = 8 * 1024;

/// Bytes after which what is encoded is handed on.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Bytes that are read at once if batches are smaller.
const READ_BYTES: u64 = 4 * 1024 * 1024;

/// The end of a file: the length of its footer and Arrow's magic.
const TRAILER_BYTES: u64 = 10;

/// Longest footer that is read: it takes 24 bytes a batch and some hundred a column.
const MAX_FOOTER_BYTES: u64 = 256 * 1024 * 1024;

const OVERFLOW: &str = "qserv.overflow";
const WARNING: &str = "qserv.warning.";

/// What a result says beside its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// MAXREC cut it.
    pub(crate) overflow: bool,
    /// Things the user should know, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Encodes a result.
pub(crate) struct ArrowFileWriter {
    writer: FileWriter<Vec<u8>>,
    schema: SchemaRef,
    gathered: BatchCoalescer,
}

impl ArrowFileWriter {
    /// A file of these columns. Columns with dictionaries are written without: an Arrow file has one dictionary a column, a result
    /// may have one a batch.
    ///
    /// # Errors
    /// `Internal` if Arrow has no form for a column's type.
    pub(crate) fn new(schema: &Schema) -> Result<Self> {
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Dictionary(_, values) => Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone())),
            _ => Arc::clone(field),
        });
        let schema =
            Arc::new(Schema::new_with_metadata(fields.collect::<Vec<Arc<Field>>>(), schema.metadata().clone()));
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME));
        let writer = options.and_then(|options| FileWriter::try_new_with_options(Vec::new(), &schema, options));
        Ok(Self {
            writer: writer.map_err(cannot_encode)?,
            gathered: BatchCoalescer::new(Arc::clone(&schema), BATCH_ROWS),
            schema,
        })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// `Internal` if they do not have the file's columns.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.gather(batch).map_err(cannot_encode)
    }

    fn gather(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        let plain = |(array, field): (&Arc<dyn Array>, &Arc<Field>)| match array.data_type() {
            DataType::Dictionary(..) => cast(array, field.data_type()),
            _ => Ok(Arc::clone(array)),
        };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(plain).collect::<Result<Vec<_>, _>>()?;
        self.gathered.push_batch(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        while let Some(batch) = self.gathered.next_completed_batch() {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    /// What is encoded and worth handing on.
    pub(crate) fn chunk(&mut self) -> Option<Bytes> {
        let encoded = self.writer.get_mut();
        (encoded.len() >= CHUNK_BYTES).then(|| Bytes::from(std::mem::take(encoded)))
    }

    /// The rest of the file.
    ///
    /// # Errors
    /// `Internal` if Arrow cannot write it.
    pub(crate) fn finish(mut self, summary: &Summary) -> Result<Bytes> {
        self.end(summary).map_err(cannot_encode)?;
        Ok(Bytes::from(std::mem::take(self.writer.get_mut())))
    }

    fn end(&mut self, summary: &Summary) -> Result<(), ArrowError> {
        self.gathered.finish_buffered_batch()?;
        while let Some(batch) = self.gathered.next_completed_batch() {
            self.writer.write(&batch)?;
        }
        self.writer.write_metadata(OVERFLOW, summary.overflow.to_string());
        for (number, warning) in summary.warnings.iter().enumerate() {
            self.writer.write_metadata(format!("{WARNING}{number:04}"), warning);
        }
        self.writer.finish()
    }
}

/// A result that can be read.
pub(crate) struct ArrowFile {
    pub(crate) schema: SchemaRef,
    pub(crate) summary: Summary,
    store: Arc<Store>,
    path: String,
    decoder: FileDecoder,
    blocks: Vec<Block>,
    /// Where the batches end and the footer begins.
    body_bytes: u64,
}

impl ArrowFile {
    /// Opens a file of the store.
    ///
    /// # Errors
    /// `NotFound` if it is gone, `Data` if it is damaged, `Unavailable` if the store does not answer.
    pub(crate) async fn open(store: Arc<Store>, path: &str) -> Result<Self> {
        let gone = || Error::not_found("the result is gone; its job may have been deleted");
        let length = store.length(path).await?.ok_or_else(gone)?;
        let trailer_start = length.checked_sub(TRAILER_BYTES).ok_or_else(damaged)?;
        let trailer = store.read(path, trailer_start..length).await?;
        let trailer: [u8; 10] = trailer.as_ref().try_into().map_err(|_| damaged())?;
        let footer_bytes = read_footer_length(trailer).map_err(|error| damaged().caused_by(error))? as u64;
        let body_bytes = trailer_start.checked_sub(footer_bytes).ok_or_else(damaged)?;
        if footer_bytes > MAX_FOOTER_BYTES {
            return Err(damaged());
        }
        let footer = store.read(path, body_bytes..trailer_start).await?;
        let footer = root_as_footer(&footer).map_err(|error| damaged().caused_by(error.to_string()))?;
        let schema = Arc::new(fb_to_schema(footer.schema().ok_or_else(damaged)?));
        let mut said: Vec<(&str, &str)> = footer
            .custom_metadata()
            .into_iter()
            .flatten()
            .filter_map(|pair| Some((pair.key()?, pair.value()?)))
            .collect();
        said.sort_unstable();
        let warnings = said.iter().filter(|(key, _)| key.starts_with(WARNING)).map(|(_, text)| (*text).to_owned());
        let summary = Summary { overflow: said.contains(&(OVERFLOW, "true")), warnings: warnings.collect() };
        Ok(Self {
            decoder: FileDecoder::new(Arc::clone(&schema), footer.version()),
            blocks: footer.recordBatches().ok_or_else(damaged)?.iter().copied().collect(),
            schema,
            summary,
            store,
            path: path.to_owned(),
            body_bytes,
        })
    }

    /// The rows.
    pub(crate) fn batches(self) -> BoxStream<'static, Result<RecordBatch>> {
        let reader = Reader { file: self, next: 0, read: Vec::new() };
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|batch| (batch, reader))) })
            .boxed()
    }

    /// Where a block stands.
    fn range(&self, block: &Block) -> Result<Range<u64>> {
        let number = |number: i64| u64::try_from(number).map_err(|_| damaged());
        let start = number(block.offset())?;
        let end = number(block.metaDataLength().into())?.checked_add(number(block.bodyLength())?);
        let end = end.and_then(|length| start.checked_add(length)).ok_or_else(damaged)?;
        // A message begins with its own length.
        if end > self.body_bytes || end - start < 8 { Err(damaged()) } else { Ok(start..end) }
    }
}

/// Reads the batches of a file in order.
struct Reader {
    file: ArrowFile,
    /// The next block to read from the store.
    next: usize,
    /// Blocks that were read, the last first.
    read: Vec<(Block, Buffer)>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.read.is_empty() && !self.read_some().await? {
                return Ok(None);
            }
            let Some((block, bytes)) = self.read.pop() else { continue };
            let batch = self.file.decoder.read_record_batch(&block, &bytes);
            if let Some(batch) = batch.map_err(|error| damaged().caused_by(error))? {
                return Ok(Some(batch));
            }
        }
    }

    /// Reads the next blocks, several at once if they are small; false if there are none.
    async fn read_some(&mut self) -> Result<bool> {
        let Some(first) = self.file.blocks.get(self.next) else { return Ok(false) };
        let mut whole = self.file.range(first)?;
        let mut blocks = Vec::new();
        while let Some(block) = self.file.blocks.get(self.next) {
            let range = self.file.range(block)?;
            let is_next = range.start >= whole.start && range.end - whole.start <= READ_BYTES;
            if !blocks.is_empty() && !is_next {
                break;
            }
            whole.end = range.end.max(whole.end);
            blocks.push((*block, range));
            self.next += 1;
        }
        let bytes = self.file.store.read(&self.file.path, whole.clone()).await?;
        for (block, range) in blocks.into_iter().rev() {
            let at = |position: u64| usize::try_from(position - whole.start).map_err(|_| damaged());
            let (start, end) = (at(range.start)?, at(range.end)?);
            if end > bytes.len() {
                return Err(damaged());
            }
            self.read.push((block, Buffer::from(bytes.slice(start..end))));
        }
        Ok(true)
    }
}

fn cannot_encode(error: ArrowError) -> Error {
    Error::internal("the result cannot be stored").caused_by(error)
}

fn damaged() -> Error {
    Error::data("the stored result is damaged; run the query again")
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringViewArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;
    use futures::TryStreamExt;
    use qserv_core::ErrorKind;

    use super::*;
    use crate::settings::TapSettings;

    fn batch(first: i64, rows: i64) -> RecordBatch {
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
        let name: ArrayRef = Arc::new(StringViewArray::from_iter(
            (first..first + rows).map(|id| (id % 7 != 0).then(|| format!("a name that does not fit a view: {id}"))),
        ));
        let band: DictionaryArray<Int32Type> =
            (first..first + rows).map(|id| Some(if id < 100 { "g" } else { "r" })).collect();
        RecordBatch::try_from_iter([("id", id), ("name", name), ("band", Arc::new(band))]).unwrap()
    }

    async fn stored(batches: &[RecordBatch], summary: &Summary) -> (tempfile::TempDir, Arc<Store>) {
        let folder = tempfile::tempdir().unwrap();
        let settings = TapSettings { results_dir: folder.path().to_owned(), ..TapSettings::default() };
        let store = Arc::new(Store::open(&settings).unwrap());
        let mut writer = ArrowFileWriter::new(&batches[0].schema()).unwrap();
        let mut file = store.create("job/1.arrow");
        for batch in batches {
            writer.write(batch.clone()).unwrap();
            if let Some(chunk) = writer.chunk() {
                store.write(&mut file, chunk).await.unwrap();
            }
        }
        store.write(&mut file, writer.finish(summary).unwrap()).await.unwrap();
        store.finish(file).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn what_was_written_is_read() {
        let summary = Summary { overflow: true, warnings: (0..12).map(|number| format!("warning {number}")).collect() };
        let batches: Vec<_> = (0..300).map(|number| batch(number * 700, 700)).collect();
        let (_folder, store) = stored(&batches, &summary).await;
        let file = ArrowFile::open(store, "job/1.arrow").await.unwrap();
        assert_eq!(file.summary, summary);
        assert_eq!(file.blocks.len(), 300 * 700 / BATCH_ROWS + 1, "small batches are gathered");
        let read: Vec<_> = file.batches().try_collect().await.unwrap();
        let read = concat_batches(&read[0].schema(), &read).unwrap();
        let written = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(read.column(0), written.column(0));
        assert_eq!(read.column(1), written.column(1));
        assert_eq!(read.column(2), &cast(written.column(2), &DataType::Utf8).unwrap());
    }

    #[tokio::test]
    async fn a_result_without_rows_has_its_columns() {
        let (_folder, store) = stored(&[batch(0, 0)], &Summary::default()).await;
        let file = ArrowFile::open(store, "job/1.arrow").await.unwrap();
        assert_eq!(file.summary, Summary::default());
        assert_eq!(file.schema.fields().len(), 3);
        assert!(file.batches().try_collect::<Vec<_>>().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn damage_is_an_error() {
        let (folder, store) = stored(&[batch(0, 10)], &Summary::default()).await;
        let path = folder.path().join("job/1.arrow");
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 5, whole.len() - 1, whole.len() / 2] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = ArrowFile::open(Arc::clone(&store), "job/1.arrow").await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Data, "{length}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = ArrowFile::open(store, "job/1.arrow").await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
