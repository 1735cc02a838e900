import type { ContractColumn, DataContract, DatasetManifest, IngestionView } from "@portolan/data/contract";
import { ruleLabel } from "@portolan/data/policy";
import { asPlace, type Environment } from "@portolan/kernel";
import type { Audience } from "../audience.ts";
import {
  type Assertion,
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
  qualityAssertions,
  qualityMetrics,
  schema,
  version,
} from "./facets.ts";
import { datasetEvent, jobEvent, runEvent, type StatedDataset } from "./statement.ts";
import { endOf, type Tell, type Telling, textOf } from "./tell.ts";
import { identity, indirect, transformed } from "./transformations.ts";

/** A contract version: what its datasets are, and whose. */
export const tellContract: Tell = async ({ row, names, things }) => {
  const [name, of] = [textOf(row, "name"), textOf(row, "version")];
  const found = await things.contract(name, of);
  if (!found) return [];
  const { body, owner } = found;
  const dataset = {
    ...names.contract(name),
    facets: {
      ...schema(body.columns.map((column) => ({ name: column.name, type: column.type }))),
      ...version(of),
      ...datasetType("TABLE", "CONTRACT"),
      ...ownersOf(body),
      ...documentation(body.name),
    },
  };
  const audience = { action: "data:read_contract", resource: "Contract", ...asPlace(owner) };
  const aliases = [name, `${name}@${of}`, row.subject].map((alias) => ({ alias, kind: "contract", dataset }));
  return [{ event: datasetEvent(row.at, dataset), audience, names: aliases }];
};

function ownersOf(contract: DataContract): Facets {
  const here = contract.team.filter(({ dateOut }) => dateOut === undefined);
  return ownership(
    here.map(({ username, role }) => ({
      name: `user:${username}`,
      ...(role ? { type: role.toUpperCase() } : {}),
    })),
  );
}

type Ingestion = IngestionView & { readonly contractBody: DataContract };

export const tellIngestionStart: Tell = async (telling) => {
  const { row, names } = telling;
  const ingestion = await telling.things.ingestion(row.subject);
  if (!ingestion) return [];
  const { contract, environment } = ingestion;
  // Events wait under their contract before they are a batch.
  const events = row.detail["events"] === true ? [names.events(environment as Environment, contract)] : [];
  const inputs = [...events, ...(await inputsOf(telling, ingestion))];
  return [statementOf(telling, ingestion, "START", { inputs })];
};

/** A subscription: what a topic brings waits as events under its contract. */
export const tellSubscription: Tell = async ({ row, names, things }) => {
  const found = await things.subscription(row.subject);
  if (!found) return [];
  const { contract, environment, connection, topic } = found;
  const source = { ...names.connected(connection, topic), facets: datasetType("TOPIC") };
  const waiting = { ...names.events(environment, contract), facets: datasetType("STREAM") };
  const job = names.job(environment, `subscribe.${contract}.${topic}`);
  const told = { at: row.at, job, jobType: "SUBSCRIPTION", inputs: [source], outputs: [waiting] };
  const place = asPlace({ useCaseId: found.useCaseId });
  const audience = { action: "data:read_ingestion", resource: "Ingestion", environment, ...place };
  return [{ event: jobEvent(told), audience, names: [] }];
};

/** A batch that was published, or was found to be published already. */
export const tellDataset: Tell = async (telling) => {
  const { row, things, names } = telling;
  const isReuse = row.event === "data.ingestion.reused";
  const of = isReuse ? await things.ingestion(row.subject) : undefined;
  const manifest = await things.dataset(of?.datasetId ?? row.subject);
  const ingestion = of ?? (manifest && (await things.ingestion(manifest.ingestionId)));
  if (!manifest || !ingestion) return [];
  const origins = await originsOf(telling, ingestion);
  const inputs = await inputsOf(telling, ingestion, assertionsOf(ingestion));
  const dataset: StatedDataset = {
    ...names.snapshot(manifest.environment as Environment, manifest.contract, manifest.id),
    facets: {
      ...snapshotFacets(manifest, ingestion),
      ...columnsOf(ingestion.contractBody, origins),
    },
    outputFacets: outputStatistics(manifest.rowCount, manifest.sizeBytes),
  };
  const aliases = [
    { alias: manifest.id, kind: "snapshot", dataset },
    { alias: manifest.object, kind: "snapshot", environment: manifest.environment, dataset },
  ];
  return [statementOf(telling, ingestion, "COMPLETE", { inputs, outputs: [dataset] }, aliases)];
};

/** A batch of which nothing was published. */
export const tellIngestionEnd: Tell = async (telling) => {
  const ingestion = await telling.things.ingestion(telling.row.subject);
  if (!ingestion) return [];
  const inputs = await inputsOf(telling, ingestion, assertionsOf(ingestion));
  const runFacets = errorMessage((ingestion.failures ?? []).join("; ") || telling.row.event);
  return [statementOf(telling, ingestion, endOf(telling.row), { inputs, runFacets })];
};

interface Said {
  readonly inputs: readonly StatedDataset[];
  readonly outputs?: readonly StatedDataset[];
  readonly runFacets?: Facets;
}

function statementOf(
  { row, names, runId }: Telling,
  ingestion: Ingestion,
  type: "START" | "COMPLETE" | "FAIL" | "ABORT",
  said: Said,
  aliases: readonly { readonly alias: string; readonly kind: string; readonly dataset: StatedDataset }[] = [],
) {
  const environment = ingestion.environment as Environment;
  const audience: Audience = {
    action: "data:read_dataset",
    resource: "Dataset",
    environment,
    ...(ingestion.useCaseId === undefined ? {} : { useCaseId: ingestion.useCaseId }),
  };
  const job = names.job(environment, `ingest.${ingestion.contract}`);
  const event = runEvent(type, runId(ingestion.id), { at: row.at, job, jobType: "INGESTION", ...said });
  return { event, audience, names: [{ alias: ingestion.id, kind: "run" }, ...aliases] };
}

