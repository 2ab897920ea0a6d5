// What the read API answers; `crates/server/src/api` is the other side of each of these.

export type State = "fresh" | "late" | "broken" | "unbuilt";
export type Outcome =
  | "succeeded" | "warned" | "failed" | "cancelled" | "interrupted" | "running" | "skipped" | "pending";
export type TestStatus = "passed" | "warned" | "failed" | "errored" | "skipped";

export interface Owner {
  name: string;
  email: string | null;
}

export interface Tests {
  total: number;
  passed: number;
  warned: number;
  failed: number;
  not_run: number;
}

/** A node of the graph as every list shows it. */
export interface NodeRow {
  id: string;
  kind: string;
  name: string;
  namespace: string | null;
  materialized: string | null;
  state: State;
  reason: string | null;
  owner: Owner | null;
  rows: number | null;
  rejected: number;
  published_at: string | null;
  run: string | null;
  tests: Tests;
  description: string;
}

export interface Clock {
  business: string;
  machine: string;
  fixed: boolean;
}

export interface Attention {
  kind: "incident" | "step" | "test" | "late" | "rejected";
  severity: "broken" | "late" | "note";
  title: string;
  detail: string | null;
  node: string | null;
  owner: Owner | null;
  since: string | null;
  run: string | null;
  incident: string | null;
}

export interface RunRow {
  id: string;
  command: string;
  arguments: string[];
  status: Outcome;
  job: string | null;
  started_by: string | null;
  business_started: string;
  machine_started: string;
  machine_finished: string | null;
  duration_ms: number | null;
  steps: Record<string, number>;
  tests_failed: number;
  rows_rejected: number;
  rows_written: number;
}

export interface Home {
  project: string;
  environment: string;
  clock: Clock;
  counts: Record<State, number>;
  tests: Tests;
  attention: Attention[];
  owners: { owner: string; email: string | null; fresh: number; late: number; broken: number;
    unbuilt: number }[];
  products: NodeRow[];
  runs: RunRow[];
  rows: { read: number; rejected: number };
}

export interface Me {
  user: string | null;
  permissions: string[];
  local: boolean;
}

export interface Hit {
  id: string;
  kind: string;
  title: string;
  detail: string;
  state: State | null;
}

export interface LineageNode extends NodeRow {
  x: number;
  y: number;
  rank: number;
  focus: boolean;
  hidden_up: number;
  hidden_down: number;
}

export interface Lineage {
  focus: string;
  up: number;
  down: number;
  cut: boolean;
  node_width: number;
  node_height: number;
  nodes: LineageNode[];
  edges: { from: string; to: string }[];
}

export interface LoadAccount {
  read: number; inserted: number; updated: number; deleted: number; unchanged: number;
  deduplicated: number; late: number; rejected: number;
}

export interface TableAccount {
  before: number; inserted: number; deleted: number; removed: number; after: number;
}

export interface InputVersion {
  table: string;
  rows: number;
  node: string | null;
}

export interface Account {
  table: string;
  load: LoadAccount | null;
  account: TableAccount | null;
  inputs: InputVersion[];
  holds: boolean;
}

export interface Attempt {
  number: number;
  status: Outcome;
  message: string | null;
  machine_started: string;
  machine_finished: string | null;
}

export interface Step {
  node: string;
  name: string;
  kind: string;
  status: Outcome;
  message: string | null;
  error_kind: string | null;
  rows: number | null;
  start_ms: number | null;
  duration_ms: number | null;
  critical: boolean;
  waits_for: string[];
  attempts: Attempt[];
  accounts: Account[];
  tests: TestResult[];
  owner: Owner | null;
}

export interface TestResult {
  node: string;
  name: string;
  status: TestStatus;
  severity: string;
  column: string | null;
  failures: number | null;
  message: string | null;
  sample: unknown;
  duration_ms: number | null;
  run: string | null;
  at: string | null;
}

export interface RunDetail {
  run: RunRow;
  total_ms: number;
  critical_ms: number;
  steps: Step[];
  retryable: boolean;
  clock: Clock;
}

export interface Column {
  name: string;
  data_type: string | null;
  nullable: boolean | null;
  description: string;
  tests: { name: string; status: TestStatus | null }[];
}

export interface Version {
  number: number;
  at: string;
  rows: number;
  inserted: number;
  deleted: number;
  removed: number;
  run: string | null;
  code_changed: boolean;
  tested: string;
  foreign: boolean;
  current: boolean;
  columns_changed: { kind: string; column: string; from: string | null; to: string | null }[];
  inputs: InputVersion[];
  load: LoadAccount | null;
}

export interface TableDetail {
  node: NodeRow;
  path: string;
  group: string | null;
  tags: string[];
  columns: Column[];
  versions: Version[];
  test_results: TestResult[];
  raw_sql: string | null;
  parents: NodeRow[];
  children: NodeRow[];
  consumers: NodeRow[];
  history: { at: string; rows: number }[];
  clock: Clock;
}

