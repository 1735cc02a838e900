import { asPlace, type Environment } from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Route, ServedVersion } from "@portolan/serving/contract";
import type { NodeName } from "../store/nodes.ts";
import {
  type Columns,
  columnLineage,
  dataSource,
  datasetType,
  documentation,
  errorMessage,
  type Facets,
  type InputField,
  outputStatistics,
  ownership,
  schema,
  version,
} from "./facets.ts";
import { runEvent } from "./statement.ts";
import { endOf, type Tell, type Telling, textOf } from "./tell.ts";
import { setColumns } from "./tell-features.ts";
import { identity, transformed } from "./transformations.ts";

const learned = { type: "INDIRECT", description: "the label that was learned" } as const;

/** Every word of a training run. */
export const tellTrainingRun: Tell = async (telling) => {
  const { row, names, things, runId } = telling;
  const run = await things.trainingRun(row.subject);
  if (!run) return [];
  const { environment, request, result } = run;
  const set = await setColumns(telling, request.trainingSetId);
  const audience = {
    action: "training:read",
    resource: "TrainingRun",
    environment,
    ...asPlace({ useCaseId: request.useCaseId }),
  };
  const setName = set ? (set.of.name.split("@")[0] ?? "") : request.trainingSetId;
  const code = { ...names.object(request.code), facets: datasetType("FILE", "TRAINER") };
  const base = request.baseModel?.digest;
  const told = {
    at: row.at,
    job: names.job(environment, `train.${setName}`),
    jobType: "TRAINING",
    inputs: [...(set ? [set.of] : []), code, ...(base === undefined ? [] : [names.object(base)])],
  };
  const alias = { alias: run.id, kind: "run", environment };
  if (row.event === "training.run.started")
    return [{ event: runEvent("START", runId(run.id), told), audience, names: [alias] }];
  if (row.event !== "training.run.succeeded" || !result) {
    const runFacets = errorMessage(run.failure ?? row.event);
    return [{ event: runEvent(endOf(row), runId(run.id), { ...told, runFacets }), audience, names: [alias] }];
  }
  const columns = Object.fromEntries(
    (set?.features ?? []).map((field) => [field, inputOf(set?.of, field, transformed("learned"))]),
  );
  const model = {
    ...names.object(result.model),
    facets: {
      ...modelSchema(set?.features ?? []),
      ...datasetType("MODEL"),
      ...columnLineage(columns, set ? [{ of: set.of, field: set.label, transformations: [learned] }] : []),
    },
  };
  return [
    { event: runEvent("COMPLETE", runId(run.id), { ...told, outputs: [model] }), audience, names: [alias] },
  ];
};

function inputOf(
  of: NodeName | undefined,
  field: string,
  transformation: InputField["transformations"][number],
): InputField[] {
  return of ? [{ of, field, transformations: [transformation] }] : [];
}

function modelSchema(features: readonly string[]): Facets {
  return features.length === 0 ? {} : schema(features.map((name) => ({ name, type: "number" })));
}

/** Features that a version was trained on; none of an imported one. */
async function featuresOf(telling: Telling, found: ModelVersion | undefined): Promise<readonly string[]> {
  const { trainingSetId } = found?.lineage ?? {};
  return trainingSetId === undefined ? [] : ((await setColumns(telling, trainingSetId))?.features ?? []);
}

/** A version: it is there at once, and so are both ends of its run. */
export const tellModelVersion: Tell = async (telling) => {
  const { row, names, things, runId } = telling;
  const number = row.detail["version"];
  const name = textOf(row, "model");
  const found = typeof number === "number" ? await things.modelVersion(name, number) : undefined;
  if (!found) return [];
  const artifact = names.object(found.artifact);
  const features = await featuresOf(telling, found);
  const reference = `${found.model}/${found.version}`;
  const { origin, source } = found.lineage;
  const tensors = found.signature.inputs.map((one) => ({
    name: one.name,
    type: `${one.datatype}[${one.shape.join(",")}]`,
  }));
  const model = {
    ...names.modelVersion(found.model, found.version),
    facets: {
      ...(features.length > 0 ? modelSchema(features) : schema(tensors)),
      ...version(found.artifact),
      ...datasetType("MODEL", origin.toUpperCase()),
      ...ownership([{ name: `principal:${found.createdBy}`, type: "MAINTAINER" }]),
      ...(source === undefined ? {} : { ...documentation(`imported from ${source}`) }),
      ...dataSource("portolan", `urn:portolan:object:${found.artifact}`),
      ...columnLineage(identities(features, artifact)),
    },
  };
  const told = {
    at: row.at,
    job: names.job(undefined, `register.${found.model}`),
    jobType: "REGISTRATION",
    inputs: [artifact],
    outputs: [model],
  };
  const audience = { action: "registry:read", resource: "Model", useCaseId: found.useCaseId };
  const aliases = [found.model, reference, found.id].map((alias) => ({
    alias,
    kind: "model",
    dataset: model,
  }));
  return atOnce(runId(found.id), told, audience, aliases);
};

function identities(fields: readonly string[], of: NodeName): Columns {
  return Object.fromEntries(fields.map((field) => [field, inputOf(of, field, identity)]));
}

