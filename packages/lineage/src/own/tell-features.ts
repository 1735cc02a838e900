import { columnTypes, type DatasetManifest } from "@portolan/data/contract";
import { columnsOf, parseExpression } from "@portolan/expressions";
import { featureNamesOf, hasLog, type TrainingSetView, viewReference } from "@portolan/features/contract";
import { asPlace, type Environment, isPortolanError } from "@portolan/kernel";
import type { MadeMaterialization, MadeView } from "../ports.ts";
import type { NodeName } from "../store/nodes.ts";
import {
  type Assertion,
  type Columns,
  columnLineage,
  datasetType,
  errorMessage,
  type Facets,
  type InputField,
  outputStatistics,
  ownership,
  qualityAssertions,
  qualityMetrics,
  schema,
  version,
} from "./facets.ts";
import { jobEvent, runEvent, type StatedDataset } from "./statement.ts";
import { endOf, type Tell, type Telling, textOf } from "./tell.ts";
import { columnUses, identity, indirect, transformationOf } from "./transformations.ts";
import { merged, viewColumns } from "./view-columns.ts";
import { viewOwners } from "./view-owners.ts";

const numbers = (names: readonly string[]) => names.map((name) => ({ name, type: "number" }));

/** A view version: a definition over a contract. */
export const tellView: Tell = async ({ row, names, things }) => {
  const number = row.detail["version"];
  const name = textOf(row, "name");
  const found = typeof number === "number" ? await things.view(name, number) : undefined;
  if (!found) return [];
  const { body, owner } = found;
  const reference = viewReference(body);
  const contract = names.contract(body.source);
  const view = {
    ...names.view(reference),
    facets: {
      ...schema(numbers(featureNamesOf(body))),
      ...version(reference),
      ...datasetType("VIEW", "FEATURE_VIEW"),
      ...viewOwners(found),
      ...columnLineage(viewColumns(body, contract)),
    },
  };
  const event = jobEvent({
    at: row.at,
    job: names.job(undefined, `define.${reference}`),
    jobType: "FEATURE_VIEW",
    inputs: [contract],
    outputs: [view],
  });
  const audience = { action: "features:read_view", resource: "FeatureView", ...asPlace(owner) };
  const aliases = [name, reference, row.subject].map((alias) => ({ alias, kind: "view", dataset: view }));
  return [{ event, audience, names: aliases }];
};

/** Every word of a training set: it began, is ready, failed or was cancelled. */
export const tellTrainingSet: Tell = async (telling) => {
  const { row, names, things, runId } = telling;
  const set = await things.trainingSet(row.subject);
  if (!set) return [];
  const { environment, request } = set;
  const audience = {
    action: "features:read_training_set",
    resource: "TrainingSet",
    environment,
    ...asPlace({ useCaseId: request.useCaseId }),
  };
  const job = names.job(environment, `training_set.${request.name}`);
  const told = { at: row.at, job, jobType: "TRAINING_SET" };
  const run = { alias: set.id, kind: "run", environment };
  const contract = names.contract(request.contract);
  if (row.event === "features.training_set.started")
    return [
      { event: runEvent("START", runId(set.id), { ...told, inputs: [contract] }), audience, names: [run] },
    ];
  if (row.event !== "features.training_set.published") {
    const runFacets = errorMessage(set.failure ?? row.event);
    const event = runEvent(endOf(row), runId(set.id), { ...told, inputs: [contract], runFacets });
    return [{ event, audience, names: [run] }];
  }
  const made = await madeSet(telling, set);
  if (!made) return [];
  const event = runEvent("COMPLETE", runId(set.id), {
    ...told,
    inputs: made.inputs,
    outputs: [made.dataset],
  });
  const aliases = [set.id, request.name].map((alias) => ({
    alias,
    kind: "training set",
    environment,
    dataset: made.dataset,
  }));
  return [{ event, audience, names: aliases }];
};

