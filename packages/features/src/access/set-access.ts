import {
  type AllowedRead,
  type AnalysisStatement,
  columnTypes,
  type NamedRows,
  type RowsAccess,
} from "@portolan/data/contract";
import { type ColumnTypes, columnsOf, parseExpression, quoteText } from "@portolan/expressions";
import {
  asPlace,
  type CallContext,
  type Digest,
  type EnvironmentPlace,
  isPortolanError,
} from "@portolan/kernel";
import type { TrainingSetManifest, TrainingSetRequest } from "../resources.ts";
import type { StoredDataset, StoredView } from "../store.ts";
import { viewReference } from "../view-model.ts";
import { featureSources } from "./view-sources.ts";

/** What a training set is built for when its request says nothing else. */
export const trainingPurpose = "training";

/** What the policies on data said of the set when its inputs were pinned. */
export interface SetAccess {
  readonly purpose: string;
  /** Of all policies in force. */
  readonly policyDigest: Digest;
  /** Names of the policies that took part, of the entity rows and of the views. */
  readonly policies: readonly string[];
  /** What may be taken of the entity rows; absent when no policy speaks of their contract. */
  readonly rows?: AllowedRead;
}

export interface SetInputs {
  readonly request: TrainingSetRequest;
  readonly dataset: StoredDataset;
  readonly views: readonly StoredView[];
}

type AccessDeps = { readonly access: RowsAccess };

const mend =
  "Name the purpose that your work was allowed for (`purpose`), leave out what may not be read, or ask whoever writes the policies (portolan data policy list).";

/**
 * Decides what a set may be made of. Entity rows are taken as far as the policies allow: filtered, masked, without small groups. A view's values are
 * taken as they are or not at all, for a filter or a mask would make others of them than are served. Contracts of which no policy speaks are taken as they are.
 *
 * @throws PortolanError `data.access_denied`, and the refusal is on the ledger
 */
export async function decideSet(
  { access }: AccessDeps,
  call: CallContext,
  inputs: SetInputs,
): Promise<SetAccess> {
  const { request, dataset, views } = inputs;
  const purpose = request.purpose ?? trainingPurpose;
  const at: EnvironmentPlace = { environment: request.environment, ...asPlace(request) };
  const asked = [rowsOf(dataset, at), ...views.map((view) => valuesOf(view, at))];
  const { decisions, policyDigest } = await access.forWork(call, asked, purpose, at);
  const refuse = (subject: string, reason: string) =>
    access.refuse(call, { subject, purpose, policyDigest, reason, mend });
  for (const [index, view] of views.entries()) {
    const found = decisions[index + 1];
    if (found?.isGoverned && found.whyNotWhole !== undefined)
      await refuse(view.id, `${viewReference(view)} may not be taken: ${found.whyNotWhole}`);
  }
  const policies = new Set(
    decisions.flatMap(({ isGoverned, decision }) =>
      isGoverned && decision.kind === "allowed" ? decision.policies : [],
    ),
  );
  const decided = { purpose, policyDigest, policies: [...policies].toSorted() };
  const [rows] = decisions;
  if (!rows?.isGoverned) return decided;
  if (rows.decision.kind === "denied") return refuse(dataset.id, rows.decision.reason);
  const why = whyUnfit(inputs, rows.decision);
  return why === undefined ? { ...decided, rows: rows.decision } : refuse(dataset.id, why);
}

function rowsOf(dataset: StoredDataset, at: EnvironmentPlace): NamedRows {
  const { id, contract, contract_digest: contractDigest } = dataset;
  const columns = dataset.columns.map(({ name, type }) => ({
    name,
    type,
    from: [{ contract, column: name }],
    contracts: [contract],
  }));
  return { id, at, contracts: [contract], own: { contractDigest }, columns };
}

function valuesOf({ id, body }: StoredView, at: EnvironmentPlace): NamedRows {
  return { id, at, contracts: [body.source], columns: featureSources(body) };
}

