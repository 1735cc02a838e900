import {
  type Authorizer,
  type CallContext,
  type Environment,
  PortolanError,
  type UnitOfWork,
} from "@portolan/kernel";
import type { PartFiles } from "../archive/part-files.ts";
import type { AcceptedBlock, PredictionHeader } from "../contract.ts";
import { type OpenedBlock, openBlock } from "../format/block.ts";
import { corrupt } from "../format/payload-codec.ts";
import { closedBlocks } from "../format/reader.ts";
import { judgeBlock } from "../policy.ts";
import type { Anchorer } from "./anchor.ts";
import { countAnswered } from "./answered-store.ts";
import { joinOutcomes } from "./outcome-store.ts";
import { type RecordReadsDeps, recordReads } from "./record-reads.ts";
import { findBlockRoot, findWriter, insertBlock, moveWriter, type NewPart, type WriterRow } from "./store.ts";

export interface AcceptDeps extends RecordReadsDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly files: PartFiles;
  readonly anchorer: Anchorer;
  /**
   * Sees the blocks of each delivery before it is acknowledged, those too that came before: after a crash a gateway sends them again. Must be
   * repeatable. What it throws, the delivery throws: the gateway tries again.
   */
  readonly onAccepted?: (call: CallContext, blocks: readonly AcceptedBlock[]) => Promise<void>;
}

export type AcceptVerdict =
  | { readonly kind: "accepted"; readonly blocks: number; readonly duplicates: number }
  /** `last` is the newest block of the writer that control has; absent when it has none. */
  | { readonly kind: "gap"; readonly last?: { readonly epoch: number; readonly block: number } };

const turns = new WeakMap<UnitOfWork, Map<string, Promise<unknown>>>();

/**
 * Takes closed blocks of one writer, in order. When it resolves to `accepted`, their bytes are synced, their rows are
 * committed and their roots are in the ledger, so the gateway may drop them. Repeating is harmless.
 * @throws PortolanError `predictions.corrupt`, `predictions.block_forked`, `predictions.writer_taken`,
 * and what the authorizer throws, for each organisation and environment that a block speaks for.
 */
export async function acceptBlocks(
  deps: AcceptDeps,
  call: CallContext,
  bytes: Buffer,
): Promise<AcceptVerdict> {
  const blocks = openAll(bytes);
  const writerId = blocks[0]?.writerId ?? "";
  const organisations = new Set(blocks.flatMap(({ end }) => end.organisations.map(({ id }) => id)));
  for (const { organisationId, environment } of placesOf(blocks)) {
    await deps.authorizer.require(call, "predictions:deliver", {
      type: "Prediction",
      organisationId: organisationId as typeof call.actor.organisationId,
      environment,
    });
  }
  const verdict = await inTurn(deps.uow, writerId, () => takeAll(deps, call, blocks));
  if (verdict.kind === "accepted") {
    // Also of blocks that came before: what a crash left out is made up for before the gateway may forget it.
    for (const { headers } of blocks) await recordReads(deps, call, headers);
    await deps.anchorer.anchor();
    await deps.onAccepted?.(call, blocks.map(addressed));
    for (const organisationId of organisations)
      await joinOutcomes(deps.uow, deps.files, call, organisationId);
  }
  return verdict;
}

function addressed({ writerId, end: { epoch, block }, headers }: OpenedBlock): AcceptedBlock {
  return { writerId, epoch, block, headers };
}

/** Each organisation and environment that the records speak for, once. */
function placesOf(blocks: readonly OpenedBlock[]): { organisationId: string; environment: Environment }[] {
  const places = new Map<string, { organisationId: string; environment: Environment }>();
  for (const { context } of blocks.flatMap(({ headers }) => headers)) {
    const { organisationId, environment } = context;
    places.set(`${environment}/${organisationId}`, { organisationId, environment });
  }
  return [...places.values()];
}

function openAll(bytes: Buffer): OpenedBlock[] {
  const blocks: OpenedBlock[] = [];
  let end = 0;
  for (const closed of closedBlocks(bytes)) {
    blocks.push(openBlock(closed.bytes));
    end = closed.end;
  }
  if (blocks.length === 0 || end !== bytes.length) throw corrupt("these bytes are not whole closed blocks");
  if (blocks.some(({ writerId }) => writerId !== blocks[0]?.writerId))
    throw corrupt("these blocks have two writers");
  return blocks;
}

/** One delivery of a writer at a time; there is one control process, so a promise chain is lock enough. */
async function inTurn<T>(uow: UnitOfWork, writerId: string, work: () => Promise<T>): Promise<T> {
  const waiting = turns.get(uow) ?? new Map<string, Promise<unknown>>();
  turns.set(uow, waiting);
  const turn = (waiting.get(writerId) ?? Promise.resolve()).catch(() => {}).then(work);
  waiting.set(writerId, turn);
  try {
    return await turn;
  } finally {
    if (waiting.get(writerId) === turn) waiting.delete(writerId);
  }
}