/** A set that is ready: from its snapshot by the definitions of its views. */
async function madeSet(
  { names, things }: Telling,
  { id, environment, request, manifest, startedBy }: TrainingSetView,
): Promise<{ readonly inputs: readonly StatedDataset[]; readonly dataset: StatedDataset } | undefined> {
  const source = manifest && (await things.dataset(manifest.datasetId));
  if (!manifest || !source) return undefined;
  const snapshot = names.snapshot(environment, source.contract, source.id);
  const views: MadeView[] = [];
  for (const { view } of manifest.views) {
    const [name = "", number] = view.split("@");
    const found = await things.view(name, Number(number));
    if (found) views.push(found);
  }
  const columns: Columns = Object.fromEntries([
    ...[...request.request, ...(request.attributes ?? []), request.label].map(({ name, expression }) => [
      name,
      expressionInputs(expression, source, snapshot),
    ]),
    ...views.flatMap(({ body }, index) =>
      featureColumns(body, request.views[index], snapshot, names.view(viewReference(body)), source),
    ),
  ]);
  const time: InputField[] =
    source.eventTime === undefined
      ? []
      : [{ of: snapshot, field: source.eventTime, transformations: [indirect("FILTER", "from and to")] }];
  const facets: Facets = {
    ...schema([
      ...numbers(manifest.features),
      ...(request.attributes ?? []).map(({ name, expression }) => ({
        name,
        type: isTextOf(expression, source) ? "string" : "number",
      })),
      ...numbers([manifest.label]),
    ]),
    ...version(manifest.object),
    ...datasetType("TABLE", "TRAINING_SET"),
    ...(startedBy === undefined ? {} : ownership([{ name: `principal:${startedBy}`, type: "MAINTAINER" }])),
    ...columnLineage(columns, time),
    ...qualityMetrics({
      rowCount: manifest.rowsAfter,
      bytes: manifest.sizeBytes,
      nulls: manifest.nulls ?? {},
    }),
  };
  const outputFacets = outputStatistics(manifest.rowsAfter, manifest.sizeBytes);
  const inputs = [
    { ...snapshot, inputFacets: qualityAssertions(keyAssertions(manifest, "entityRows")) },
    ...views.map(({ body }) => {
      const reference = viewReference(body);
      const inputFacets = qualityAssertions(keyAssertions(manifest, "sourceRows", reference));
      return { ...names.view(reference), inputFacets };
    }),
    ...manifest.views.flatMap(({ view, log }) => (log ? [names.featureLog(environment, view, log.id)] : [])),
  ];
  return { inputs, dataset: { ...names.trainingSet(environment, request.name, id), facets, outputFacets } };
}

/** Whether each row has the keys of its entities: rows of the set, or those of a view's source. */
function keyAssertions(
  { views }: NonNullable<TrainingSetView["manifest"]>,
  which: "entityRows" | "sourceRows",
  only?: string,
): Assertion[] {
  return views.flatMap(({ view, nullKeys }) => {
    if (!nullKeys || (only !== undefined && view !== only)) return [];
    const rows = nullKeys[which];
    return [
      {
        assertion: "not_null",
        name: `keys of ${view}`,
        success: rows === 0,
        severity: "warn",
        expected: "0 rows without a key",
        actual: `${rows} rows without a key`,
      },
    ];
  });
}

/** Attributes may be text; of an expression that is not understood any more nothing is known. */
function isTextOf(text: string, { columns }: DatasetManifest): boolean {
  try {
    return parseExpression(text, columnTypes(columns)).type === "text";
  } catch (error) {
    if (isPortolanError(error)) return false;
    throw error;
  }
}

function expressionInputs(text: string, { columns }: DatasetManifest, of: NodeName): InputField[] {
  try {
    const uses = columnUses(parseExpression(text, columnTypes(columns)));
    return merged(uses.map((use) => ({ of, field: use.column, transformations: [transformationOf(use)] })));
  } catch (error) {
    // An expression of a language that is older than this version: the graph has it all the same, without columns.
    if (isPortolanError(error)) return [];
    throw error;
  }
}

