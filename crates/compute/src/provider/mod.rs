//! Our own Iceberg table provider: files pruned by what manifests say, then read by DataFusion's
//! Parquet source with statistics, deletes as row selections, and columns by field id.

mod adapter;
mod deletes;
mod guard;
mod place;
mod prune;
mod relabel;
mod schema;
mod snapshot;
mod statistics;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::io::FileIO;

use self::deletes::{Reader, RowsToRead, object_meta, rows_to_read};
use self::snapshot::{DataFileFacts, READS_AT_ONCE, VersionFiles};

pub(crate) use self::place::store_url;
pub(crate) use self::relabel::relabelled;
pub(crate) use self::schema::without_metadata;
pub(crate) use self::snapshot::LakeVersion;

/// One pinned version of a lake table.
#[derive(Debug)]
pub(crate) struct LakeTableProvider {
    version: Arc<LakeVersion>,
    file_io: FileIO,
    store: ObjectStoreUrl,
}

/// A data file that a scan reads, and which of its rows.
struct FileToRead {
    facts: Arc<DataFileFacts>,
    rows: RowsToRead,
}

impl LakeTableProvider {
    /// Offers a version for reading; `store` is where the session registered the object store.
    pub(crate) fn new(version: Arc<LakeVersion>, file_io: FileIO, store: ObjectStoreUrl) -> Self {
        Self { version, file_io, store }
    }

    /// Files that may hold rows the filters keep.
    fn prune(
        &self,
        state: &dyn Session,
        files: &VersionFiles,
        filters: &[Expr],
    ) -> Result<Vec<Arc<DataFileFacts>>> {
        let all = || files.data.clone();
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(all()) };
        let Some(keep) = prune::keep(state, self.version.schema(), filter, files) else {
            return Ok(all());
        };
        let kept = files.data.iter().zip(keep).filter(|(_, keep)| *keep);
        Ok(kept.map(|(file, _)| Arc::clone(file)).collect())
    }

    async fn apply_deletes(
        &self,
        state: &dyn Session,
        files: &VersionFiles,
        kept: Vec<Arc<DataFileFacts>>,
    ) -> Result<Vec<FileToRead>> {
        if files.deletes.is_empty() {
            let whole = |facts| FileToRead { facts, rows: RowsToRead::all() };
            return Ok(kept.into_iter().map(whole).collect());
        }
        let runtime = state.runtime_env();
        let store = runtime.object_store(&self.store)?;
        let reader =
            Reader { store: &store, footers: runtime.cache_manager.get_file_metadata_cache() };
        let reader = &reader;
        stream::iter(kept)
            .map(|facts| async move {
                let rows = rows_to_read(&facts, &files.deletes, reader).await?;
                Ok(FileToRead { facts, rows })
            })
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await
            .map_err(external)
    }

    async fn scan_files(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        files: Vec<FileToRead>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.version.schema();
        let deleted: u64 = files.iter().map(|file| file.rows.deleted).sum();
        let deleted = usize::try_from(deleted).ok().filter(|deleted| *deleted > 0);
        let per_file: Vec<Arc<Statistics>> =
            files.iter().map(|file| Arc::clone(&file.facts.statistics)).collect();
        let statistics = statistics::scan_statistics(schema, &per_file, deleted)?;
        let maybe_nan: HashSet<String> =
            files.iter().flat_map(|file| file.facts.maybe_nan.iter().cloned()).collect();
        let by_field_id = adapter::ByFieldId { maybe_nan: Arc::new(maybe_nan) };
        let partitions = state.config().target_partitions();
        let files = files.into_iter().map(partitioned).collect::<Result<Vec<_>>>()?;
        let groups = FileGroup::new(files).split_files(partitions);

        let options = TableParquetOptions {
            global: state.config_options().execution.parquet.clone(),
            ..Default::default()
        };
        let format = ParquetFormat::new().with_options(options);
        let source = format.file_source(TableSchema::from_file_schema(Arc::clone(schema)));
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit.filter(|_| deleted.is_none()))
            .with_expr_adapter(Some(Arc::new(by_field_id)))
            .build();
        let plan = format.create_physical_plan(state, config).await?;
        Ok(guard::guarded(plan, deleted.is_some()))
    }
}

fn partitioned(file: FileToRead) -> Result<PartitionedFile> {
    let meta = object_meta(&file.facts.location, file.facts.bytes).map_err(external)?;
    let scanned =
        PartitionedFile::new_from_meta(meta).with_statistics(Arc::clone(&file.facts.statistics));
    Ok(match file.rows.plan {
        Some(plan) => scanned.with_extension(plan),
        None => scanned,
    })
}

fn external(error: crate::QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl TableProvider for LakeTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.version.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.version.files(&self.file_io).await.map_err(external)?;
        let kept = self.prune(state, &files, filters)?;
        let kept = self.apply_deletes(state, &files, kept).await?;
        let kept: Vec<FileToRead> =
            kept.into_iter().filter(|file| file.rows.deleted < file.facts.rows).collect();
        if kept.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.version.schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        self.scan_files(state, projection, limit, kept).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
