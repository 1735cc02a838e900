import { join } from "node:path";
import type { CallContext, JobHandler, JsonObject } from "@portolan/kernel";
import { ledgerVerifyQueue, type VerifyRequest } from "./contract.ts";
import type { Finding } from "./findings.ts";
import { judgeTask, type LogPages, type TaskVerdict } from "./judge-task.ts";
import { demand, type LedgerDeps, logFolder } from "./ledger.ts";
import { checkpointsAfter, positionsEnd, rowsFrom } from "./read-store.ts";
import { checkpointKeyIds, ledgerKeys } from "./store.ts";
import type { VerificationReport } from "./verification.ts";
import { verifyInThread } from "./verify-thread.ts";

/** `trust`: verifier keys known from elsewhere. `known`: checkpoint notes kept from earlier. */
export interface VerifyOptions extends VerifyRequest {
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
}

/** Rows and checkpoints that are read at a time: some 10 ms of the calling thread. */
const rowsPage = 512;
const checkpointsPage = 1024;
/** Up to here the judging takes less of the calling thread than starting another one would. */
const maxRowsHere = 500;
/** A log that was destroyed has a finding per row; more than this many tell a reader nothing new. */
const maxReportedFindings = 1000;

/**
 * Compares rows in SQL, hash tiles and entry bundles with each other and with every signed checkpoint, in a thread of
 * its own unless the log is small. Writes the verdict to the ledger itself.
 */
export async function verifyLedger(
  deps: LedgerDeps,
  call: CallContext,
  options: VerifyOptions = {},
): Promise<VerificationReport> {
  await demand(deps, call, "ledger:verify");
  const { report, findingCount } = await examine(deps, call, options);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "ledger.log.verified",
      subject: call.actor.organisationId,
      detail: { verified: report.verified, provedRows: report.provedRows, findings: findingCount },
    }),
  );
  return report;
}

/** Rows that a verification would read: callers decide by it between an answer and a job. */
export async function rowsToVerify(deps: LedgerDeps, call: CallContext): Promise<number> {
  await demand(deps, call, "ledger:verify");
  return deps.uow.read(call, (sql) => positionsEnd(sql, call.actor.organisationId));
}

/** The durable job behind a verification that is too long for a request. Its payload is the request's body. */
export function createVerifyJob(deps: LedgerDeps): JobHandler {
  return {
    queue: ledgerVerifyQueue,
    retries: 2,
    run: async (job) => {
      const { trust, known } = job.payload as VerifyRequest;
      const report = await verifyLedger(deps, job.call, {
        ...(trust === undefined ? {} : { trust }),
        ...(known === undefined ? {} : { known }),
        signal: job.signal,
        onProgress: (fraction) => void job.progress(fraction, "verifying").catch(() => undefined),
      });
      return { ...report, keys: [...report.keys], findings: report.findings.map(findingJson) };
    },
  };
}

async function examine(deps: LedgerDeps, call: CallContext, options: VerifyOptions): Promise<TaskVerdict> {
  const organisation = call.actor.organisationId;
  // Read before the rows: what it covers was in the database by then.
  const published = await logFolder(deps, organisation).readCheckpoint();
  const { keyIds, rows } = await deps.uow.read(call, async (sql) => ({
    keyIds: await checkpointKeyIds(sql, organisation),
    rows: await positionsEnd(sql, organisation),
  }));
  const { trust, known } = options;
  const task = {
    organisation,
    folder: join(deps.folder, organisation),
    keys: await ledgerKeys(deps.keys, keyIds),
    published,
    trust,
    known,
    maxFindings: maxReportedFindings,
  };
  const pages = logPages(deps, call);
  if (rows <= maxRowsHere) return judgeTask(task, pages, options.onProgress ?? (() => undefined));
  return verifyInThread(task, pages, options);
}

/**
 * Each page is a short read of its own, so that a long verification holds no transaction open. All checkpoints are read
 * before the first row: whatever they cover was in the database by then, and what is written meanwhile is left out.
 */
function logPages(deps: LedgerDeps, call: CallContext): LogPages {
  const organisation = call.actor.organisationId;
  let end: number | undefined;
  return {
    checkpoints: async (after) => {
      const page = await deps.uow.read(call, (sql) =>
        checkpointsAfter(sql, organisation, after, checkpointsPage),
      );
      const last = page.length < checkpointsPage ? undefined : page.at(-1);
      return {
        notes: page.map((checkpoint) => checkpoint.note),
        last: last && { size: last.size, signedAt: last.signed_at },
      };
    },
    rows: async (from) => {
      end ??= await deps.uow.read(call, (sql) => positionsEnd(sql, organisation));
      const until = end;
      return deps.uow.read(call, (sql) => rowsFrom(sql, organisation, from, until, rowsPage));
    },
  };
}

function findingJson(finding: Finding): JsonObject {
  const { kind, copy, detail, index, id } = finding;
  return {
    kind,
    copy,
    detail,
    ...(index === undefined ? {} : { index }),
    ...(id === undefined ? {} : { id }),
  };
}
