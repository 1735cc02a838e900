import type { AnalysisStatement } from "@portolan/data/contract";
import {
  type ColumnTypes,
  type Expression,
  parseExpression,
  quoteName,
  quoteText,
  toDuckDbSql,
} from "@portolan/expressions";
import { type Digest, digestJson, PortolanError } from "@portolan/kernel";
import type { VisibleRows } from "./access/set-access.ts";
import type { FeatureErrorCode } from "./errors.ts";
import { windowLogOracle, windowLogStatements } from "./events/window-log-plan.ts";
import { segmentsRelation } from "./log/log-sql.ts";
import { pointInTimeOracle, pointInTimeStatements } from "./log/point-in-time-plan.ts";
import { withOnDemand } from "./on-demand/on-demand-plan.ts";
import type { TrainingSetRequest } from "./resources.ts";
import {
  type FeatureView,
  featureNamesOf,
  hasLog,
  isEventView,
  isValueView,
  textNamesOf,
} from "./view-model.ts";
import { oracleStatement } from "./windows/window-oracle.ts";
import { windowStatements } from "./windows/window-plan.ts";

/** Rows whose values are derived a second time, straight from the definition, before a training set is published. */
const paritySample = 200;

export interface TrainingSetPlanInput {
  readonly request: TrainingSetRequest;
  readonly views: readonly FeatureView[];
  readonly columns: ColumnTypes;
  readonly eventTime: string;
  /** Local Parquet file of the dataset. */
  readonly dataset: string;
  /** Local Parquet files of a view's log, by the view's place in the request; views of windows over one dataset have none. */
  readonly logs: Readonly<Record<number, readonly string[]>>;
  readonly output: string;
  /** Entity rows as far as the policies on data allow; absent: all rows of the dataset, as they are. */
  readonly visible?: VisibleRows;
}

/** Columns that the model takes, in order: request features first, then each view's. */
export function featureNames(request: TrainingSetRequest, views: readonly FeatureView[]): string[] {
  return [...request.request.map((feature) => feature.name), ...views.flatMap(featureNamesOf)];
}

/** Columns that are derived from the entity row itself: request features, attributes, the label. */
export function ownColumns({
  request,
  attributes = [],
  label,
}: Pick<TrainingSetRequest, "request" | "attributes" | "label">): readonly {
  readonly name: string;
  readonly expression: string;
}[] {
  return [...request, ...attributes, label];
}

/** The column that says of each row what a view knew of its entity: `found`, `not_found` or `outside_max_age`. */
export function statusColumn(view: Pick<FeatureView, "name">): string {
  return `_status_${view.name.replaceAll("-", "_")}`;
}

/**
 * What a row of the set says, whatever its time and place: two sets of one definition differ in their rows alone, so that a
 * model that learned from one can be measured on the other. Attributes lie beside it: no model takes them. Pure.
 */
export function definitionDigest(
  { contract, views, request, label, baseline }: TrainingSetRequest,
  pinned: readonly { readonly digest: string }[],
  columns: readonly { readonly name: string; readonly mask?: { readonly with: string } }[] = [],
): Digest {
  // The one mask that features may be made of: it makes other values of them.
  const masks = columns.flatMap(({ name, mask }) => (mask?.with === "year" ? [`${name} year`] : []));
  return digestJson({
    contract,
    views: views.map(({ entity, request: fields }, index) => ({
      digest: pinned[index]?.digest ?? "",
      entity,
      ...(fields ? { request: fields } : {}),
    })),
    request,
    label,
    baseline: baseline ?? null,
    ...(masks.length > 0 ? { masks } : {}),
  });
}

/**
 * Point-in-time training set: every entity row once, in the order of its moment, with what was visible at that moment and nothing
 * later. Results: `counts` (rows before and after), `parity` (rows that the definition disagrees with), `statuses` (rows by status, of each view and each of
 * its features), `null_keys` (rows and events without a key, by view) and `nulls` (by column, in the order of features, attributes and label).
 */
