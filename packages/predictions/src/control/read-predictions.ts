import {
  type Authorizer,
  type CallContext,
  environmentsAllowing,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import { MemoryTree, toHex } from "@portolan/merkle";
import { followingMoves, type PartFiles } from "../archive/part-files.ts";
import type { StoredPrediction } from "../contract.ts";
import { parsePredictionId } from "../format/position.ts";
import { decodeEntry, decodeHeader, leafOf, type StoredEntry } from "../format/record-codec.ts";
import { hashBytes, hashHex } from "../format/record-leaf.ts";
import type { PredictionProof } from "../policy.ts";
import {
  blocksOfAnchor,
  findAnchor,
  findPart,
  type PartFilter,
  type PartPlace,
  searchParts,
} from "./store.ts";

export interface ReadDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly files: PartFiles;
  /** Of one search, in place of the usual bound. */
  readonly mostLookedThrough?: number;
}

interface Located {
  readonly part: PartPlace;
  readonly entry: StoredEntry;
}

/** @throws PortolanError `kernel.not_found` (also for what the caller may not see), `predictions.corrupt` */
export async function getPrediction(
  deps: ReadDeps,
  call: CallContext,
  id: string,
): Promise<StoredPrediction> {
  const { entry } = await followingMoves(() => locate(deps, call, id));
  await requireReadable(deps, call, id, entry);
  return decodeEntry(entry);
}

/**
 * The record with its inclusion proof and the ledger row that its block is under; for `verifyPredictionProof`.
 * @throws PortolanError `kernel.not_found`, `kernel.conflict` while the block is not yet in the ledger
 */
export async function provePrediction(
  deps: ReadDeps,
  call: CallContext,
  id: string,
): Promise<PredictionProof> {
  const { part, entry } = await followingMoves(() => locate(deps, call, id));
  await requireReadable(deps, call, id, entry);
  const { organisation_id: organisationId, anchor_second: second } = part;
  const anchor = await deps.uow.read(call, async (sql) => {
    const row = second === null ? undefined : await findAnchor(sql, organisationId, second);
    return row && { row, blocks: await blocksOfAnchor(sql, organisationId, second) };
  });
  if (!anchor) {
    throw new PortolanError("kernel.conflict", {
      detail: "the block of this prediction is not in the ledger yet",
      mend: "Ask again in a second.",
    });
  }
  const block = await followingMoves(async () => {
    const { part: now } = await locate(deps, call, id);
    return deps.files.read(now, organisationId);
  });
  const leafIndex = block.entries.findIndex(({ index }) => index === entry.index);
  return {
    predictionId: id,
    organisationId,
    header: entry.header.toString("base64"),
    ...(entry.context === undefined ? {} : { context: entry.context.json.toString("base64") }),
    commitment: hashHex(entry.commitment),
    ...(entry.saltAndPayload === undefined
      ? {}
      : { saltAndPayload: entry.saltAndPayload.toString("base64") }),
    leafIndex,
    inclusion: MemoryTree.of(block.entries.map((one) => hashBytes(leafOf(one))))
      .inclusionProof(leafIndex)
      .map(toHex),
    blockEnd: block.endBytes.toString("base64"),
    anchor: {
      second: anchor.row.second,
      digest: anchor.row.digest,
      ledgerRow: anchor.row.ledger_row,
      blocks: anchor.blocks,
    },
  };
}

async function locate(deps: ReadDeps, call: CallContext, id: string): Promise<Located> {
  const position = parsePredictionId(id);
  const { organisationId } = call.actor;
  const part = position && (await deps.uow.read(call, (sql) => findPart(sql, organisationId, position)));
  const entry = part && (await deps.files.find(part, organisationId, position.index));
  if (!part || !entry) throw new PortolanError("kernel.not_found", { detail: "Not found" });
  return { part, entry };
}

