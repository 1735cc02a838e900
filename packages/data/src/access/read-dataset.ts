import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ColumnTypes } from "@portolan/expressions";
import {
  asPlace,
  type CallContext,
  type Clock,
  type Digest,
  digestJson,
  type Environment,
  type EnvironmentPlace,
  type ObjectStore,
  PortolanError,
  requireSeen,
} from "@portolan/kernel";
import type { AnalysisEngine, AnalysisRow } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import { findContract } from "../contracts/contract-store.ts";
import { columnTypes } from "../datasets/column-types.ts";
import { datasetContract, listDatasets } from "../datasets/dataset-store.ts";
import { hmacBlocks } from "../deidentify/hmac-blocks.ts";
import type { DataErrorCode } from "../errors.ts";
import type { DatasetManifest } from "../resources.ts";
import { type Allowed, visibleRelation, writeVisible } from "./access-plan.ts";
import type { PolicyDeps } from "./access-policies.ts";
import { policiesInForce } from "./access-store.ts";
import { type AccessDecision, decideAccess, type TaggedColumn, taggedColumns } from "./decide-access.ts";

/** Which roles a caller holds where data lie. Implemented by `identity`. */
export interface HeldRoles {
  heldAmong(call: CallContext, roles: readonly string[], at: EnvironmentPlace): Promise<string[]>;
}

/** The secret that pseudonyms of an organisation are made under. */
export interface PseudonymKeys {
  keyOf(organisationId: string): Promise<Uint8Array>;
}

export interface ReadDeps extends PolicyDeps {
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly workFolder: string;
  readonly clock: Clock;
  readonly roles: HeldRoles;
  readonly pseudonyms: PseudonymKeys;
}

export interface DatasetQuestion {
  readonly purpose: string;
  /** One query over the relation `data`, which holds what the policies allow; all of it by default. */
  readonly query?: string;
  /** Most rows that are answered. */
  readonly limit: number;
}

export interface DatasetAnswer {
  readonly rows: readonly AnalysisRow[];
  /** True when there are more than were asked for. */
  readonly truncated: boolean;
  readonly decision: Allowed;
  readonly policyDigest: string;
}

const queryLimitMs = 60_000;
const gib = 2 ** 30;

/** What the policies in force say of the caller, the dataset and the purpose; nothing is read. */
export async function explainAccess(
  deps: ReadDeps,
  call: CallContext,
  datasetId: string,
  purpose: string,
): Promise<AccessDecision> {
  return (await decided(deps, call, datasetId, purpose)).decision;
}

/**
 * Reads a dataset through the policies in force. The visible rows are made in one process, which sees the dataset; the caller's query runs in
 * another one, which sees the visible rows and nothing else. What was read, by whom and what for is on the ledger before the caller has it, and so is
 * a refusal.
 *
 * @throws PortolanError `data.dataset_not_found`, `data.access_denied`, `data.access_policy_unfit`, `data.analysis_failed`
 */
export async function readDataset(
  deps: ReadDeps,
  call: CallContext,
  datasetId: string,
  question: DatasetQuestion,
): Promise<DatasetAnswer> {
  const { purpose } = question;
  const { dataset, types, decision, policyDigest } = await decided(deps, call, datasetId, purpose);
  if (decision.kind === "denied") {
    const { reason, by } = decision;
    await deps.uow.write(call, (tx) =>
      tx.record({
        event: "data.dataset.read_refused",
        subject: dataset.id,
        detail: { purpose, policyDigest, ...(by === undefined ? {} : { by }) },
      }),
    );
    throw new PortolanError<DataErrorCode>("data.access_denied", {
      detail: reason,
      mend: "portolan data policy explain shows what the policies say; whoever writes them may allow it.",
    });
  }
  const rows = await answer(deps, call, { dataset, types, decision, question });
  const shown = rows.slice(0, question.limit);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "data.dataset.read",
      subject: dataset.id,
      after: dataset.object as Digest,
      detail: {
        purpose,
        policies: [...decision.policies],
        policyDigest,
        columns: decision.columns.map(({ name, mask }) =>
          mask ? `${name} (${mask.with} by ${mask.by})` : name,
        ),
        rowFilters: decision.rowFilters.map(({ by }) => by),
        ...(decision.minGroup ? { minGroup: decision.minGroup.rows } : {}),
        query: question.query !== undefined,
        rows: shown.length,
      },
    }),
  );
  return { rows: shown, truncated: rows.length > shown.length, decision, policyDigest };
}