export interface Answer {
  columns: { name: string; type: string; numeric: boolean }[];
  rows: unknown[][];
  truncated: boolean;
  duration_ms: number;
  inputs: { table: string; rows: number }[];
}

export interface CatalogEntry {
  table: string;
  node: string | null;
  columns: string[];
}

export interface Incident {
  id: string;
  kind: string;
  severity: "low" | "medium" | "high";
  status: "open" | "closed";
  node: string | null;
  owner: string | null;
  owner_email: string | null;
  title: string;
  run: string | null;
  closed_by: string | null;
  day: string | null;
  details: unknown;
  began: string;
  opened: string;
  closed: string | null;
}

export interface IncidentEvent {
  kind: string;
  message: string;
  run: string | null;
  at: string;
}

export interface IncidentDetail {
  incident: Incident;
  timeline: IncidentEvent[];
  diagnosis: Diagnosis | null;
}

export interface Diagnosis {
  asked: { name: string; node: string; measure: string | null; day: string };
  verdict: "nothing_wrong" | "real_change" | "explained" | "mended" | "undetermined";
  headline: string;
  number: {
    actual: number;
    complete: number;
    usual: number | null;
    usual_days: { day: string; value: number }[];
    change_percent: number | null;
    unusual: boolean;
  } | null;
  shares: {
    kind: "real" | "gap" | "doubled";
    amount: number;
    percent: number | null;
    finding: number | null;
  }[];
  findings: Finding[];
  hops: Hop[];
  excluded: string[];
  limits: string[];
  proposed_promise: string | null;
  made_at: string;
}

export interface Finding {
  kind: string;
  node: string;
  table: { namespace: string; name: string } | null;
  layer: string;
  rows: number;
  what: string;
  run: string | null;
  attempt: number | null;
  at: string | null;
  hours: [number, number] | null;
  owner: string | null;
  owner_email: string | null;
  evidence: string[];
  timeline: { at: string; what: string; run: string | null }[];
  readers: { node: string; column: string | null; owner: string | null }[];
  held_back: { node: string; owner: string | null; because: string; good_since: string | null }[];
  mend: {
    what: string;
    edit: { file: string; place: string; line: string } | null;
    command: string | null;
  } | null;
  mended: { run: string | null; at: string; rows: number } | null;
}

export interface Hop {
  node: string;
  kind: string;
  table: { namespace: string; name: string } | null;
  owner: string | null;
  rows: number | null;
  expected: number | null;
  usual: number | null;
  hours: number[];
  expected_hours: number[];
  usual_hours: number[];
  run: string | null;
  built_at: string | null;
  broken: boolean;
  note: string | null;
}

export interface DashboardInfo {
  name: string;
  title: string;
  description: string;
  owner: string | null;
  node: string;
  path: string;
  filters: DashboardFilter[];
  tiles: TileInfo[];
}

export interface DashboardFilter {
  name: string;
  label: string;
  type: "time" | "dimension";
  dimension: string | null;
  default: string[];
}

export interface TileInfo {
  name: string;
  title: string;
  description: string;
  type: "number" | "line" | "bar" | "area" | "table";
  metrics: string[];
  x: number;
  y: number;
  width: number;
  height: number;
  compare: string | null;
}

export interface TileColumn {
  name: string;
  label: string;
  type: "number" | "date" | "time" | "text" | "boolean";
  role: "metric" | "time" | "dimension" | null;
  grain: string | null;
  unit: string | null;
  format: string | null;
  decimals: number | null;
}

export interface TileData extends TileInfo {
  node: string;
  columns: TileColumn[];
  rows: unknown[][];
  truncated: boolean;
  range: { from: string; to: string; label: string } | null;
  comparison: {
    type: string;
    from: string;
    to: string;
    rows: unknown[][];
    change_percent: number | null;
  } | null;
  not_filtered_by: string[];
  freshness: {
    as_of: string | null;
    newest_row: string | null;
    tables: { table: string; node: string | null; published_at: string | null; rows: number }[];
  };
  health: {
    status: "unknown" | "passed" | "warned" | "failed";
    tests: number;
    problems: { node: string; table: string | null; status: string; failures: number | null;
      message: string | null; owner: string | null }[];
  };
  sql: string | null;
  error: { kind: string; message: string; help: string } | null;
}

export interface PromiseState {
  name: string;
  node: string;
  owner: string | null;
  promise: string;
  status: "kept" | "broken" | "budget_spent" | "unknown";
  measured: string;
  budget: { window_days: number; objective_percent: number; periods: number; allowed: number;
    spent: number; left: number };
  history: { start: string; good: boolean; measured: string }[];
  file: string;
}

export interface ColumnPlace {
  node: string;
  column: string;
}

export interface ColumnWays {
  columns: ColumnPlace[];
  edges: { from: ColumnPlace; to: ColumnPlace; how: string }[];
  unplanned: string[];
}