async function takeAll(
  deps: AcceptDeps,
  call: CallContext,
  blocks: readonly OpenedBlock[],
): Promise<AcceptVerdict> {
  let duplicates = 0;
  for (const block of blocks) {
    const { end } = block;
    const known = await deps.uow.read(call, async (sql) => ({
      writer: await findWriter(sql, block.writerId),
      root: await findBlockRoot(sql, { writerId: block.writerId, epoch: end.epoch, block: end.block }),
    }));
    if (known.writer && known.writer.principal !== call.actor.id)
      await refuseStranger(deps, call, block, known.writer);
    const place = { epoch: end.epoch, block: end.block, root: block.root, previousRoot: end.previousRoot };
    const verdict = judgeBlock(known.writer, known.root, place);
    if (verdict.kind === "gap") {
      const last = known.writer && { epoch: known.writer.epoch, block: known.writer.block };
      return { kind: "gap", ...(last === undefined ? {} : { last }) };
    }
    if (verdict.kind === "fork") await refuseFork(deps, call, block);
    if (verdict.kind === "duplicate") duplicates += 1;
    if (verdict.kind === "next") await take(deps, call, block);
  }
  return { kind: "accepted", blocks: blocks.length, duplicates };
}

async function take(deps: AcceptDeps, call: CallContext, block: OpenedBlock): Promise<void> {
  const { writerId, end, root } = block;
  const address = { writer_id: writerId, epoch: end.epoch, block: end.block };
  const parts: NewPart[] = [];
  for (const { id, count, root: partRoot } of end.organisations) {
    const file = await deps.files.store(block, id);
    parts.push({ ...address, organisation_id: id, root: partRoot, record_count: count, file });
  }
  await deps.uow.write(call, async (tx) => {
    const row = {
      ...address,
      root,
      previous_root: end.previousRoot,
      record_count: end.count,
      sealed: end.sealed,
      closed_at: end.closedAt,
    };
    await insertBlock(tx, row, parts, contentsOf(block.headers, address));
    await countAnswered(tx, block.headers);
    const owner = { principal: call.actor.id, organisation_id: call.actor.organisationId };
    await moveWriter(tx, { ...address, ...owner, root });
  });
}

type Address = { readonly writer_id: string; readonly epoch: number; readonly block: number };

/** The coarse index of a block: one row per organisation, endpoint, environment, version and variant. */
function contentsOf(headers: readonly PredictionHeader[], address: Address) {
  const rows = new Map<string, ReturnType<typeof contentRow>>();
  for (const header of headers) {
    const fresh = contentRow(header, address);
    const key = JSON.stringify([
      fresh.organisation_id,
      fresh.endpoint,
      fresh.environment,
      fresh.model_version,
      fresh.variant,
    ]);
    const row = rows.get(key);
    if (row === undefined) {
      rows.set(key, fresh);
      continue;
    }
    row.record_count += 1;
    row.first_at = Math.min(row.first_at, header.receivedAt);
    row.last_at = Math.max(row.last_at, header.receivedAt);
  }
  return [...rows.values()];
}

function contentRow({ context, receivedAt }: PredictionHeader, address: Address) {
  return {
    ...address,
    organisation_id: context.organisationId,
    endpoint: context.endpoint,
    environment: context.environment as string,
    model_version: context.model?.version ?? "",
    variant: context.variant as string,
    record_count: 1,
    first_at: receivedAt,
    last_at: receivedAt,
  };
}

async function refuseFork(deps: AcceptDeps, call: CallContext, block: OpenedBlock): Promise<never> {
  const { epoch, block: number } = block.end;
  const detail = { epoch, block: number, root: block.root };
  await deps.uow.write(call, (tx) =>
    tx.record({ event: "predictions.block.forked", subject: block.writerId, detail }),
  );
  throw new PortolanError("predictions.block_forked", {
    detail: `block ${epoch}/${number} of ${block.writerId} does not continue what was accepted before`,
    mend: "Keep the gateway's log folder for the auditor and start the gateway with a new writer id.",
  });
}

async function refuseStranger(
  deps: AcceptDeps,
  call: CallContext,
  block: OpenedBlock,
  row: WriterRow,
): Promise<never> {
  const detail = { owner: row.principal };
  await deps.uow.write(call, (tx) =>
    tx.record({ event: "predictions.writer.impersonated", subject: block.writerId, detail }),
  );
  throw new PortolanError("predictions.writer_taken", {
    detail: `${block.writerId} delivers as another service account`,
    mend: "Give each gateway a writer id and a service account of its own.",
  });
}
