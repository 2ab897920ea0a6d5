//! Holds the rows of an upsert until all of its keys are known: in memory up to a bound, beyond it
//! in scratch files that end with the stage.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use base::limits::LOAD_BUFFER_BYTES;

use crate::{Lake, Result, StorageError};

/// Batches by number.
#[derive(Debug)]
pub(crate) struct Spool {
    batches: Vec<Held>,
    bytes_in_memory: usize,
    bytes_max: usize,
}

impl Default for Spool {
    fn default() -> Self {
        Self { batches: Vec::new(), bytes_in_memory: 0, bytes_max: LOAD_BUFFER_BYTES }
    }
}

#[derive(Debug)]
enum Held {
    Memory(RecordBatch),
    Disk(Scratch),
}

/// A file that nothing points to; it leaves with its owner, or with the next collection.
#[derive(Debug)]
struct Scratch {
    lake: Lake,
    path: String,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.lake.files().remove_now(&self.path) {
            tracing::warn!(%error, "scratch file stays behind");
        }
    }
}

impl Spool {
    /// Keeps a batch and tells its number.
    pub(crate) async fn push(&mut self, lake: &Lake, batch: RecordBatch) -> Result<u32> {
        let number = u32::try_from(self.batches.len())
            .map_err(|_| StorageError::Internal("too many batches in one upsert".to_owned()))?;
        let bytes = batch.get_array_memory_size();
        if self.bytes_in_memory + bytes <= self.bytes_max {
            self.bytes_in_memory += bytes;
            self.batches.push(Held::Memory(batch));
            return Ok(number);
        }
        let path = format!("{}/.scratch/{}.arrow", lake.root(), lake.randomness().token());
        let mut writer = FileWriter::try_new(Vec::new(), batch.schema_ref())?;
        writer.write(&batch)?;
        let content = writer.into_inner()?.into();
        lake.files()
            .write_new(&path, content)
            .await
            .map_err(|error| StorageError::file(&path, error))?;
        self.batches.push(Held::Disk(Scratch { lake: lake.clone(), path }));
        Ok(number)
    }

    /// How many batches there are.
    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// A batch by its number.
    pub(crate) async fn get(&self, number: u32) -> Result<RecordBatch> {
        match self.batches.get(number as usize) {
            Some(Held::Memory(batch)) => Ok(batch.clone()),
            Some(Held::Disk(scratch)) => {
                let read = scratch.lake.files().read_all(&scratch.path).await;
                let content = read.map_err(|error| StorageError::file(&scratch.path, error))?;
                let mut reader = FileReader::try_new(std::io::Cursor::new(content), None)?;
                match reader.next() {
                    Some(batch) => Ok(batch?),
                    None => Err(StorageError::corrupt(&scratch.path, "it holds no rows")),
                }
            }
            None => Err(StorageError::Internal(format!("no batch {number} in the spool"))),
        }
    }

    /// Rows at places, in that order.
    pub(crate) async fn rows(&self, places: &[Place]) -> Result<Option<RecordBatch>> {
        let mut numbers: Vec<u32> = places.iter().map(|place| place.batch).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut batches = Vec::with_capacity(numbers.len());
        for number in &numbers {
            batches.push(self.get(*number).await?);
        }
        let Some(first) = batches.first() else { return Ok(None) };
        let schema = Arc::clone(first.schema_ref());
        let refs: Vec<&RecordBatch> = batches.iter().collect();
        let find = |place: &Place| {
            let batch = numbers.binary_search(&place.batch).unwrap_or(0);
            (batch, place.row as usize)
        };
        let indices: Vec<(usize, usize)> = places.iter().map(find).collect();
        let rows = arrow::compute::interleave_record_batch(&refs, &indices)?;
        assert_eq!(rows.schema_ref(), &schema, "spooled rows share one shape");
        Ok(Some(rows))
    }
}

/// Where an incoming row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) batch: u32,
    pub(crate) row: u32,
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use base::Files;
    use base::clock::Clocks;
    use base::random::SeededRandomness;
    use base::system::SystemFiles;

    use super::*;

    #[tokio::test]
    async fn rows_beyond_the_bound_wait_on_disk_and_leave_with_the_stage() {
        let folder = tempfile::tempdir().expect("a folder");
        let randomness = Arc::new(SeededRandomness::new(1));
        let lake = Lake::local(folder.path(), Clocks::system(), randomness).expect("a lake");
        let mut spool = Spool { bytes_max: 0, ..Spool::default() };
        for start in [0, 10] {
            let ids = Arc::new(Int64Array::from_iter_values(start..start + 5)) as _;
            let batch = RecordBatch::try_from_iter([("id", ids)]).expect("a batch");
            spool.push(&lake, batch).await.expect("a kept batch");
        }
        let scratch = || SystemFiles.list(&folder.path().join(".scratch")).expect("a list").len();
        assert_eq!(scratch(), 2);
        let places = [(1, 4), (0, 0), (1, 0)].map(|(batch, row)| Place { batch, row });
        let rows = spool.rows(&places).await.expect("rows").expect("three rows");
        assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[14, 0, 10]);
        drop(spool);
        assert_eq!(scratch(), 0);
    }
}