async function decided(deps: ReadDeps, call: CallContext, datasetId: string, purpose: string) {
  const { organisationId } = call.actor;
  const missing = () =>
    new PortolanError<DataErrorCode>("data.dataset_not_found", {
      detail: `there is no dataset ${datasetId}`,
    });
  const found = await deps.uow.read(call, async (sql) => {
    const [dataset] = await listDatasets(sql, organisationId, { id: datasetId });
    return (
      dataset && {
        dataset,
        contract: await datasetContract(sql, organisationId, dataset),
        newest: await findContract(sql, organisationId, dataset.contract),
        policies: await policiesInForce(sql, organisationId),
      }
    );
  });
  if (!found) throw missing();
  const { dataset, contract, newest, policies } = found;
  const at = { environment: dataset.environment as Environment, ...asPlace(dataset) };
  const resource = { type: "Dataset", id: dataset.id, organisationId, ...at };
  await requireSeen(deps.authorizer, call, { action: "data:read_rows", resource }, missing);
  const roles = [...new Set(policies.flatMap(({ body }) => body.roles ?? []))];
  const decision = decideAccess(
    {
      principal: call.actor.id,
      roles: await deps.roles.heldAmong(call, roles, at),
      purpose,
      contract: dataset.contract,
      environment: dataset.environment,
      columns: columnsOf(dataset, contract, newest?.body),
      now: deps.clock.now(),
    },
    policies.map(({ body }) => body),
  );
  const policyDigest = digestJson(policies.map(({ name, digest }) => ({ name, digest })));
  return { dataset, types: columnTypes(dataset.columns), decision, policyDigest };
}

/**
 * Tags are those of the version under which the dataset was published, and of the newest: what turned out to be sensitive is so in old data
 * too. Of a contract that is gone nothing is known: then there is no column to read.
 */
function columnsOf(
  dataset: DatasetManifest,
  contract: DataContract | undefined,
  newest: DataContract | undefined,
): TaggedColumn[] {
  const later = new Map(taggedColumns(newest?.columns ?? []).map(({ name, tags }) => [name, tags]));
  const has = new Set(dataset.columns.map(({ name }) => name));
  return taggedColumns(contract?.columns ?? [])
    .filter(({ name }) => has.has(name))
    .map((column) => ({
      ...column,
      tags: [...new Set([...column.tags, ...(later.get(column.name) ?? [])])].toSorted(),
    }));
}

interface Answerable {
  readonly dataset: DatasetManifest;
  readonly types: ColumnTypes;
  readonly decision: Allowed;
  readonly question: DatasetQuestion;
}

async function answer(
  deps: ReadDeps,
  call: CallContext,
  { dataset, types, decision, question }: Answerable,
): Promise<readonly AnalysisRow[]> {
  const path = await deps.objects.localPath(dataset.object as Digest);
  const key = await deps.pseudonyms.keyOf(call.actor.organisationId);
  const keys = {
    pseudonym: hmacBlocks(key, `portolan access ${question.purpose}`),
    hash: hmacBlocks(randomBytes(32), "portolan access once"),
  };
  await mkdir(deps.workFolder, { recursive: true });
  const folder = await mkdtemp(join(deps.workFolder, "read-"));
  try {
    const visible = join(folder, "visible.parquet");
    const source = `read_parquet('${path.replaceAll("'", "''")}', hive_partitioning = false)`;
    await deps.engine.run({
      statements: [visibleRelation(decision, source, types, keys), writeVisible(visible)],
      readable: [path],
      workFolder: folder,
      timeoutMs: queryLimitMs,
    });
    const asked = join(folder, "asked");
    const { rows } = await deps.engine.run({
      statements: [
        { sql: `create view data as select * from read_parquet('${visible.replaceAll("'", "''")}')` },
        {
          sql: `select * from (${question.query ?? "select * from data"}\n) limit ${question.limit + 1}`,
          returns: "rows",
          note: "query",
        },
      ],
      readable: [visible],
      workFolder: asked,
      timeoutMs: queryLimitMs,
      outputLimitBytes: gib,
    });
    return rows["rows"] ?? [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