/** Why what is left of the rows cannot make the set; keys and times have to be as they are, and a model learns from no mask but a year. */
function whyUnfit(
  { request, dataset, views }: SetInputs,
  { columns, hidden }: AllowedRead,
): string | undefined {
  const types = columnTypes(dataset.columns);
  const whyNot = (column: string, what: string, fits: (mask: string) => boolean) => {
    const kept = hidden.find(({ name }) => name === column);
    if (kept) return `${what} reads ${column}, which may not be read: ${kept.reason}`;
    const mask = columns.find(({ name }) => name === column)?.mask;
    return mask && !fits(mask.with)
      ? `${what} reads ${column}, which ${mask.by} masks (${mask.with})`
      : undefined;
  };
  const never = () => false;
  const reasons = [
    whyNot(dataset.event_time ?? "", "the moment of a row", never),
    ...views.flatMap(({ body }, index) =>
      body.entity.map(({ name }) =>
        whyNot(request.views[index]?.entity[name] ?? name, `the key ${name} of ${body.name}`, never),
      ),
    ),
    ...readers(request, views).flatMap(({ what, text, isAttribute }) =>
      columnsRead(text, types).map((column) =>
        whyNot(column, what, (mask) => mask === "year" || (isAttribute && text.trim() === column)),
      ),
    ),
  ];
  return reasons.find((reason) => reason !== undefined);
}

/** All expressions over the entity rows. */
function readers(
  { request, label, attributes = [], views: asked }: TrainingSetRequest,
  views: readonly StoredView[],
): { readonly what: string; readonly text: string; readonly isAttribute: boolean }[] {
  return [
    ...[...request, label].map(({ name, expression }) => ({
      what: name,
      text: expression,
      isAttribute: false,
    })),
    ...attributes.map(({ name, expression }) => ({ what: name, text: expression, isAttribute: true })),
    ...views.flatMap(({ body }, index) =>
      (body.request ?? []).map(({ name }) => ({
        what: `the request field ${name} of ${body.name}`,
        text: asked[index]?.request?.[name] ?? name,
        isAttribute: false,
      })),
    ),
  ];
}

/** Of an expression that does not fit the plan says why. */
function columnsRead(text: string, types: ColumnTypes): string[] {
  try {
    return columnsOf(parseExpression(text, types));
  } catch (error) {
    if (isPortolanError(error)) return [];
    throw error;
  }
}

/** The relation `visible` that entity rows are taken from, and its columns as expressions see them. */
export interface VisibleRows {
  readonly statement: AnalysisStatement;
  readonly columns: ColumnTypes;
}

/** Nothing where the rows are taken as they are. */
export async function visibleRows(
  { access }: AccessDeps,
  call: CallContext,
  { purpose, rows }: SetAccess,
  dataset: { readonly path: string; readonly types: ColumnTypes },
): Promise<VisibleRows | undefined> {
  if (!rows) return undefined;
  const statement = await access.visible(call, rows, {
    purpose,
    source: `read_parquet(${quoteText(dataset.path)}, hive_partitioning = false)`,
    types: dataset.types,
    beside: ["_row"],
  });
  const shown = rows.columns.flatMap(({ name, mask }) => {
    const type = mask ? (mask.with === "year" ? "int" : "text") : dataset.types[name];
    return type ? [[name, type] as const] : [];
  });
  return { statement, columns: Object.fromEntries(shown) };
}

/** What the manifest says of it. */
export function accessOf(
  { purpose, policies, rows }: SetAccess,
  rowsKeptBack: number,
): NonNullable<TrainingSetManifest["access"]> {
  return {
    purpose,
    policies: [...policies],
    masks: (rows?.columns ?? []).flatMap(({ name, mask }) => (mask ? [{ column: name, ...mask }] : [])),
    hidden: (rows?.hidden ?? []).map(({ name }) => name),
    rowFilters: (rows?.rowFilters ?? []).map(({ by }) => by),
    ...(rows?.minGroup ? { minGroup: rows.minGroup.rows } : {}),
    rowsKeptBack,
  };
}