function atOnce(
  run: string,
  told: Parameters<typeof runEvent>[2],
  audience: Awaited<ReturnType<Tell>>[number]["audience"],
  names: Awaited<ReturnType<Tell>>[number]["names"],
) {
  const { outputs: _, ...begun } = told;
  return [
    { event: runEvent("START", run, begun), audience, names: [] },
    { event: runEvent("COMPLETE", run, told), audience, names },
  ];
}

/** A deployment: the versions behind it, and the online values that fill their inputs. */
export const tellDeployment: Tell = async (telling) => {
  const { row, names, things, runId } = telling;
  const route = await things.deployment(textOf(row, "deployment"));
  if (!route) return [];
  const { environment, endpoint, deploymentId, useCaseId } = route;
  const versions = versionsOf(route);
  const champion = names.modelVersion(route.model.name, route.model.version);
  const views = [
    ...new Set(versions.flatMap(({ features }) => features?.views.map((view) => view.name) ?? [])),
  ];
  const features = await featuresOf(
    telling,
    await things.modelVersion(route.model.name, route.model.version),
  );
  const deployment = {
    ...names.deployment(environment, endpoint, deploymentId),
    facets: {
      ...modelSchema(features),
      ...version(deploymentId),
      ...datasetType("MODEL", "DEPLOYMENT"),
      ...columnLineage(deployedColumns(telling, route, features, champion)),
    },
  };
  const models = versions.map(({ model }) => names.modelVersion(model.name, model.version));
  const told = {
    at: row.at,
    job: names.job(environment, `deploy.${endpoint}`),
    jobType: "DEPLOYMENT",
    inputs: [...unique(models), ...views.map((view) => names.onlineView(environment, view))],
    outputs: [deployment],
  };
  const audience = { action: "serving:read", resource: "Endpoint", environment, useCaseId };
  const aliases = [endpoint, deploymentId, row.subject].map((alias) => ({
    alias,
    kind: "deployment",
    environment,
    dataset: deployment,
  }));
  return atOnce(runId(deploymentId), told, audience, aliases);
};

function versionsOf(route: Route): readonly ServedVersion[] {
  const { model, features, secondary, variants, backends } = route;
  return [{ model, features }, ...(secondary ? [secondary] : []), ...variants, ...servedBackends(backends)];
}

function servedBackends(backends: Route["backends"]): readonly ServedVersion[] {
  return (backends?.order ?? []).map(({ model }) => ({ model, features: null }));
}

function unique(names: readonly NodeName[]): NodeName[] {
  return [...new Map(names.map((one) => [`${one.namespace} ${one.name}`, one])).values()];
}

/** An input of the deployed model: as the model learned it, and from where it is filled. */
function deployedColumns(
  { names }: Telling,
  { environment, features: plan }: Route,
  features: readonly string[],
  champion: NodeName,
): Columns {
  const columns: Record<string, InputField[]> = {};
  for (const field of features) columns[field] = inputOf(champion, field, identity);
  for (const { from } of plan?.columns ?? [])
    if (from.kind === "feature")
      (columns[from.feature] ??= []).push(
        ...inputOf(names.onlineView(environment, from.view), from.feature, identity),
      );
  return columns;
}

/** Every word of a batch scoring. */
export const tellScoring: Tell = async ({ row, names, things, runId }) => {
  const made = await things.scoring(row.subject);
  if (!made) return [];
  const { scoring, environment, useCaseId } = made;
  const { plan, manifest } = scoring;
  const { id, name } = plan.dataset;
  const dataset = id.startsWith("ts_")
    ? await setName(things, names, id)
    : names.snapshot(environment, name, id);
  const audience = { action: "data:read_dataset", resource: "Dataset", environment, useCaseId };
  const told = {
    at: row.at,
    job: names.job(environment, `score.${scoring.request.out}`),
    jobType: "SCORING",
    inputs: [...(dataset ? [dataset] : []), names.modelVersion(plan.model.name, plan.model.version)],
  };
  const run = { alias: scoring.id, kind: "run", environment };
  if (row.event === "scoring.run.started")
    return [{ event: runEvent("START", runId(scoring.id), told), audience, names: [run] }];
  if (row.event !== "scoring.snapshot.published" || !manifest) {
    const runFacets = errorMessage(scoring.failure ?? row.event);
    return [
      { event: runEvent(endOf(row), runId(scoring.id), { ...told, runFacets }), audience, names: [run] },
    ];
  }
  const scores = {
    ...names.scores(environment, scoring.request.out, scoring.id),
    facets: { ...version(manifest.object), ...datasetType("TABLE", "SCORES") },
    outputFacets: outputStatistics(manifest.rows, manifest.sizeBytes),
  };
  const aliases = [scoring.request.out, scoring.id].map((alias) => ({
    alias,
    kind: "scores",
    environment,
    dataset: scores,
  }));
  return [
    {
      event: runEvent("COMPLETE", runId(scoring.id), { ...told, outputs: [scores] }),
      audience,
      names: aliases,
    },
  ];
};

async function setName(
  things: Telling["things"],
  names: Telling["names"],
  id: string,
): Promise<NodeName | undefined> {
  const set = await things.trainingSet(id);
  return set && names.trainingSet(set.environment as Environment, set.request.name, id);
}
