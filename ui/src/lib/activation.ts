// What the API says about syncs and features.

export interface SyncCounts {
  read: number;
  inserted: number;
  updated: number;
  deleted: number;
  unchanged: number;
  failed: number;
  held: number;
  requests: number;
}

export interface SyncRun {
  run: string;
  attempt: number;
  status: string;
  message: string | null;
  counts: SyncCounts;
  started_at: string;
  finished_at: string | null;
}

export interface Sync {
  name: string;
  node: string;
  description: string;
  owner: string | null;
  tags: string[];
  destination: string;
  mode: string;
  from: string[];
  key: string[];
  fields: string[];
  last_run: SyncRun | null;
}

export interface SentRow {
  sequence: number;
  run: string;
  at: string;
  key: unknown;
  operation: string;
  outcome: "acknowledged" | "refused" | "unanswered";
  http_status: number | null;
  idempotency_key: string;
  batch_key: string | null;
  request: unknown;
  response: unknown;
  error: string | null;
}

export interface FeatureView {
  name: string;
  node: string;
  description: string;
  owner: string | null;
  tags: string[];
  join_keys: string[];
  ttl_seconds: number | null;
  from: string[] | null;
  features: { name: string; type: string; description: string | null }[];
  online: {
    version: string | number;
    rows: number;
    refreshed_at: string;
    run: string | null;
  } | null;
}

export interface FeatureService {
  name: string;
  description: string;
  owner: string | null;
  features: string[];
}

/** The last word of a node's id: what people call it. */
export function shortName(node: string): string {
  return node.split(".").at(-1) ?? node;
}
