import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { integerCell } from "@portolan/data/contract";
import { type CallContext, type Digest, type EpochMicros, newId } from "@portolan/kernel";
import { onlineHeader } from "../online-header.ts";
import type { OnlineRecord } from "../ports.ts";
import type { ValueView } from "../view-model.ts";
import type { FeatureDeps } from "../views.ts";
import { foldPage, foldStatements, onlineRecord } from "./fold-plan.ts";
import { historyMicros } from "./log-record.ts";
import { finishFold, insertFold, type StoredLog, type StoredSegment } from "./log-store.ts";

/** Records of one page: what control holds in memory at once, and one transaction of the store. */
const pageRecords = 50_000;

type FoldDeps = Pick<FeatureDeps, "uow" | "objects" | "engine" | "online" | "workFolder"> & {
  readonly signal?: AbortSignal;
};

/**
 * Folds what is new in a log into the online store, from where the store is, and notes when which records were online. Begun again after a
 * crash it goes on from there; the result is the same to the bit (F18).
 *
 * @param asOf up to when the values are known
 * @returns how many entities have new records
 */
export async function foldOnline(
  deps: FoldDeps,
  call: CallContext,
  log: StoredLog,
  view: ValueView,
  segments: readonly StoredSegment[],
  asOf: EpochMicros,
): Promise<number> {
  const header = onlineHeader({
    organisationId: log.organisation_id,
    environment: log.environment,
    view,
  });
  const position = deps.online.foldPosition(header);
  const after = position?.log === log.id ? position.sequence : 0;
  const upTo = Math.max(after, segments.at(-1)?.last_sequence ?? 0);
  const newer = segments.filter((segment) => segment.last_sequence > after);
  const paths = await Promise.all(newer.map(({ object }) => deps.objects.localPath(object as Digest)));
  await mkdir(deps.workFolder, { recursive: true });
  const folder = await mkdtemp(join(deps.workFolder, `${log.id}-fold-`));
  try {
    const news = join(folder, "news.parquet");
    const counts = paths.length === 0 ? undefined : await reduce();
    const fold = await deps.uow.write(call, async (tx) => {
      const id = newId("job", tx.now);
      await insertFold(tx.sql, {
        id,
        log_id: log.id,
        last_sequence: upTo,
        as_of: asOf,
        started_at: tx.now,
      });
      return id;
    });
    const pages = pagesOf(integerCell(counts, "records"));
    await deps.online.fold(header, { log: log.id, after, upTo, asOf, pages });
    await deps.uow.write(call, (tx) => finishFold(tx.sql, fold, tx.now));
    return integerCell(counts, "entities");

    async function reduce() {
      const exactFrom = asOf - historyMicros;
      const statements = foldStatements({ view, segments: paths, after, exactFrom, output: news });
      return (await run(statements, paths)).rows["counts"]?.[0];
    }

    async function* pagesOf(records: number): AsyncGenerator<OnlineRecord[]> {
      for (let from = 0; from < records; from += pageRecords) {
        const { rows } = await run([foldPage(view, news, from, from + pageRecords)], []);
        yield (rows["page"] ?? []).map((row) => onlineRecord(view, row));
      }
    }

    function run(statements: Parameters<FeatureDeps["engine"]["run"]>[0]["statements"], readable: string[]) {
      const { signal } = deps;
      return deps.engine.run({ statements, readable, workFolder: folder, ...(signal ? { signal } : {}) });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