async function requireReadable(
  deps: ReadDeps,
  call: CallContext,
  id: string,
  entry: StoredEntry,
): Promise<void> {
  const { context } = decodeHeader(entry);
  const { organisationId } = call.actor;
  const { useCaseId, environment } = context;
  const resource = { type: "Prediction" as const, id, organisationId, useCaseId, environment };
  await deps.authorizer.require(call, "predictions:read", resource);
}

export interface PredictionQuery {
  /** Absent: of the whole organisation, which takes a role in all of it. */
  readonly useCaseId?: string;
  readonly endpoint?: string;
  readonly modelVersion?: string;
  readonly variant?: string;
  /** Arrival, epoch microseconds, both inclusive. */
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  readonly cursor?: string;
}

export interface PredictionPage {
  readonly predictions: readonly StoredPrediction[];
  /** Absent on the last page. */
  readonly next?: string;
}

interface Cursor {
  readonly lastAt: number;
  readonly file: string;
}

/** Records that one request looks through: where few fit, the page ends before it is full, and says where to go on. */
const mostLookedThrough = 20_000;

/**
 * Predictions of the caller's organisation, or of one use case, in the environments where it may read them, newest block first. A page ends with a block, so it
 * may hold more than `limit`; it holds less, or nothing, where few of the records that it looked through fit. The index is per block, so a search costs what its blocks cost.
 */
export async function listPredictions(
  deps: ReadDeps,
  call: CallContext,
  query: PredictionQuery,
): Promise<PredictionPage> {
  const { organisationId } = call.actor;
  const environments = await environmentsAllowing(deps.authorizer, call, "predictions:read", {
    type: "Prediction",
    organisationId,
    ...(query.useCaseId === undefined ? {} : { useCaseId: query.useCaseId }),
  });
  const filter: PartFilter = { ...query, organisationId, environments };
  const predictions: StoredPrediction[] = [];
  let after = query.cursor === undefined ? undefined : parseCursor(query.cursor);
  let lookedThrough = 0;
  while (predictions.length < query.limit && lookedThrough < (deps.mostLookedThrough ?? mostLookedThrough)) {
    const seen = after;
    const found = await followingMoves(async () => {
      const [part] = await deps.uow.read(call, (sql) => searchParts(sql, filter, 1, seen));
      return part && { part, ...(await deps.files.read(part, organisationId)) };
    });
    if (!found) return { predictions };
    const { part, entries } = found;
    for (const entry of entries.toReversed()) {
      const prediction = decodeEntry(entry);
      if (fits(prediction, filter)) predictions.push(prediction);
    }
    lookedThrough += entries.length;
    after = { lastAt: part.last_at, file: part.file };
  }
  return { predictions, ...(after === undefined ? {} : { next: formatCursor(after) }) };
}

export function fits({ header }: StoredPrediction, filter: PartFilter): boolean {
  const { context, receivedAt } = header;
  return (
    filter.environments.includes(context.environment) &&
    (filter.useCaseId === undefined || context.useCaseId === filter.useCaseId) &&
    (filter.endpoint === undefined || context.endpoint === filter.endpoint) &&
    (filter.modelVersion === undefined || (context.model?.version ?? "") === filter.modelVersion) &&
    (filter.variant === undefined || context.variant === filter.variant) &&
    (filter.from === undefined || receivedAt >= filter.from) &&
    (filter.to === undefined || receivedAt <= filter.to)
  );
}

function formatCursor({ lastAt, file }: Cursor): string {
  return Buffer.from(JSON.stringify([lastAt, file])).toString("base64url");
}

function parseCursor(text: string): Cursor {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (Array.isArray(value)) {
      const [lastAt, file]: unknown[] = value;
      if (Number.isSafeInteger(lastAt) && typeof file === "string") return { lastAt: Number(lastAt), file };
    }
  } catch {
    // answered below like any other text that is no cursor
  }
  throw new PortolanError("predictions.bad_cursor", { mend: "Pass `next` of the previous page as it is." });
}
