import type { ColumnTypes, Expression, ValueType } from "@portolan/expressions";
import { type Digest, digestJson, parseDurationMs } from "@portolan/kernel";
import { type YamlKind, type YamlNode, YamlSource } from "@portolan/yaml-source";
import { readOnDemand, readRequestFields } from "./on-demand/read-on-demand.ts";
import { featureName, isNumeric, readExpression, readName } from "./read-expression.ts";
import {
  type EventIdentity,
  type FeatureView,
  pickAggregates,
  sumAggregates,
  type ValueFeature,
  type WindowFeature,
} from "./view-model.ts";

const viewYaml: YamlKind = { noun: "feature view", maximumBytes: 256 * 1024 };
const maxWindowMs = 90 * 86_400_000;

/**
 * Reads a feature view (YAML) into its canonical form. Pure.
 *
 * @param columnsOf types of the columns of a contract, or `undefined` when there is no such contract.
 * @param primaryKeyOf columns of a contract's primary key, none where it states none.
 * @throws PortolanError `features.view_invalid` with line and mend of every finding.
 */
export function readFeatureView(
  text: string,
  file: string,
  columnsOf: (contract: string) => ColumnTypes | undefined,
  primaryKeyOf: (contract: string) => readonly string[] = () => [],
): FeatureView {
  const source = new YamlSource(text, viewYaml, file);
  source.settle("features.view_invalid");
  const { root } = source;
  root.only([
    "apiVersion",
    "kind",
    "name",
    "version",
    "description",
    "source",
    "entity",
    "eventTime",
    "available",
    "ttl",
    "events",
    "online",
    "tombstone",
    "request",
    "features",
  ]);
  root.get("kind").oneOf(["FeatureView"], "Write `kind: FeatureView`.");
  const contract = root.get("source").requiredText("Name the data contract.");
  const columns = columnsOf(contract);
  if (!columns)
    root.get("source").report(`names ${contract}, which is not published`, "Publish the contract first.");
  const view = readBody(root, contract, columns ?? {}, primaryKeyOf(contract));
  source.settle("features.view_invalid");
  return view;
}

export function featureViewDigest(view: FeatureView): Digest {
  return digestJson(view);
}

/** The name that a view's text gives itself and its source, to look up the contract before it is read in full. */
export function sourceOf(text: string, file: string): string {
  const source = new YamlSource(text, viewYaml, file);
  source.settle("features.view_invalid");
  return source.root.get("source").text() ?? "";
}

function readBody(
  root: YamlNode,
  contract: string,
  columns: ColumnTypes,
  primaryKey: readonly string[],
): FeatureView {
  const eventTime = root.get("eventTime").requiredText("Name the column of the event time.");
  if (columns[eventTime] !== "instant") root.get("eventTime").report("is not a UTC timestamp column");
  const available = readExpression(root.get("available"), columns, root.get("available").text() ?? eventTime);
  if (available && available.type !== "instant")
    root.get("available").report("is not an instant", "Write e.g. `departed_at + 30min`.");
  return {
    name: root.get("name").requiredText("Name the view."),
    version: root.get("version").number() ?? 1,
    source: contract,
    entity: readEntity(root.get("entity"), columns),
    eventTime,
    available: available ?? { op: "column", name: eventTime, type: "instant" },
    ttlMicros: readDuration(root.get("ttl")),
    ...readFeatures(root, columns, primaryKey),
  };
}

