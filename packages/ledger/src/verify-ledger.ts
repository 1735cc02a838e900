import {
  type CallContext,
  isPortolanError,
  type JobHandler,
  type JsonObject,
  type SigningKey,
} from "@portolan/kernel";
import { leafHash, sameHash, toHex } from "@portolan/merkle";
import { judgeCheckpoint } from "./checkpoints.ts";
import type { CopyLeaf, Finding } from "./comparison.ts";
import { ledgerVerifyQueue } from "./contract.ts";
import { rowLeaf } from "./export-format.ts";
import { demand, type LedgerDeps, logFolder, rowBytes } from "./ledger.ts";
import { allCheckpoints, positionsEnd, rowsByPosition } from "./read-store.ts";
import { parseEntry, parsePayload } from "./row-format.ts";
import { checkpointKeyIds, ledgerKeys } from "./store.ts";
import type { RowTable } from "./tables.ts";
import { judgeLog, type LogCopy, type VerificationReport } from "./verification.ts";

export interface VerifyOptions {
  /** Verifier keys known from elsewhere. */
  readonly trust?: readonly string[];
  /** Checkpoint notes kept from earlier. */
  readonly known?: readonly string[];
}

const sqlPage = 2048;
/** A log that was destroyed has a finding per row; more than this many tell a reader nothing new. */
const maxReportedFindings = 1000;

/**
 * Compares rows in SQL, hash tiles and entry bundles with each other and with every signed checkpoint. Writes the
 * verdict to the ledger itself.
 */
export async function verifyLedger(
  deps: LedgerDeps,
  call: CallContext,
  options: VerifyOptions = {},
): Promise<VerificationReport> {
  await demand(deps, call, "ledger:verify");
  const report = await examine(deps, call, options);
  await deps.uow.write(call, (tx) =>
    tx.record({
      event: "ledger.log.verified",
      subject: call.actor.organisationId,
      detail: {
        verified: report.verified,
        provedRows: report.provedRows,
        findings: report.findings.length,
      },
    }),
  );
  return { ...report, findings: report.findings.slice(0, maxReportedFindings) };
}

/** Rows that a verification would read: callers decide by it between an answer and a job. */
export async function rowsToVerify(deps: LedgerDeps, call: CallContext): Promise<number> {
  await demand(deps, call, "ledger:verify");
  return deps.uow.read(call, (sql) => positionsEnd(sql, call.actor.organisationId));
}

/** The durable job behind a verification that is too long for a request. */
export function createVerifyJob(deps: LedgerDeps): JobHandler {
  return {
    queue: ledgerVerifyQueue,
    retries: 2,
    run: async (job) => {
      const report = await verifyLedger(deps, job.call);
      return { ...report, keys: [...report.keys], findings: report.findings.map(findingJson) };
    },
  };
}

async function examine(
  deps: LedgerDeps,
  call: CallContext,
  options: VerifyOptions,
): Promise<VerificationReport> {
  const organisation = call.actor.organisationId;
  const folder = logFolder(deps, organisation);
  // Read before the rows: what it covers was in the database by then.
  const published = await folder.readCheckpoint();
  const { rows, notes, keyIds } = await deps.uow.read(call, async (sql) => {
    const end = await positionsEnd(sql, organisation);
    const leaves: CopyLeaf[] = [];
    for (let from = 0; from < end; from += sqlPage) {
      const page = await rowsByPosition(sql, organisation, from, from + sqlPage);
      for (const row of page) leaves.push(sqlLeaf(row));
    }
    const checkpoints = await allCheckpoints(sql, organisation);
    return {
      rows: leaves,
      notes: checkpoints.map((checkpoint) => checkpoint.note),
      keyIds: await checkpointKeyIds(sql, organisation),
    };
  });
  const keys = await ledgerKeys(deps.keys, keyIds);
  const checkpoints = published === undefined ? notes : [...notes, published];
  const size = coveredSize(checkpoints, organisation, keys);
  const findings: Finding[] = [];
  const tiles = await readCopy("tiles", findings, folder.leafHashes(0, size), (hash, index) => ({
    hash: toHex(hash),
    id: undefined,
    index,
  }));
  const bundles = await readCopy("bundles", findings, folder.entries(0, size), (entry, index) => ({
    hash: toHex(leafHash(entry)),
    id: parseEntry(entry)?.id,
    index,
  }));
  const copies: LogCopy[] = [{ name: "rows", leaves: rows }, tiles, bundles];
  return judgeLog({ organisation, copies, checkpoints, keys, findings, ...options });
}

function coveredSize(notes: readonly string[], organisation: string, keys: readonly SigningKey[]): number {
  let size = 0;
  for (const note of notes) {
    const verdict = judgeCheckpoint(note, organisation, keys);
    if (verdict.kind === "good") size = Math.max(size, verdict.checkpoint.size);
  }
  return size;
}

async function readCopy(
  name: LogCopy["name"],
  findings: Finding[],
  items: AsyncIterable<Uint8Array>,
  leafOf: (bytes: Uint8Array, index: number) => CopyLeaf,
): Promise<LogCopy> {
  const leaves: CopyLeaf[] = [];
  try {
    for await (const bytes of items) leaves.push(leafOf(bytes, leaves.length));
  } catch (error) {
    if (!isPortolanError(error) || error.code !== "ledger.tiles_damaged") throw error;
    const detail = error.detail ?? "unreadable";
    findings.push({ kind: "malformed", copy: name, index: leaves.length, detail });
  }
  return { name, leaves };
}

/** A SQL row as a leaf, with every column held against the bytes that the leaf commits to. */
function sqlLeaf(row: RowTable): CopyLeaf {
  const leaf = rowLeaf(rowBytes(row, row.position ?? -1));
  const fault = leaf.fault ?? columnFault(row);
  return fault === undefined ? leaf : { ...leaf, fault };
}

function columnFault(row: RowTable): string | undefined {
  const header = parseEntry(row.entry);
  if (!sameHash(leafHash(row.entry), row.leaf_hash)) return "column leaf_hash is not the hash of the entry";
  if (header?.organisation !== row.organisation_id) return "column organisation_id differs from the entry";
  if (header.class !== row.class) return "column class differs from the entry";
  if (header.at !== row.at) return "column at differs from the entry";
  if (row.payload === null) return undefined;
  const payload = parsePayload(row.payload);
  if (payload?.event !== row.event) return "column event differs from the payload";
  if (payload?.subject !== row.subject) return "column subject differs from the payload";
  if (payload?.actor.id !== row.actor_id) return "column actor_id differs from the payload";
  if (payload?.requestId !== row.request_id) return "column request_id differs from the payload";
  return undefined;
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
