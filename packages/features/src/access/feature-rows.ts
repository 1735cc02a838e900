import { columnTypes, type DerivedRows, type PolicedRows, type SourcedColumn } from "@portolan/data/contract";
import { type ColumnTypes, columnsOf, parseExpression } from "@portolan/expressions";
import { asPlace, type Digest, isPortolanError, type Sql } from "@portolan/kernel";
import { logsNaming } from "../log/log-store.ts";
import type { TrainingSetManifest, TrainingSetView } from "../resources.ts";
import { contractColumns, findDataset, findTrainingSet, findView, type StoredDataset } from "../store.ts";
import { ownColumns, statusColumn } from "../training-set-plan.ts";
import { setsNaming } from "./set-store.ts";
import { featureSources } from "./view-sources.ts";

/** Training sets and segments of feature logs, for the policies on the data that they are made of. */
export const featureRows: DerivedRows = {
  find: async (sql, organisationId, id) => {
    const set = await findTrainingSet(sql, organisationId, id);
    return set?.manifest && setRows(sql, organisationId, { ...set, manifest: set.manifest });
  },
  named: async (sql, organisationId, object) => {
    const found: PolicedRows[] = [];
    for (const set of await setsNaming(sql, organisationId, object))
      found.push(await setRows(sql, organisationId, set));
    for (const log of await logsNaming(sql, organisationId, object)) {
      const { environment, use_case_id: useCaseId } = log;
      const at = { environment, ...(useCaseId === null ? {} : { useCaseId }) };
      // Records hold keys and identities beside values: who reads them reads the contract's rows.
      found.push({ id: log.id, object, at, contracts: [log.source], own: {} });
    }
    return found;
  },
};

type ReadySet = TrainingSetView & { readonly manifest: TrainingSetManifest };

async function setRows(sql: Sql, organisationId: string, set: ReadySet): Promise<PolicedRows> {
  const { request, manifest, environment } = set;
  const { contract, useCaseId } = request;
  const dataset = await findDataset(sql, {
    organisationId,
    contract,
    environment,
    ...(useCaseId === undefined ? {} : { useCaseId }),
    datasetId: manifest.datasetId,
  });
  const known = await contractColumns(sql, organisationId, contract, asPlace({ useCaseId }));
  const base = { contract, types: columnTypes([...(known?.columns ?? []), ...(dataset?.columns ?? [])]) };
  const columns: SourcedColumn[] = [
    { name: "_row", type: "integer", from: [], contracts: [contract] },
    timeColumn(base, dataset),
    ...ownColumns(request).map(({ name, expression }) => ownColumn(base, name, expression)),
  ];
  for (const [index, { view: reference, rows }] of manifest.views.entries()) {
    const [name = "", version = ""] = reference.split("@");
    const view = (await findView(sql, organisationId, name, Number(version)))?.body;
    if (!view) continue;
    const contracts = [...new Set([view.source, contract])];
    const stated = request.views[index]?.request ?? {};
    const ofRequest = (field: string) => fields(base, columnsRead(base, stated[field] ?? field));
    columns.push(...featureSources(view, ofRequest).map((column) => ({ ...column, contracts })));
    // Sets of before have none of views of windows, and no counts of them.
    if (rows) columns.push({ name: statusColumn(view), type: "string", from: [], contracts });
  }
  return {
    id: set.id,
    object: manifest.object as Digest,
    at: { environment, ...asPlace(request) },
    contracts: [...new Set(columns.flatMap((column) => column.contracts))],
    columns,
  };
}

interface Base {
  readonly contract: string;
  readonly types: ColumnTypes;
}

function timeColumn(base: Base, dataset: StoredDataset | undefined): SourcedColumn {
  const eventTime = dataset?.event_time;
  return {
    name: "_at",
    type: "instant",
    from: fields(base, eventTime ? [eventTime] : Object.keys(base.types)),
    contracts: [base.contract],
  };
}

function ownColumn(base: Base, name: string, expression: string): SourcedColumn {
  const from = fields(base, columnsRead(base, expression));
  return { name, type: isText(base, expression) ? "string" : "number", from, contracts: [base.contract] };
}

/** An attribute may be; of an expression that does not fit any more nothing is known. */
function isText({ types }: Base, expression: string): boolean {
  try {
    return parseExpression(expression, types).type === "text";
  } catch (error) {
    if (isPortolanError(error)) return false;
    throw error;
  }
}

/** Of an expression that the dataset's columns of today do not fit, every column counts. */
function columnsRead({ types }: Base, expression: string): string[] {
  try {
    return columnsOf(parseExpression(expression, types));
  } catch (error) {
    if (isPortolanError(error)) return Object.keys(types);
    throw error;
  }
}

function fields({ contract }: Base, columns: readonly string[]): SourcedColumn["from"] {
  return columns.map((column) => ({ contract, column }));
}