export function trainingSetPlan(input: TrainingSetPlanInput): AnalysisStatement[] {
  const { request, views, output } = input;
  const names = featureNames(request, views);
  const all = [...names, ...(request.attributes ?? []).map(({ name }) => name), request.label.name];
  if (new Set(all).size < all.length)
    throw invalid("two features, attributes or the label share a name", "Rename one of them.");
  if (request.baseline !== undefined && !names.includes(request.baseline))
    throw invalid(`the baseline ${request.baseline} is no feature of the set`, "Name one of the features.");
  if (
    request.baseline !== undefined &&
    views.some((view) => textNamesOf(view).includes(request.baseline ?? ""))
  )
    throw invalid(`the baseline ${request.baseline} is a text`, "Name a feature that is a number.");
  const derivations = views.map((view, index) => derivationOf(input, view, index));
  const joined = views.map((_, index) => `join w${index} on w${index}._row = p._row`);
  const values = views.flatMap((view, index) => [
    ...featureNamesOf(view).map((name) => `w${index}.${quoteName(name)}`),
    `${statusSql(input, view, { index, derived: `w${index}` })} as ${quoteName(statusColumn(view))}`,
  ]);
  const own = ownColumns(request).map((feature) => `p.${quoteName(feature.name)}`);
  const selected = ["p._row", "p._at", ...own, ...values].join(", ");
  return [
    { sql: eventsSql(input), note: "reading events" },
    ...(input.visible ? [input.visible.statement] : []),
    { sql: probesSql(input), note: "reading entity rows" },
    ...derivations.flatMap(({ plan }) => plan),
    {
      sql: `create table training_set as select ${selected} from probes as p ${joined.join(" ")}`,
      note: "joining",
    },
    { sql: `create table sample as select * from probes order by hash(_row) limit ${paritySample}` },
    ...derivations.flatMap(({ oracle }) => oracle),
    { sql: paritySql(input), returns: "parity" },
    { sql: statusesSql(views), returns: "statuses" },
    { sql: nullKeysSql(input), returns: "null_keys" },
    { sql: nullsSql(all), returns: "nulls" },
    {
      sql: `copy (select * from training_set order by _at, _row) to ${quoteText(`${output}/training-set.parquet`)} (format parquet, compression zstd, row_group_size 122880)`,
      note: "writing",
    },
    {
      // Counted in the dataset itself, not in what the plan made of it.
      sql: `select (${askedSql(input, rowsRelation(input))}) as rows_before, (${askedSql(input, datasetRelation(input))}) as asked, (select count(*) from training_set) as rows_after, (select count(*) from sample) as sampled`,
      returns: "counts",
    },
  ];
}

/** How a view's values are derived into `w<index>`, and again for the sample into `o<index>`. */
function derivationOf(
  input: TrainingSetPlanInput,
  view: FeatureView,
  index: number,
): { readonly plan: AnalysisStatement[]; readonly oracle: AnalysisStatement[] } {
  const probes = { probes: "probes", probeKeys: probeKeysOf(input, view, index), into: `w${index}` };
  const sample = { ...probes, probes: "sample", into: `o${index}` };
  const records = segmentsRelation(input.logs[index] ?? []);
  const fields = (view.request ?? []).map((_, field) => requestColumn(index, field));
  const derived = { view, fields };
  if (isEventView(view))
    return {
      plan: withOnDemand({ ...derived, requests: "probes", into: probes.into }, (into) =>
        windowLogStatements({ ...probes, view, records, into }),
      ),
      oracle: withOnDemand({ ...derived, requests: "sample", into: sample.into }, (into) =>
        windowLogOracle({ ...sample, view, records, into }),
      ),
    };
  if (isValueView(view))
    return {
      plan: withOnDemand({ ...derived, requests: "probes", into: probes.into }, (into) =>
        pointInTimeStatements({ ...probes, view, records, into }),
      ),
      oracle: withOnDemand({ ...derived, requests: "sample", into: sample.into }, (into) => [
        pointInTimeOracle({ ...sample, view, records, into }),
      ]),
    };
  if (view.source !== input.request.contract)
    throw invalid(
      `${view.name} has windows over ${view.source}, and the rows come from ${input.request.contract}`,
      "Ask for rows of the view's own contract, or keep its events in a log (`events: log`).",
    );
  const events = { view: withReach(view), events: "events" };
  return {
    plan: windowStatements({ ...probes, ...events }),
    oracle: [oracleStatement({ ...sample, ...events })],
  };
}

const reach = "_reach";

/** A view of windows over one dataset with how many events are in reach of its longest window: without any there is nothing online (F12). */
function withReach(view: FeatureView): FeatureView {
  const windowMicros = Math.max(...view.features.map((feature) => feature.windowMicros));
  return { ...view, features: [...view.features, { name: reach, aggregate: "count", windowMicros }] };
}