function readFeatures(
  root: YamlNode,
  columns: ColumnTypes,
  primaryKey: readonly string[],
): Pick<FeatureView, "features" | "values" | "request" | "onDemand" | "tombstone" | "identity" | "online"> {
  const node = root.get("features");
  const items = node.items();
  if (items.length === 0) node.report("is empty", "Define at least one feature.");
  const computed = items.filter((item) => item.get("onDemand").present);
  const kept = items.filter((item) => !computed.includes(item));
  const stated = kept.filter((item) => item.get("value").present);
  if (stated.length > 0 && stated.length < kept.length)
    node.report("mixes values and windows", "Put what has a window into a view of its own.");
  const values = stated.map((item) => readValue(item, columns));
  const features = kept.filter((item) => !stated.includes(item)).flatMap((item) => readWindow(item, columns));
  const stored = [...features, ...values].map(({ name }) => name);
  const request = readRequestFields(root.get("request"));
  const onDemand = readOnDemand(node, computed, request, stored);
  const names = new Set([...stored, ...onDemand.map(({ name }) => name)]);
  if (names.size < stored.length + onDemand.length) node.report("repeats a name");
  const tombstone = readTombstone(root.get("tombstone"), columns);
  const identity = readIdentity(root.get("events"), columns, primaryKey);
  if (identity && values.length > 0)
    root.get("events").report("stands in a view of values", "Leave it out: values are in a log always.");
  if (tombstone && values.length === 0 && !identity?.isKey)
    root
      .get("tombstone")
      .report(
        "withdraws an event that nothing names",
        "Write `events: log`, over a contract that has a primary key.",
      );
  if (onDemand.length > 0 && ((!identity && values.length === 0) || stored.length === 0))
    node.report(
      "are computed on demand beside none that a log keeps",
      "Add one with `value`, or windows with `events: log`.",
    );
  if (request.length > 0 && onDemand.length === 0)
    root.get("request").report("is read by no feature", "Add one with `onDemand`, or leave it out.");
  const online = readOnline(root.get("online"), columns, values.length > 0, identity);
  return {
    features,
    ...(values.length > 0 ? { values } : {}),
    ...(request.length > 0 ? { request } : {}),
    ...(onDemand.length > 0 ? { onDemand } : {}),
    ...(tombstone ? { tombstone } : {}),
    ...(identity ? { identity } : {}),
    ...(online ? { online } : {}),
  };
}

/** `online: accepted`: whoever takes an event in before its log has it must know it again when the log does. */
function readOnline(
  node: YamlNode,
  columns: ColumnTypes,
  hasValues: boolean,
  identity: EventIdentity | undefined,
): "accepted" | undefined {
  if (!node.present) return undefined;
  node.oneOf(["accepted"], "Write `online: accepted`, or leave it out.");
  if (!hasValues && !identity?.isKey)
    node.report(
      "is for events that something names",
      "Write `events: log`, over a contract that has a primary key.",
    );
  const inexact = hasValues ? undefined : identity?.columns.find((name) => !namingTypes.has(columns[name]));
  if (inexact !== undefined)
    node.report(
      `names events by ${inexact}, which is ${columns[inexact]}`,
      "Let the primary key be texts, integers or instants.",
    );
  return "accepted";
}

/** Of these every executor has the same text. */
const namingTypes: ReadonlySet<ValueType | undefined> = new Set(["text", "int", "bool", "instant"]);

/** `events: log`; the identity is what the contract states, or all of a row where it states none. */
function readIdentity(
  node: YamlNode,
  columns: ColumnTypes,
  primaryKey: readonly string[],
): EventIdentity | undefined {
  if (!node.present) return undefined;
  node.oneOf(["log"], "Write `events: log`, or leave it out.");
  const isKey = primaryKey.length > 0;
  return { columns: isKey ? [...primaryKey] : Object.keys(columns).toSorted(), isKey };
}

function readTombstone(node: YamlNode, columns: ColumnTypes): Expression | undefined {
  if (!node.present) return undefined;
  const tombstone = readExpression(node, columns);
  if (tombstone && tombstone.type !== "bool")
    node.report(`is ${tombstone.type}, no truth value`, "Name a boolean column, or write e.g. `op = 'D'`.");
  return tombstone;
}

function readEntity(node: YamlNode, columns: ColumnTypes): FeatureView["entity"] {
  const keys = node.items().map((item) => {
    const name = item.isScalar() ? (item.text() ?? "") : item.get("name").requiredText("Name the key.");
    const column = item.isScalar() ? name : (item.get("column").text() ?? name);
    if (columns[column] !== "text" && columns[column] !== "int")
      item.report(`reads ${column}, which is no string or integer column`);
    return { name, column };
  });
  if (keys.length === 0 || keys.length > 4) node.report("must name one to four keys");
  return keys;
}

function readValue(node: YamlNode, columns: ColumnTypes): ValueFeature {
  node.only(["name", "value", "description"]);
  const name = readName(node);
  const value = readExpression(node.get("value"), columns);
  if (value && !isNumeric(value))
    node
      .get("value")
      .report(`is ${value.type}; a model takes numbers`, "Compare it, or take a part of it such as hour(…).");
  return { name, value: value ?? { op: "literal", type: "int", value: "0" } };
}

/** Types that an aggregate takes, beside `int` and `bool`. */
const moreTypes: Partial<Record<WindowFeature["aggregate"], ValueType>> = {
  min: "float",
  max: "float",
  last: "float",
  distinct: "text",
};
const maxDistinct = 1000;