/** The sources that the rows of an ingestion came from: of a replay, those of the batch that is judged again. */
async function originsOf({ things, names }: Telling, ingestion: Ingestion): Promise<StatedDataset[]> {
  let first = ingestion;
  while (first.replayOf !== undefined) {
    const before = await things.ingestion(first.replayOf);
    if (!before) break;
    first = before;
  }
  return first.sources.map((source) => originOf(names, first, source));
}

function originOf(
  names: Telling["names"],
  { contract, environment }: Ingestion,
  { path, object, format, relation, connection }: Ingestion["sources"][number],
): StatedDataset {
  if (path !== undefined) {
    const facets = { ...datasetType("FILE"), ...dataSource("file", `file://${path}`) };
    return { namespace: "file", name: path, facets };
  }
  if (relation !== undefined) {
    const of = names.connected(connection ?? "", relation);
    return { ...of, facets: { ...datasetType("TABLE"), ...dataSource(connection ?? "", of.namespace) } };
  }
  // Events wait under their contract before they are a batch.
  if (format === "events") {
    const of = names.events(environment as Environment, contract);
    return { ...of, facets: datasetType("STREAM") };
  }
  const of = names.object(object ?? "");
  return { ...of, facets: { ...datasetType("FILE"), ...dataSource(of.namespace, of.namespace) } };
}

/** Sources and contract: both make what comes out. */
async function inputsOf(
  telling: Telling,
  ingestion: Ingestion,
  inputFacets: Facets = {},
): Promise<StatedDataset[]> {
  const origins = await originsOf(telling, ingestion);
  return [...origins.map((one) => ({ ...one, inputFacets })), telling.names.contract(ingestion.contract)];
}

function snapshotFacets(manifest: DatasetManifest, { contractBody, nulls }: Ingestion): Facets {
  return {
    ...schema(manifest.columns),
    ...version(manifest.object),
    ...datasetType("TABLE", "SNAPSHOT"),
    ...dataSource("portolan", `urn:portolan:object:${manifest.object}`),
    ...ownersOf(contractBody),
    ...qualityMetrics({ rowCount: manifest.rowCount, bytes: manifest.sizeBytes, nulls: nulls ?? {} }),
  };
}

/** Entries that one facet holds of ours: sixty-four files of a few hundred columns each. */
const mostInputFields = 20_000;

/**
 * Each column from the column of the source that it was read from; which rows there are, from those that rules look at. Of very many sources
 * with very many columns the first alone: all of them are inputs of the run, and all have the same columns.
 */
function columnsOf(contract: DataContract, sources: readonly StatedDataset[]): Facets {
  const origins = sources.slice(0, Math.max(1, Math.floor(mostInputFields / contract.columns.length)));
  const source = new Map(contract.columns.map((column) => [column.name, column.source]));
  const from = (name: string, transformation: InputField["transformations"][number]): InputField[] =>
    origins.map((of) => ({ of, field: source.get(name) ?? name, transformations: [transformation] }));
  const columns: Columns = Object.fromEntries(
    contract.columns.map((column) => [
      column.name,
      column.localTime
        ? [
            ...from(column.localTime.from, transformed(`UTC by ${column.localTime.zones}`)),
            ...from(column.localTime.key, indirect("JOIN", column.localTime.zones)),
          ]
        : from(column.name, isAsItWas(column) ? identity : transformed(`read as ${column.type}`)),
    ]),
  );
  const judged = new Set(contract.rowRules.map(({ column }) => column));
  const derived = new Set(contract.columns.filter(({ localTime }) => localTime).map(({ name }) => name));
  const whole = [...judged].filter((name) => !derived.has(name));
  return columnLineage(
    columns,
    whole.flatMap((name) => from(name, indirect("FILTER", "rules of the contract"))),
  );
}

function isAsItWas({ type, format, defaultTimeZone }: ContractColumn): boolean {
  return type === "string" && format === undefined && defaultTimeZone === undefined;
}

/** What the rules of the contract found in the batch. */
function assertionsOf({
  contractBody,
  rules,
  failures = [],
  warnings = [],
  state,
  counts,
}: Ingestion): Facets {
  // A batch that could not be read was judged by no rule.
  if (counts === undefined) return {};
  const rows = contractBody.rowRules.map((rule): Assertion => {
    const broken = rules?.[ruleLabel(rule)] ?? 0;
    return {
      assertion: rule.kind === "required" ? "not_null" : rule.kind,
      name: rule.name,
      column: rule.column,
      severity: "warn",
      success: broken === 0,
      expected: "0",
      actual: String(broken),
    };
  });
  const said = [...failures, ...warnings];
  const batch = contractBody.batchRules.map((rule): Assertion => {
    const finding = said.find((text) => text.startsWith(`${rule.name} is `));
    return {
      assertion: rule.metric,
      name: rule.name,
      severity: rule.advisory ? "warn" : "error",
      success: finding === undefined,
      expected: `${rule.operator} ${rule.limits.join(" and ")}`,
      ...(finding === undefined ? {} : { actual: finding }),
    };
  });
  const gate: Assertion = {
    assertion: "batch_gate",
    name: "batch_gate",
    severity: "error",
    success: state !== "refused",
  };
  return qualityAssertions([...rows, ...batch, gate]);
}