/** What is known of a row's entity in a view, as its online store would say it (F73); `p` is the row, `derived` what was derived of it. */
function statusSql(
  input: TrainingSetPlanInput,
  view: FeatureView,
  { index, derived }: { readonly index: number; readonly derived: string },
): string {
  if (isValueView(view)) return `${derived}._status`;
  const isUnknown = isEventView(view)
    ? anyNull(probeKeysOf(input, view, index), "p.")
    : `${derived}.${reach} = 0`;
  return `case when ${isUnknown} then 'not_found' else 'found' end`;
}

/** Columns of the entity rows that the view's keys are taken from; a log's keys are text, so that integers and texts meet there. */
function probeKeysOf({ request, columns }: TrainingSetPlanInput, view: FeatureView, index: number): string[] {
  const entity = request.views[index]?.entity ?? {};
  return view.entity.map(({ name, column }) => {
    const probe = entity[name] ?? name;
    const type = columns[probe];
    const isKey = hasLog(view) ? type === "text" || type === "int" : type === columns[column];
    if (type === undefined || !isKey)
      throw invalid(
        `${view.name} takes ${name} from ${probe}, which is not a column of its type`,
        "Map the key to a column.",
      );
    return probe;
  });
}

/** Events older than the longest window before the first row cannot count, nor can any after the last row. */
function eventsSql(input: TrainingSetPlanInput): string {
  const longest = Math.max(
    0,
    ...input.views.flatMap((view) =>
      hasLog(view) ? [] : view.features.map((feature) => feature.windowMicros),
    ),
  );
  const event = quoteName(input.eventTime);
  return `create table events as select * from ${datasetRelation(input)}
    where ${event} >= ${input.request.from - longest} and ${event} < ${input.request.to}`;
}

/** The rows that entity rows are taken from. */
function rowsRelation(input: TrainingSetPlanInput): string {
  return input.visible ? "visible" : datasetRelation(input);
}

function datasetRelation({ dataset }: TrainingSetPlanInput): string {
  return `read_parquet(${quoteText(dataset)})`;
}

function askedSql({ request, eventTime }: TrainingSetPlanInput, relation: string): string {
  const event = quoteName(eventTime);
  return `select count(*) from ${relation}
    where ${event} >= ${request.from} and ${event} < ${request.to} and _row % ${request.sampleEvery} = 0`;
}

function probesSql(input: TrainingSetPlanInput): string {
  const { request, eventTime, visible } = input;
  const columns = visible?.columns ?? input.columns;
  const event = quoteName(eventTime);
  const numbers = [...request.request, request.label].map(
    ({ name, expression }) => `${numberSql(parseRequest(name, expression, columns))} as ${quoteName(name)}`,
  );
  const beside = (request.attributes ?? []).map(
    ({ name, expression }) => `${numberSql(parseAttribute(name, expression, columns))} as ${quoteName(name)}`,
  );
  const own = [...numbers, ...beside];
  const keyNames = [...new Set(input.views.flatMap((view, index) => probeKeysOf(input, view, index)))];
  const names = new Set(ownColumns(request).map(({ name }) => name));
  const clash = keyNames.find((name) => names.has(name));
  if (clash) throw invalid(`${clash} is the name of a key column`, "Rename the feature or attribute.");
  const keys = keyNames.map(quoteName);
  const fields = input.views.flatMap((view, index) => requestFieldsSql(input, view, index));
  return `create table probes as select _row, ${event} as _at, ${[...keys, ...own, ...fields].join(", ")} from ${visible ? "visible" : "events"}
    where ${event} >= ${request.from} and ${event} < ${request.to} and _row % ${request.sampleEvery} = 0`;
}

/** Column of the entity rows that a view's request field is in. */
function requestColumn(view: number, field: number): string {
  return `_request_${view}_${field}`;
}

/** What a request would have brought, taken from the entity rows: an expression over their columns, or the column of the field's name. */
function requestFieldsSql(input: TrainingSetPlanInput, view: FeatureView, index: number): string[] {
  const { request } = input;
  const columns = input.visible?.columns ?? input.columns;
  const stated = request.views[index]?.request ?? {};
  const fields = view.request ?? [];
  const unknown = Object.keys(stated).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined)
    throw invalid(
      `${view.name} has no request field ${unknown}`,
      `It has ${fields.map(({ name }) => name).join(", ") || "none"}.`,
    );
  return fields.map(({ name, type }, field) => {
    const text = stated[name] ?? name;
    const found = parseExpression(text, columns);
    if (found.type !== type && !(type === "float" && found.type === "int"))
      throw invalid(
        `the request field ${name} of ${view.name} is ${type}, and ${text} is ${found.type}`,
        "Derive it from the columns of the rows, under `request` of the view.",
      );
    const sql = toDuckDbSql(found);
    return `${type === "float" ? `(${sql})::double` : sql} as ${requestColumn(index, field)}`;
  });
}