/** One feature, or those of a `last_k`: a model takes numbers, so that each of its values is one. */
function readWindow(node: YamlNode, columns: ColumnTypes): WindowFeature[] {
  node.only(["name", "aggregate", "of", "where", "window", "limit", "k", "description"]);
  const name = readName(node);
  const named = node.get("aggregate").oneOf([...sumAggregates, ...pickAggregates, "last_k"]) ?? "count";
  const aggregate = named === "last_k" ? "last" : named;
  const of = readAggregated(node, aggregate, columns);
  const limit = readLimit(node, aggregate);
  const feature = {
    name,
    aggregate,
    ...(of ? { of } : {}),
    windowMicros: readDuration(node.get("window")),
    ...(limit === undefined ? {} : { limit }),
  };
  const count = readCount(node, named, name);
  if (named !== "last_k") return [feature];
  return Array.from({ length: count }, (_, index) => ({
    ...feature,
    name: `${name}_${index + 1}`,
    ...(index === 0 ? {} : { nth: index + 1 }),
  }));
}

const maxLast = 32;

/** How many features a `last_k` is. */
function readCount(node: YamlNode, aggregate: string, name: string): number {
  const k = node.get("k").present ? node.get("k").number() : undefined;
  if (aggregate !== "last_k") {
    if (node.get("k").present) node.get("k").report(`is of a last_k, and this is a ${aggregate}`);
    return 1;
  }
  if (k === undefined || !Number.isInteger(k) || k < 1 || k > maxLast) {
    const at = node.get("k").present ? node.get("k") : node;
    at.report(
      node.get("k").present ? `is no whole number from 1 to ${maxLast}` : "needs `k` for a last_k",
      "Say how many of the newest values there are, e.g. `k: 3`.",
    );
    return 1;
  }
  if (!featureName.test(`${name}_${k}`))
    node
      .get("name")
      .report(`is too long for ${name}_${k}`, "Shorten it: each value is a feature of its own.");
  return k;
}

/** What is aggregated, null where the feature's condition does not hold. */
function readAggregated(
  node: YamlNode,
  aggregate: WindowFeature["aggregate"],
  columns: ColumnTypes,
): Expression | undefined {
  const of = node.get("of").present ? readExpression(node.get("of"), columns) : undefined;
  if (of && of.type !== "int" && of.type !== "bool" && of.type !== moreTypes[aggregate])
    node
      .get("of")
      .report(
        moreTypes[aggregate] === undefined
          ? `is ${of.type}; sums run on integers, where every executor gets the same bits`
          : `is ${of.type}, which ${aggregate} does not take`,
        moreTypes[aggregate] === undefined
          ? "Quantise it in the contract, e.g. cents or milliseconds."
          : `Give it an integer, a truth value or a ${moreTypes[aggregate]}.`,
      );
  if (!of && aggregate !== "count") node.report(`needs \`of\` for a ${aggregate}`);
  if (!node.get("where").present) return of;
  const where = readExpression(node.get("where"), columns);
  if (where && where.type !== "bool")
    node.get("where").report(`is ${where.type}, no truth value`, "Write a condition such as `delay > 15`.");
  if (!where) return of;
  const counted: Expression = of ?? { op: "literal", type: "bool", value: true };
  const nothing: Expression = { op: "literal", type: "null", value: null };
  return { op: "call", fn: "if", type: counted.type, args: [where, counted, nothing] };
}

function readLimit(node: YamlNode, aggregate: WindowFeature["aggregate"]): number | undefined {
  const limit = node.get("limit").present ? node.get("limit").number() : undefined;
  if (aggregate !== "distinct") {
    if (limit !== undefined) node.get("limit").report(`bounds a distinct, and this is a ${aggregate}`);
    return undefined;
  }
  if (limit !== undefined && Number.isInteger(limit) && limit >= 1 && limit <= maxDistinct) return limit;
  const at = limit === undefined ? node : node.get("limit");
  at.report(
    limit === undefined ? "needs `limit` for a distinct" : "is no whole number from 1 to 1000",
    "Say up to how many are told apart, e.g. `limit: 50`.",
  );
  return 1;
}

function readDuration(node: YamlNode): number {
  const text = node.requiredText("Write a duration such as 3h or 7d.");
  try {
    const millis = parseDurationMs(text);
    if (millis > 0 && millis <= maxWindowMs) return millis * 1000;
    node.report("must be above zero and at most 90d");
  } catch {
    node.report(`is "${text}", which is no duration`, "Write e.g. 3h or 7d.");
  }
  return 1;
}
