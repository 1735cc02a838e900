import type { ColumnTypes, Expression } from "@portolan/expressions";
import { type Digest, digestJson } from "@portolan/kernel";
import { type YamlKind, type YamlNode, YamlSource } from "@portolan/yaml-source";
import { readOnDemand, readRequestFields } from "./on-demand/read-on-demand.ts";
import { isNumeric, readExpression, readName } from "./read-expression.ts";
import { readDuration, readWindow, type ScaledColumns } from "./read-window.ts";
import { type EventIdentity, type FeatureView, textNamesOf, type ValueFeature } from "./view-model.ts";

const viewYaml: YamlKind = { noun: "feature view", maximumBytes: 256 * 1024 };

/**
 * Reads a feature view (YAML) into its canonical form. Pure.
 *
 * @param columnsOf types of the columns of a contract, or `undefined` when there is no such contract.
 * @param primaryKeyOf columns of a contract's primary key, none where it states none.
 * @param scalesOf digits after the point that a contract keeps of its numbers, by column.
 * @throws PortolanError `features.view_invalid` with line and mend of every finding.
 */
export function readFeatureView(
  text: string,
  file: string,
  columnsOf: (contract: string) => ColumnTypes | undefined,
  primaryKeyOf: (contract: string) => readonly string[] = () => [],
  scalesOf: (contract: string) => Readonly<Record<string, number>> = () => ({}),
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
  const view = readBody(root, contract, {
    columns: columns ?? {},
    primaryKey: primaryKeyOf(contract),
    scales: scalesOf(contract),
  });
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

/** What a contract says of its columns. */
interface Source extends ScaledColumns {
  readonly primaryKey: readonly string[];
}

function readBody(root: YamlNode, contract: string, source: Source): FeatureView {
  const { columns } = source;
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
    ...readFeatures(root, source),
  };
}

function readFeatures(
  root: YamlNode,
  source: Source,
): Pick<FeatureView, "features" | "values" | "request" | "onDemand" | "tombstone" | "identity" | "online"> {
  const { columns, primaryKey } = source;
  const node = root.get("features");
  const items = node.items();
  if (items.length === 0) node.report("is empty", "Define at least one feature.");
  const computed = items.filter((item) => item.get("onDemand").present);
  const kept = items.filter((item) => !computed.includes(item));
  const stated = kept.filter((item) => item.get("value").present);
  if (stated.length > 0 && stated.length < kept.length)
    node.report("mixes values and windows", "Put what has a window into a view of its own.");
  const values = stated.map((item) => readValue(item, columns));
  const features = kept.filter((item) => !stated.includes(item)).flatMap((item) => readWindow(item, source));
  const stored = [...features, ...values].map(({ name }) => name);
  const request = readRequestFields(root.get("request"));
  const texts = textNamesOf({ values });
  const onDemand = readOnDemand(node, computed, request, stored, texts);
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
const namingTypes: ReadonlySet<ColumnTypes[string] | undefined> = new Set(["text", "int", "bool", "instant"]);

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
  if (value && !isNumeric(value) && value.type !== "text")
    node
      .get("value")
      .report(
        `is ${value.type}; a model takes numbers and texts`,
        "Compare it, or take a part of it such as hour(…).",
      );
  return { name, value: value ?? { op: "literal", type: "int", value: "0" } };
}
