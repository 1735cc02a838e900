import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type AnalysisRow, type AnalysisStatement, integerCell } from "@portolan/data/contract";
import { asEpochMicros, type CallContext, type Digest, type EpochMicros, newId } from "@portolan/kernel";
import { eventFoldPage, eventFoldStatements, onlineEvent } from "../events/event-fold-plan.ts";
import { onlineHeader } from "../online-header.ts";
import type { OnlineRecord } from "../ports.ts";
import { isValueView, type LogView } from "../view-model.ts";
import type { FeatureDeps } from "../views.ts";
import { type FoldPlanInput, foldPage, foldStatements, onlineRecord } from "./fold-plan.ts";
import { historyMicros } from "./log-record.ts";
import { finishFold, insertFold, type StoredLog, type StoredSegment, segmentsOf } from "./log-store.ts";

/** Records of one page: what control holds in memory at once, and one transaction of the store. */
const pageRecords = 50_000;

export type FoldDeps = Pick<FeatureDeps, "uow" | "objects" | "engine" | "online" | "workFolder"> & {
  readonly signal?: AbortSignal;
};

/** Up to when values are known: stated, or as the records say, those of a time to come left aside. */
export type KnownUntil = { readonly asOf: EpochMicros } | { readonly newestUntil: EpochMicros };

/**
 * Folds all of a log anew, of which records were erased: what is online is of what is left. Readers see the old values until then; what came meanwhile
 * is folded on top.
 */
export async function refoldOnline(
  deps: FoldDeps,
  call: CallContext,
  log: StoredLog,
  view: LogView,
  asOf: EpochMicros,
): Promise<void> {
  for (const anew of [{ isAnew: true } as const, {}]) {
    const segments = await deps.uow.read(call, (sql) => segmentsOf(sql, log.id));
    await foldOnline(deps, call, log, view, segments, { asOf, ...anew });
  }
}

/**
 * Folds what is new in a log into the online store, from where the store is, and notes when which records were online. Begun again after a
 * crash it goes on from there; the result is the same to the bit (F18).
 *
 * @returns how many entities have new records
 */
export async function foldOnline(
  deps: FoldDeps,
  call: CallContext,
  log: StoredLog,
  view: LogView,
  segments: readonly StoredSegment[],
  until: KnownUntil & { readonly isAnew?: true },
): Promise<number> {
  const header = onlineHeader({
    organisationId: log.organisation_id,
    environment: log.environment,
    view,
  });
  const position = await deps.online.foldPosition(header);
  const after = position?.log === log.id && !until.isAnew ? position.sequence : 0;
  const upTo = Math.max(after, segments.at(-1)?.last_sequence ?? 0);
  const newer = segments.filter((segment) => segment.last_sequence > after);
  const stated = "asOf" in until ? until.asOf : undefined;
  await mkdir(deps.workFolder, { recursive: true });
  const folder = await mkdtemp(join(deps.workFolder, `${log.id}-fold-`));
  try {
    const news = await reduceNews(deps, folder, {
      view,
      segments: await Promise.all(newer.map(({ object }) => deps.objects.localPath(object as Digest))),
      after,
      exactFrom: (stated ?? position?.asOf ?? 0) - historyMicros,
      newestUntil: "asOf" in until ? until.asOf : until.newestUntil,
    });
    const asOf = stated ?? asEpochMicros(Math.max(position?.asOf ?? 0, news.newest));
    const id = await deps.uow.write(call, async (tx) => {
      const fold = newId("job", tx.now);
      const row = { log_id: log.id, last_sequence: upTo, as_of: asOf, started_at: tx.now };
      await insertFold(tx.sql, { id: fold, ...row });
      return fold;
    });
    await deps.online.fold(header, {
      log: log.id,
      after,
      upTo,
      asOf,
      pages: news.pages(),
      ...(until.isAnew ? { isAnew: true } : {}),
    });
    await deps.uow.write(call, (tx) => finishFold(tx.sql, id, tx.now));
    return news.entities;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface News {
  readonly entities: number;
  /** The newest availability that counts, epoch microseconds; 0 without any. */
  readonly newest: number;
  pages(): AsyncGenerator<OnlineRecord[]>;
}

/** What is left to fold, as a file in `folder` that is read page by page. */
async function reduceNews(
  deps: FoldDeps,
  folder: string,
  input: Omit<FoldPlanInput<LogView>, "output">,
): Promise<News> {
  const { view, segments: readable } = input;
  const output = join(folder, "news.parquet");
  const run = async (statements: readonly AnalysisStatement[]) => {
    const { signal } = deps;
    const request = { statements, readable, workFolder: folder, ...(signal ? { signal } : {}) };
    return (await deps.engine.run(request)).rows;
  };
  const plan = foldPlan(view);
  const counts =
    readable.length === 0 ? undefined : (await run(plan.statements({ ...input, output })))["counts"]?.[0];
  const records = integerCell(counts, "records");
  return {
    entities: integerCell(counts, "entities"),
    newest: integerCell(counts, "newest"),
    pages: async function* () {
      for (let from = 0; from < records; from += pageRecords) {
        const rows = await run([plan.page(output, from, from + pageRecords)]);
        yield (rows["page"] ?? []).map(plan.record);
      }
    },
  };
}

interface FoldPlan {
  readonly statements: (input: Omit<FoldPlanInput<LogView>, "view">) => AnalysisStatement[];
  readonly page: (file: string, from: number, to: number) => AnalysisStatement;
  readonly record: (row: AnalysisRow) => OnlineRecord;
}

function foldPlan(view: LogView): FoldPlan {
  return isValueView(view)
    ? {
        statements: (input) => foldStatements({ ...input, view }),
        page: (...part) => foldPage(view, ...part),
        record: (row) => onlineRecord(view, row),
      }
    : {
        statements: (input) => eventFoldStatements({ ...input, view }),
        page: (...part) => eventFoldPage(view, ...part),
        record: (row) => onlineEvent(view, row),
      };
}