/**
 * A feature is the view's own, and through it what a view of windows takes of the snapshot; what comes from a log has datasets of
 * its own. Rows find their entity by their own columns.
 */
function featureColumns(
  view: MadeView["body"],
  { entity = {}, request = {} }: Partial<TrainingSetView["request"]["views"][number]> = {},
  snapshot: NodeName,
  definition: NodeName,
  source: DatasetManifest,
): [string, InputField[]][] {
  const fields = new Map((view.request ?? []).map(({ name }) => [name, request[name] ?? name]));
  /** What an on-demand feature takes of the row in place of a request. */
  const requested = (feature: string): InputField[] => {
    const value = view.onDemand?.find(({ name }) => name === feature)?.value;
    return (value ? columnsOf(value) : []).flatMap((name) => {
      const text = fields.get(name);
      return text === undefined ? [] : expressionInputs(text, source, snapshot);
    });
  };
  const keys = view.entity.map(({ name }) => entity[name] ?? name);
  return Object.entries(viewColumns(view, snapshot)).map(([name, inputs]) => [
    name,
    merged([
      { of: definition, field: name, transformations: [identity] },
      ...(hasLog(view) ? [] : inputs),
      ...requested(name),
      ...keys.map((field) => ({ of: snapshot, field, transformations: [indirect("JOIN", "entity key")] })),
    ]),
  ]);
}

/** Every word of a materialisation. */
export const tellMaterialization: Tell = async ({ row, names, things, runId }) => {
  const made = await things.materialization(row.subject);
  if (!made) return [];
  const { view: reference, environment, owner } = made;
  const [name = "", number] = reference.split("@");
  const definition = await things.view(name, Number(number));
  const source = await things.dataset(made.datasetId);
  if (!definition || !source) return [];
  const snapshot = names.snapshot(environment, source.contract, source.id);
  const audience = { action: "features:read_view", resource: "FeatureView", environment, ...asPlace(owner) };
  const told = {
    at: row.at,
    job: names.job(environment, `materialize.${reference}`),
    jobType: "MATERIALIZATION",
    inputs: [snapshot, names.view(reference)],
  };
  const run = { alias: row.subject, kind: "run", environment };
  if (row.event === "features.materialization.started")
    return [{ event: runEvent("START", runId(row.subject), told), audience, names: [run] }];
  if (row.event !== "features.view.materialized") {
    const runFacets = errorMessage(made.failure ?? row.event);
    return [
      { event: runEvent(endOf(row), runId(row.subject), { ...told, runFacets }), audience, names: [run] },
    ];
  }
  const online = onlineDataset(names.onlineView(environment, reference), definition, snapshot, made);
  const event = runEvent("COMPLETE", runId(row.subject), { ...told, outputs: [online] });
  return [
    {
      event,
      audience,
      names: [run, { alias: reference, kind: "online values", environment, dataset: online }],
    },
  ];
};

function onlineDataset(
  name: NodeName,
  definition: MadeView,
  snapshot: NodeName,
  { owner, keyCount }: MadeMaterialization,
): StatedDataset {
  const { body } = definition;
  return {
    ...name,
    facets: {
      ...schema(numbers(featureNamesOf(body))),
      ...datasetType("TABLE", "ONLINE"),
      ...viewOwners(definition, owner),
      ...columnLineage(viewColumns(body, snapshot)),
    },
    ...(keyCount === undefined ? {} : { outputFacets: outputStatistics(keyCount) }),
  };
}

/** What a training set's columns are called, for what is learned from it. */
export async function setColumns(
  { names, things }: Telling,
  id: string,
): Promise<
  { readonly of: NodeName; readonly features: readonly string[]; readonly label: string } | undefined
> {
  const set = await things.trainingSet(id);
  if (!set?.manifest) return undefined;
  const { environment, request, manifest } = set;
  const of = names.trainingSet(environment as Environment, request.name, set.id);
  return { of, features: manifest.features, label: manifest.label };
}
