//! The engine over a real lake and ledger.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use base::clock::Clocks;
use base::system::SystemRandomness;
use base::{EnvironmentName, TableName};
use compute::{Catalog, Session};
use ledger::{Commit, Ledger, PointerKind};
use storage::{Lake, StageOptions, Staged, ViewDefinition, WriteMode};

use crate::by_hand::{ask, engine, options, small};

struct World {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    lake: Lake,
    prod: EnvironmentName,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
        let path = folder.path().join("ledger.db");
        let ledger =
            Ledger::open(&path, clocks.clone(), Arc::clone(&randomness) as _).await.unwrap();
        let lake = Lake::local(&folder.path().join("ware house"), clocks, randomness).unwrap();
        Self { _folder: folder, ledger, lake, prod: EnvironmentName::new("prod") }
    }

    async fn stage(&self, name: &TableName, mode: WriteMode, rows: &[(i64, &str)]) -> Staged {
        let base = self.lake.open(&self.ledger, &self.prod, name).await.unwrap();
        let options = StageOptions::new(self.ledger.new_commit_id());
        let mut stage = self.lake.stage(&self.prod, name, base.as_ref(), options);
        stage.mode(mode).unwrap();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
        let batch = RecordBatch::try_from_iter([("id", ids), ("word", words)]).unwrap();
        stage.write(batch).await.unwrap();
        stage.finish().await.unwrap()
    }

    async fn publish(&self, staged: &Staged) {
        let commit = Commit::new(staged.version.commit_id.clone(), "prod");
        self.ledger.commit(&staged.into_commit(commit)).await.unwrap();
    }

    async fn session(&self) -> Session {
        let catalog = Catalog::of_environment(&self.ledger, &self.lake, &self.prod).await.unwrap();
        engine(small()).session(catalog, options())
    }
}

#[tokio::test]
async fn upserted_tables_read_as_the_lake_reads_them() {
    let world = World::new().await;
    let name = TableName::new("shop", "words");
    let first: Vec<(i64, String)> = (0..3_000).map(|id| (id, format!("old {id}"))).collect();
    let first: Vec<(i64, &str)> = first.iter().map(|(id, word)| (*id, word.as_str())).collect();
    world.publish(&world.stage(&name, WriteMode::Append, &first).await).await;
    let pinned = world.session().await;
    let keys = || WriteMode::Upsert { keys: vec!["id".to_owned()] };
    let changes: Vec<(i64, &str)> = (0..60).map(|number| (number * 50, "new")).collect();
    let staged = world.stage(&name, keys(), &changes).await;
    let catalog = Catalog::of_environment(&world.ledger, &world.lake, &world.prod).await.unwrap();
    let seen = catalog.with_version(name, &staged.metadata_location, PointerKind::Table);
    let ahead = engine(small()).session(seen, options());
    let sql = "select count(*), sum(id), count(*) filter (where word = 'new') from words";
    assert_eq!(ask(&pinned, sql).await, "3000|4498500|0");
    assert_eq!(ask(&ahead, sql).await, "3000|4498500|60");
    assert_eq!(ask(&world.session().await, sql).await, "3000|4498500|0", "nothing is published");
    world.publish(&staged).await;
    let after = world.session().await;
    assert_eq!(ask(&after, sql).await, "3000|4498500|60");
    assert_eq!(ask(&pinned, sql).await, "3000|4498500|0", "a session keeps what it pinned");
    let limited = ask(&after, "select id from words where id >= 0 limit 2900").await;
    let mut ids: Vec<&str> = limited.lines().collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2_900, "no row twice, as an undeleted old one would be");
    let inputs = after.prepare("select 1 from words").await.unwrap().inputs();
    let table = world.lake.read(&staged.metadata_location).await.unwrap();
    assert_eq!((inputs[0].rows, inputs[0].snapshot_id), (3_000, table.snapshot_id()));
}

#[tokio::test]
async fn views_of_the_lake_are_planned_where_they_are_read() {
    let world = World::new().await;
    let name = TableName::new("shop", "words");
    world.publish(&world.stage(&name, WriteMode::Append, &[(1, "a"), (2, "b")]).await).await;
    let prepared =
        world.session().await.prepare("select id from words where id > 1").await.unwrap();
    let definition = ViewDefinition {
        sql: "select id from words where id > 1".to_owned(),
        dialect: "duckdb".to_owned(),
        schema: prepared.schema(),
        default_namespace: "shop".to_owned(),
    };
    let commit = world.ledger.new_commit_id();
    let view = TableName::new("mart", "late_words");
    let staged = world
        .lake
        .stage_view(&view, None, &definition, &StageOptions::new(commit.clone()))
        .await
        .unwrap();
    let commit = Commit::new(commit, "prod").swing(staged.swing).version(staged.version);
    world.ledger.commit(&commit).await.unwrap();
    let session = world.session().await;
    assert_eq!(ask(&session, "select * from \"prod\".\"mart\".\"late_words\"").await, "2");
    let inputs = session.prepare("select * from mart.late_words").await.unwrap().inputs();
    assert_eq!(inputs[0].table, name);
}

#[tokio::test]
async fn not_a_number_from_the_lake_is_found_again() {
    let world = World::new().await;
    let name = TableName::new("shop", "rates");
    let options = StageOptions::new(world.ledger.new_commit_id());
    let mut stage = world.lake.stage(&world.prod, &name, None, options);
    let rates: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1.0]));
    stage.write(RecordBatch::try_from_iter([("rate", rates)]).unwrap()).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    let session = world.session().await;
    for (filter, rows) in [("rate = 1", "2"), ("rate > 1", "1"), ("isnan(rate)", "1")] {
        let sql = format!("select count(*) from rates where {filter}");
        assert_eq!(ask(&session, &sql).await, rows, "{filter}");
    }
}
