import { bad, Reader, readList, readText } from "./filter-reader.ts";

/** What MLflow's grammar calls an entity (`mlflow/utils/search_utils.py`). */
export type FilterEntity = "metric" | "param" | "tag" | "attribute" | "dataset";

const entities: Readonly<Record<string, FilterEntity>> = {
  metrics: "metric",
  metric: "metric",
  params: "param",
  param: "param",
  parameters: "param",
  parameter: "param",
  tags: "tag",
  tag: "tag",
  attributes: "attribute",
  attribute: "attribute",
  attr: "attribute",
  run: "attribute",
  datasets: "dataset",
  dataset: "dataset",
};

/** Attributes by their names and their other spellings. */
const attributes = {
  run_id: "run_id",
  run_name: "run_name",
  "run name": "run_name",
  "Run name": "run_name",
  status: "status",
  user_id: "user_id",
  artifact_uri: "artifact_uri",
  start_time: "start_time",
  created: "start_time",
  Created: "start_time",
  end_time: "end_time",
} as const;
export type RunAttribute = (typeof attributes)[keyof typeof attributes];
const numericAttributes: ReadonlySet<string> = new Set(["start_time", "end_time"]);
const datasetKeys = ["name", "digest", "context"] as const;

export type DatasetKey = (typeof datasetKeys)[number];

export type FilterKey =
  | { readonly entity: "metric" | "param" | "tag"; readonly key: string }
  | { readonly entity: "attribute"; readonly key: RunAttribute }
  | { readonly entity: "dataset"; readonly key: DatasetKey };

export type Comparison = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** One condition; all of a filter hold. */
export type Clause = FilterKey &
  (
    | { readonly op: Comparison; readonly value: number }
    | { readonly op: "=" | "!=" | "like" | "ilike"; readonly value: string }
    | { readonly op: "in" | "not in"; readonly values: readonly string[] }
    | { readonly op: "is null" | "is not null" }
  );

export type Ordering = Exclude<FilterKey, { entity: "dataset" }> & { readonly isDescending: boolean };

const mostLength = 10_000;
const mostClauses = 100;

/**
 * Reads a filter of runs: conditions joined by AND, each `entity.key operator value`. Pure.
 *
 * @throws PortolanError `tracking.invalid_value` with what is not understood
 */
export function parseRunFilter(text: string): Clause[] {
  if (text.length > mostLength) throw bad(`the filter is longer than ${mostLength} characters`);
  const reader = new Reader(text);
  const clauses: Clause[] = [];
  while (!reader.isAtEnd) {
    if (clauses.length > 0) reader.take(/and\b/iy, "AND");
    if (clauses.length >= mostClauses) throw bad(`the filter has more than ${mostClauses} conditions`);
    clauses.push(readClause(reader));
  }
  return clauses;
}

/** Reads one member of `order_by`: a key, and ASC or DESC. @throws PortolanError `tracking.invalid_value` */
export function parseOrdering(text: string): Ordering {
  const reader = new Reader(text.slice(0, mostLength));
  const key = readKey(reader);
  const direction = reader.tryTake(/(asc|desc)\b/iy)?.toLowerCase();
  if (!reader.isAtEnd) throw bad(`"${reader.rest}" is neither ASC nor DESC`);
  const isDescending = direction === "desc";
  if (key.entity === "dataset") throw bad("runs are not ordered by data sets");
  return { ...key, isDescending };
}

function readClause(reader: Reader): Clause {
  const key = readKey(reader);
  const op = reader.take(
    />=|<=|!=|=|<|>|(?:is\s+not\s+null|is\s+null|not\s+in|in|ilike|like)\b/iy,
    "an operator",
  );
  const operator = op.toLowerCase().replace(/\s+/g, " ");
  if (isNumeric(key)) return numericClause(key, operator, reader);
  if (operator === "is null" || operator === "is not null") {
    if (key.entity !== "param" && key.entity !== "tag") throw bad(`${operator} is for params and tags`);
    return { ...key, op: operator };
  }
  if (operator === "in" || operator === "not in") {
    if (key.entity !== "dataset" && key.key !== "run_id")
      throw bad(`${operator} is for run_id and data sets`);
    return { ...key, op: operator, values: readList(reader) };
  }
  if (operator !== "=" && operator !== "!=" && operator !== "like" && operator !== "ilike")
    throw bad(`${op} compares numbers, and ${key.entity} ${key.key} is text`);
  return { ...key, op: operator, value: readText(reader) };
}

function isNumeric({ entity, key }: FilterKey): boolean {
  return entity === "metric" || (entity === "attribute" && numericAttributes.has(key));
}

const comparisons: readonly Comparison[] = ["=", "!=", "<", "<=", ">", ">="];

function numericClause(key: FilterKey, operator: string, reader: Reader): Clause {
  const op = comparisons.find((one) => one === operator);
  if (!op) throw bad(`${operator} compares text, and ${key.entity} ${key.key} is a number`);
  const value = Number(reader.take(/-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/iy, "a number"));
  return { ...key, op, value };
}

function readKey(reader: Reader): FilterKey {
  const first = reader.word();
  const named = entities[first];
  if (named !== undefined && reader.tryTake(/\./y) !== undefined) return checkedKey(named, reader.word(true));
  return checkedKey("attribute", first);
}

function checkedKey(entity: FilterEntity, key: string): FilterKey {
  if (entity === "attribute") {
    const known = Object.entries(attributes).find(([name]) => name === key)?.[1];
    if (!known)
      throw bad(
        `there is no attribute "${key.slice(0, 80)}"; tags, params and metrics are tags.x, params.x, metrics.x`,
      );
    return { entity, key: known };
  }
  if (entity === "dataset") {
    const known = datasetKeys.find((one) => one === key);
    if (!known)
      throw bad(`of data sets ${datasetKeys.join(", ")} can be asked for, not "${key.slice(0, 80)}"`);
    return { entity, key: known };
  }
  return { entity, key };
}
