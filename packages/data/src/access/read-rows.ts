import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { quoteText } from "@portolan/expressions";
import {
  type CallContext,
  type Digest,
  type ObjectStore,
  PortolanError,
  requireSeen,
} from "@portolan/kernel";
import type { AnalysisEngine, AnalysisRow } from "../analysis.ts";
import { columnTypes } from "../datasets/column-types.ts";
import type { DataErrorCode } from "../errors.ts";
import { type Allowed, visibleRelation, writeVisible } from "./access-plan.ts";
import { type AccessDeps, accessTo, findRows, readsRows } from "./access-to-rows.ts";
import type { AccessDecision } from "./decide-access.ts";
import { maskKeys, type PseudonymKeys } from "./mask-keys.ts";
import { type PolicedRows, withOthers } from "./policed-rows.ts";

export interface ReadDeps extends AccessDeps {
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly workFolder: string;
  readonly pseudonyms: PseudonymKeys;
}

export interface RowsQuestion {
  readonly purpose: string;
  /** One query over the relation `data`, which holds what the policies allow; all of it by default. */
  readonly query?: string;
  /** Most rows that are answered. */
  readonly limit: number;
}

export interface RowsAnswer {
  readonly rows: readonly AnalysisRow[];
  /** True when there are more than were asked for. */
  readonly truncated: boolean;
  readonly decision: Allowed;
  readonly policyDigest: string;
}

const queryLimitMs = 60_000;
const gib = 2 ** 30;

/** What the policies in force say of the caller, of rows by their id and of the purpose; nothing is read. */
export async function explainAccess(
  deps: ReadDeps,
  call: CallContext,
  id: string,
  purpose: string,
): Promise<AccessDecision> {
  return (await decided(deps, call, id, purpose)).decision;
}

/**
 * Reads rows of a dataset, a training set or a scored snapshot through the policies in force. The visible rows are made in one process, which sees
 * them all; the caller's query runs in another one, which sees the visible rows and nothing else. What was read, by whom and what for is on the
 * ledger before the caller has it, and so is a refusal.
 *
 * @throws PortolanError `data.dataset_not_found`, `data.access_denied`, `data.access_policy_unfit`, `data.analysis_failed`
 */
export async function readRows(
  deps: ReadDeps,
  call: CallContext,
  id: string,
  question: RowsQuestion,
): Promise<RowsAnswer> {
  const { purpose } = question;
  const { rows, decision, policyDigest } = await decided(deps, call, id, purpose);
  if (decision.kind === "denied") {
    const { reason, by } = decision;
    await deps.uow.write(call, (tx) =>
      tx.record({
        event: "data.dataset.read_refused",
        subject: rows.id,
        detail: { purpose, policyDigest, ...(by === undefined ? {} : { by }) },
      }),
    );
    throw new PortolanError<DataErrorCode>("data.access_denied", {
      detail: reason,
      mend: "portolan data policy explain shows what the policies say; whoever writes them may allow it.",
    });
  }
  const found = await answer(deps, call, { rows, decision, question });
  const shown = found.slice(0, question.limit);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "data.dataset.read",
      subject: rows.id,
      after: rows.object,
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
  return { rows: shown, truncated: found.length > shown.length, decision, policyDigest };
}

async function decided(deps: ReadDeps, call: CallContext, id: string, purpose: string) {
  const missing = () =>
    new PortolanError<DataErrorCode>("data.dataset_not_found", { detail: `there is no dataset ${id}` });
  const found = await findRows(deps, call, id);
  if (!found) throw missing();
  await requireSeen(deps.authorizer, call, readsRows(call, found), missing);
  const rows = found.others ? withOthers(found, await columnsOfFile(deps, found.object)) : found;
  return { rows, ...(await accessTo(deps, call, rows, purpose)) };
}

/** Where only the file says which columns it has, such as those that a model answers with. */
async function columnsOfFile(deps: ReadDeps, object: Digest): Promise<string[]> {
  const path = await deps.objects.localPath(object);
  return inFolder(deps, async (workFolder) => {
    const sql = `select column_name as name from (describe select * from ${parquet(path)})`;
    const statements = [{ sql, returns: "columns" }];
    const { rows } = await deps.engine.run({ statements, readable: [path], workFolder });
    return (rows["columns"] ?? []).map(({ name }) => String(name));
  });
}

interface Answerable {
  readonly rows: PolicedRows;
  readonly decision: Allowed;
  readonly question: RowsQuestion;
}

async function answer(
  deps: ReadDeps,
  call: CallContext,
  { rows: { object, columns = [] }, decision, question }: Answerable,
): Promise<readonly AnalysisRow[]> {
  const path = await deps.objects.localPath(object);
  const keys = await maskKeys(deps.pseudonyms, call.actor.organisationId, question.purpose);
  return inFolder(deps, async (folder) => {
    const visible = join(folder, "visible.parquet");
    await deps.engine.run({
      statements: [
        visibleRelation(decision, parquet(path), columnTypes(columns), keys),
        writeVisible(visible),
      ],
      readable: [path],
      workFolder: folder,
      timeoutMs: queryLimitMs,
    });
    const { rows } = await deps.engine.run({
      statements: [
        { sql: `create view data as select * from ${parquet(visible)}` },
        {
          sql: `select * from (${question.query ?? "select * from data"}\n) limit ${question.limit + 1}`,
          returns: "rows",
          note: "query",
        },
      ],
      readable: [visible],
      workFolder: join(folder, "asked"),
      timeoutMs: queryLimitMs,
      outputLimitBytes: gib,
    });
    return rows["rows"] ?? [];
  });
}

async function inFolder<T>({ workFolder }: ReadDeps, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(workFolder, { recursive: true });
  const folder = await mkdtemp(join(workFolder, "read-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function parquet(path: string): string {
  return `read_parquet(${quoteText(path)}, hive_partitioning = false)`;
}
