import { type Filtered, offsetOf, parseTextFilter, tokenOf } from "@portolan/tracking/policy";
import { stageOf } from "../mlflow/meanings.ts";
import { invalid, type NamedModel, type NotedVersion } from "../mlflow/registered-models.ts";

// Answers as MLflow's server writes them: 64-bit integers as numbers, versions as texts, unset members left out.

const millis = (micros: number): number => Math.floor(micros / 1000);

/** MLflow's `ModelVersion`. */
export function versionAnswer({ version, notes, aliases }: NotedVersion) {
  return {
    name: version.model,
    version: String(version.version),
    creation_timestamp: millis(version.signedAt),
    last_updated_timestamp: millis(Math.max(version.signedAt, notes?.updated_at ?? 0)),
    user_id: version.createdBy,
    current_stage: stageOf(version.stages),
    description: notes?.description ?? "",
    source: notes?.logged_model_id ? `models:/${notes.logged_model_id}` : (version.lineage.source ?? ""),
    ...(notes?.run_id ? { run_id: notes.run_id } : {}),
    status: "READY",
    tags: notes?.tags ?? [],
    aliases,
    ...(notes?.logged_model_id ? { model_id: notes.logged_model_id } : {}),
  };
}

/** The newest version of each of these stages, in MLflow's sense of them; none named: of all. Pure. */
export function latestOf({ versions }: NamedModel, stages: readonly string[] = []): NotedVersion[] {
  const wanted = stages.map((stage) => stage.toLowerCase());
  const byStage = Map.groupBy(versions, ({ version }) => stageOf(version.stages));
  return [...byStage]
    .filter(([stage]) => wanted.length === 0 || wanted.includes(stage.toLowerCase()))
    .flatMap(([, own]) => own.toSorted((a, b) => b.version.version - a.version.version).slice(0, 1));
}

/** MLflow's `RegisteredModel`. */
export function modelAnswer(named: NamedModel) {
  const { row, versions } = named;
  const newest = Math.max(row.created_at, ...versions.map(({ version }) => version.signedAt));
  const user = row.created_by ?? versions.at(-1)?.version.createdBy;
  return {
    name: row.name,
    creation_timestamp: millis(row.created_at),
    last_updated_timestamp: millis(newest),
    ...(user === undefined ? {} : { user_id: user }),
    description: row.description,
    latest_versions: latestOf(named).map((one) => versionAnswer({ ...one, aliases: [] })),
    tags: row.tags,
    aliases: versions.flatMap(({ version, aliases }) =>
      aliases.map((alias) => ({ alias, version: String(version.version) })),
    ),
  };
}

interface Question {
  readonly filter?: string;
  readonly max_results?: number;
  readonly page_token?: string;
}

interface Page<One> {
  readonly found: readonly One[];
  readonly nextPageToken?: string;
}

function pageOf<One>(
  all: readonly One[],
  facts: (one: One) => Filtered,
  known: readonly string[],
  { filter = "", max_results: most = 100, page_token: token }: Question,
): Page<One> {
  const holds = parseTextFilter(filter, known);
  const offset = token ? offsetOf(token) : 0;
  const fitting = all.filter((one) => holds(facts(one)));
  const end = offset + most;
  return {
    found: fitting.slice(offset, end),
    ...(fitting.length > end ? { nextPageToken: tokenOf(end) } : {}),
  };
}

/** By name; the times are milliseconds since 1970. @throws PortolanError for a filter or page token that is none */
export function findModels(all: readonly NamedModel[], question: Question, orders: readonly string[]) {
  const descends = orders.some((order) => /^name\s+desc$/i.test(order.trim()));
  refuseOrders(orders, /^name(\s+(asc|desc))?$/i);
  const sorted = descends ? all.toReversed() : all;
  const { found, nextPageToken } = pageOf(
    sorted,
    ({ row }) => ({ attributes: { name: row.name }, tags: row.tags }),
    ["name"],
    question,
  );
  return {
    registered_models: found.map(modelAnswer),
    ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
  };
}

/** The newest first, unless an order says by version. @throws PortolanError for a filter or page token that is none */
export function findVersions(all: readonly NotedVersion[], question: Question, orders: readonly string[]) {
  refuseOrders(orders, /^(name|version_number|creation_timestamp|last_updated_timestamp)(\s+(asc|desc))?$/i);
  const ascends = orders.some((order) =>
    /^(version_number|creation_timestamp)(\s+asc)?$/i.test(order.trim()),
  );
  const sorted = ascends ? all.toReversed() : all;
  const { found, nextPageToken } = pageOf(
    sorted,
    ({ version, notes }) => ({
      attributes: {
        name: version.model,
        version_number: version.version,
        run_id: notes?.run_id ?? "",
        source_path: notes?.source ?? "",
      },
      tags: notes?.tags ?? [],
    }),
    ["name", "version_number", "run_id", "source_path"],
    { max_results: 10_000, ...question },
  );
  return {
    model_versions: found.map(versionAnswer),
    ...(nextPageToken === undefined ? {} : { next_page_token: nextPageToken }),
  };
}

function refuseOrders(orders: readonly string[], form: RegExp): void {
  const bad = orders.find((order) => !form.test(order.trim()));
  if (bad !== undefined) throw invalid(`${JSON.stringify(bad.slice(0, 80))} is no order here`);
}
