import type { KeyValue } from "../contract.ts";
import { compareNumbers, likeForm } from "../search/comparisons.ts";
import { bad, Reader, readList, readText } from "../search/filter-reader.ts";
import type { StoredModel } from "./model-store.ts";

type Condition = (model: StoredModel) => boolean;
type Value = string | number | undefined;

const mostLength = 10_000;

/** Attributes by MLflow's names; times are milliseconds since 1970. */
const attributes: Readonly<Record<string, (model: StoredModel) => Value>> = {
  name: ({ row }) => row.name,
  model_id: ({ row }) => row.id,
  model_type: ({ row }) => row.model_type ?? undefined,
  status: ({ row }) => row.status.replace("LOGGED_MODEL_", ""),
  source_run_id: ({ row }) => row.run_id,
  creation_timestamp: ({ row }) => Math.floor(row.created_at / 1000),
  creation_time: ({ row }) => Math.floor(row.created_at / 1000),
  last_updated_timestamp: ({ row }) => Math.floor(row.updated_at / 1000),
  last_updated_time: ({ row }) => Math.floor(row.updated_at / 1000),
};

/** A data set whose metrics alone count. */
export interface MetricDataset {
  readonly name: string;
  readonly digest?: string;
}

/**
 * Reads a filter of logged models by MLflow's grammar: conditions over attributes, `params.x`, `tags.x` and `metrics.x`, joined by AND. Pure.
 *
 * @param datasets of which metrics count; none: all of them
 * @throws PortolanError `tracking.invalid_value` with what is not understood
 */
export function parseModelFilter(text: string, datasets: readonly MetricDataset[] = []): Condition {
  if (text.length > mostLength) throw bad(`the filter is longer than ${mostLength} characters`);
  const reader = new Reader(text);
  const conditions: Condition[] = [];
  while (!reader.isAtEnd) {
    if (conditions.length > 0) reader.take(/and\b/iy, "AND");
    conditions.push(readCondition(reader, datasets));
  }
  return (model) => conditions.every((holds) => holds(model));
}

function readCondition(reader: Reader, datasets: readonly MetricDataset[]): Condition {
  const { entity, key } = readKey(reader);
  if (entity === "metrics") {
    const operator = reader.take(/>=|<=|!=|=|<|>/y, "a comparison of numbers");
    const wanted = readNumber(reader);
    return ({ metrics }) =>
      metrics.some(
        (metric) =>
          metric.key === key && isOf(metric, datasets) && compareNumbers(operator, metric.value, wanted),
      );
  }
  const valueOf = textOf(entity, key);
  const operator = reader.take(/>=|<=|!=|=|<|>|(?:not\s+in|in|ilike|like)\b/iy, "a comparison").toLowerCase();
  if (operator === "in" || /^not\s+in$/.test(operator)) {
    const list = readList(reader);
    return (model) => list.includes(String(valueOf(model))) === (operator === "in");
  }
  if (/^i?like$/.test(operator)) {
    const form = likeForm(readText(reader), operator === "ilike");
    return (model) => form.test(String(valueOf(model) ?? "\u0000"));
  }
  if (/_time(stamp)?$/.test(key) && entity === "attributes") {
    const wanted = readNumber(reader);
    return (model) => compareNumbers(operator, Number(valueOf(model)), wanted);
  }
  if (operator !== "=" && operator !== "!=")
    throw bad(`${key} is a text: compare it by =, !=, LIKE, ILIKE or IN`);
  const wanted = readText(reader);
  // A model that lacks it is unlike any value.
  return (model) => (valueOf(model) === wanted) === (operator === "=");
}

const entities: Readonly<Record<string, "attributes" | "params" | "tags" | "metrics">> = {
  attributes: "attributes",
  attribute: "attributes",
  attr: "attributes",
  params: "params",
  param: "params",
  parameters: "params",
  tags: "tags",
  tag: "tags",
  metrics: "metrics",
  metric: "metrics",
};

function readKey(reader: Reader): { readonly entity: string; readonly key: string } {
  const first = reader.word();
  const entity = Object.hasOwn(entities, first) ? entities[first] : undefined;
  if (entity !== undefined && reader.tryTake(/\./y) !== undefined)
    return { entity, key: knownKey(entity, reader.word(true)) };
  return { entity: "attributes", key: knownKey("attributes", first) };
}

function knownKey(entity: string, key: string): string {
  if (entity === "attributes" && !Object.hasOwn(attributes, key))
    throw bad(
      `there is no attribute "${key.slice(0, 80)}"; logged models have ${Object.keys(attributes).join(", ")}`,
    );
  return key;
}

function textOf(entity: string, key: string): (model: StoredModel) => Value {
  const within = (texts: readonly KeyValue[]) => texts.find((text) => text.key === key)?.value;
  if (entity === "params") return ({ row }) => within(row.params);
  if (entity === "tags") return ({ row }) => within(row.tags);
  return attributes[key] ?? (() => undefined);
}

function isOf(
  { datasetName, datasetDigest }: StoredModel["metrics"][number],
  datasets: readonly MetricDataset[],
): boolean {
  if (datasets.length === 0) return true;
  return datasets.some(
    ({ name, digest }) => name === datasetName && (digest === undefined || digest === datasetDigest),
  );
}

function readNumber(reader: Reader): number {
  return Number(reader.take(/-?\d+(\.\d+)?([eE][+-]?\d+)?/y, "a number"));
}

/** One column of an order. */
export interface ModelOrder {
  readonly field: string;
  readonly ascending: boolean;
  readonly dataset?: MetricDataset;
}

/** Reads an order; without any, the newest first, and of equals by id. @throws PortolanError `tracking.invalid_value` */
export function modelOrder(orders: readonly ModelOrder[]): (a: StoredModel, b: StoredModel) => number {
  const columns = orders.map(readOrder);
  return (a, b) => {
    for (const column of columns) {
      const difference = column(a, b);
      if (difference !== 0) return difference;
    }
    return b.row.created_at - a.row.created_at || (a.row.id < b.row.id ? -1 : 1);
  };
}

/** Whatever lacks the value comes last, in both directions. */
function readOrder({ field, ascending, dataset }: ModelOrder): (a: StoredModel, b: StoredModel) => number {
  const reader = new Reader(field);
  const { entity, key } = readKey(reader);
  if (!reader.isAtEnd) throw bad(`"${reader.rest}" follows what to order by`);
  const datasets = dataset ? [dataset] : [];
  const valueOf =
    entity === "metrics"
      ? ({ metrics }: StoredModel): Value =>
          metrics.find((metric) => metric.key === key && isOf(metric, datasets))?.value
      : textOf(entity, key);
  return (a, b) => {
    const [left, right] = [valueOf(a), valueOf(b)];
    if (left === right) return 0;
    if (left === undefined) return 1;
    if (right === undefined) return -1;
    return (left < right ? -1 : 1) * (ascending ? 1 : -1);
  };
}