function parseRequest(name: string, text: string, columns: ColumnTypes): Expression {
  const expression = parseExpression(text, columns);
  if (expression.type === "int" || expression.type === "float" || expression.type === "bool")
    return expression;
  throw invalid(
    `${name} is ${expression.type}; what a row states is a number`,
    expression.type === "text"
      ? "Compare it, or make it a feature of a view of values."
      : "Compare it, or take a part of it such as hour(…).",
  );
}

/** What rows are sliced by may be text; moments would name single rows. */
function parseAttribute(name: string, text: string, columns: ColumnTypes): Expression {
  const expression = parseExpression(text, columns);
  return expression.type === "text" ? expression : parseRequest(name, text, columns);
}

function numberSql(expression: Expression): string {
  const sql = toDuckDbSql(expression);
  return expression.type === "bool" ? `(${sql})::bigint` : sql;
}

function paritySql(input: TrainingSetPlanInput): string {
  const parts = input.views.map((view, index) => {
    const derived = `o${index}`;
    const differs = featureNamesOf(view).map(
      (name) => `t.${quoteName(name)} is distinct from ${derived}.${quoteName(name)}`,
    );
    differs.push(`t.${quoteName(statusColumn(view))} <> ${statusSql(input, view, { index, derived })}`);
    return `select count(*) filter (${differs.join(" or ")}) as wrong from ${derived} join training_set as t on t._row = ${derived}._row join sample as p on p._row = t._row`;
  });
  return `select coalesce(sum(wrong), 0)::bigint as mismatches from (${parts.length > 0 ? parts.join(" union all ") : "select 0 as wrong"})`;
}

/** Rows by status: `v<view>_<status>` of each view, `f<view>_<feature>_<status>` of each of its features. */
function statusesSql(views: readonly FeatureView[]): string {
  const counts = views.flatMap((view, index) => {
    const of = quoteName(statusColumn(view));
    const rows = viewStatuses.map((status) => `${rowsWith(`${of} = '${status}'`)} as v${index}_${status}`);
    const values = featureNamesOf(view).flatMap((name, feature) =>
      [
        ["present", `${of} = 'found' and ${quoteName(name)} is not null`],
        ["null", `${of} = 'found' and ${quoteName(name)} is null`],
      ].map(([status, when = ""]) => `${rowsWith(when)} as f${index}_${feature}_${status}`),
    );
    return [...rows, ...values];
  });
  return `select ${["count(*) as rows", ...counts].join(", ")} from training_set`;
}

const viewStatuses = ["found", "not_found", "outside_max_age"] as const;

function rowsWith(condition: string): string {
  return `count(*) filter (${condition})`;
}

/** A row without a key is in the set, with what is known of no entity; an event without one is in no window. */
function nullKeysSql(input: TrainingSetPlanInput): string {
  const parts = input.views.map((view, index) => {
    const rows = anyNull(probeKeysOf(input, view, index));
    const events = anyNull(view.entity.map(({ column }) => column));
    // Those that a log left out were counted when it took them in.
    const kept = hasLog(view) ? "0" : `(select count(*) from events where ${events})`;
    return `select ${index} as view, (select count(*) from probes where ${rows}) as rows, ${kept} as events`;
  });
  return parts.length > 0 ? parts.join(" union all ") : "select 0 as view, 0 as rows, 0 as events limit 0";
}

function anyNull(columns: readonly string[], table = ""): string {
  return columns.map((column) => `${table}${quoteName(column)} is null`).join(" or ");
}

function nullsSql(columns: readonly string[]): string {
  const counts = columns.map((name, index) => `count(*) filter (${quoteName(name)} is null) as n${index}`);
  return `select ${counts.join(", ")} from training_set`;
}

function invalid(detail: string, mend: string): PortolanError<FeatureErrorCode> {
  return new PortolanError("features.training_set_invalid", { detail, mend });
}
