import type { SigningKey } from "@portolan/kernel";
import { bundleCopy, rowCopy, tileCopy } from "./log-sources.ts";
import type { CheckpointPlace } from "./read-store.ts";
import type { RowTable } from "./tables.ts";
import { TileFolder } from "./tile-folder.ts";
import { judgeLog, type VerificationReport } from "./verification.ts";

/** What is verified, as it travels to a thread. */
export interface VerifyTask {
  readonly organisation: string;
  /** Folder of this log. */
  readonly folder: string;
  readonly keys: readonly SigningKey[];
  /** The published checkpoint. */
  readonly published: string | undefined;
  readonly trust: readonly string[] | undefined;
  /** Checkpoints that the caller kept. */
  readonly known: readonly string[] | undefined;
  /** The verdict lists no more than these; `findingCount` counts all. */
  readonly maxFindings: number;
}

export interface CheckpointPage {
  readonly notes: readonly string[];
  /** Where the next page goes on; `undefined` after the last one. */
  readonly last: CheckpointPlace | undefined;
}

/** The part of a log that is in the database, a page at a time. */
export interface LogPages {
  rows(from: number): Promise<readonly RowTable[]>;
  checkpoints(after: CheckpointPlace | undefined): Promise<CheckpointPage>;
}

export interface TaskVerdict {
  readonly report: VerificationReport;
  readonly findingCount: number;
}

/** Judges rows, tile files and checkpoints of one log. The same in a thread of its own and, for small logs, here. */
export async function judgeTask(
  task: VerifyTask,
  pages: LogPages,
  onProgress: (fraction: number) => void,
): Promise<TaskVerdict> {
  const folder = new TileFolder(task.folder);
  const { organisation, keys, trust, known } = task;
  const report = await judgeLog({
    organisation,
    copies: [rowCopy((from) => pages.rows(from)), tileCopy(folder), bundleCopy(folder)],
    checkpoints: notesOf(pages, task.published),
    keys,
    ...(trust === undefined ? {} : { trust }),
    ...(known === undefined ? {} : { known }),
    onProgress,
  });
  const findings = report.findings.slice(0, task.maxFindings);
  return { report: { ...report, findings }, findingCount: report.findings.length };
}

async function* notesOf(pages: LogPages, published: string | undefined): AsyncGenerator<string> {
  for (let after: CheckpointPlace | undefined; ; ) {
    const page = await pages.checkpoints(after);
    yield* page.notes;
    if (page.last === undefined) break;
    after = page.last;
  }
  if (published !== undefined) yield published;
}
