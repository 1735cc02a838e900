import { createHash } from "node:crypto";
import type { ExplanationTerms } from "@portolan/charter/contract";
import { type CallContext, type Id, systemActor, type UnitOfWork } from "@portolan/kernel";
import type { AcceptedBlock, BlockAddress, PredictionHeader } from "@portolan/predictions/contract";
import { countWaiting, insertChosen, markChosen, type NewChosen } from "./kept-store.ts";

export interface ChooseDeps {
  readonly work: UnitOfWork;
  readonly charters: {
    /** What the charter in force has explained without anybody asking; undefined: nothing. */
    termsFor(call: CallContext, useCaseId: string): Promise<ExplanationTerms | undefined>;
  };
  /** Predictions of one organisation that may wait; absent: 100,000. Those beyond are passed over, and counted. */
  readonly mostWaiting?: number;
}

/** Predictions of one organisation that wait at most. */
export const usuallyMostWaiting = 100_000;

/**
 * Whether an answer is one that a charter with this share has explained: one that a model gave to somebody, and no repetition. By the prediction's id alone, so that it is the same on
 * every machine and after every restart. Pure.
 */
export function isChosen(header: PredictionHeader, share: number): boolean {
  const { id, status, replayOf, context } = header;
  if (status.kind !== "ok" || replayOf !== undefined || context.variant === "shadow" || !context.model)
    return false;
  return shareOf(id) < share;
}

/** In [0, 1): 48 bits of a SHA-256. Not the hash by which reviews are sampled: the two must not go together. */
function shareOf(predictionId: string): number {
  const digest = createHash("sha256").update(`portolan.explanation\n${predictionId}`).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/**
 * Notes which predictions of accepted blocks are to be explained, before the gateway is told that it may forget them. Each block is looked at once, by the charters in force then; a
 * block that comes again, or whose look a crash cut off, is looked at where it was not yet.
 */
export async function chooseBlocks(
  deps: ChooseDeps,
  { requestId }: CallContext,
  blocks: readonly AcceptedBlock[],
): Promise<void> {
  for (const block of blocks) {
    const organisations = new Set(block.headers.map(({ context }) => context.organisationId));
    for (const organisation of organisations) {
      const organisationId = organisation as Id<"organisation">;
      const call: CallContext = { actor: systemActor("control", organisationId), requestId };
      const own = block.headers.filter(({ context }) => context.organisationId === organisationId);
      const terms = new Map<string, ExplanationTerms>();
      for (const useCaseId of new Set(own.map(({ context }) => context.useCaseId))) {
        const found = await deps.charters.termsFor(call, useCaseId);
        if (found) terms.set(useCaseId, found);
      }
      if (terms.size > 0) await chooseBlock(deps, call, block, own, terms);
    }
  }
}

async function chooseBlock(
  { work, mostWaiting = usuallyMostWaiting }: ChooseDeps,
  call: CallContext,
  block: AcceptedBlock,
  headers: readonly PredictionHeader[],
  terms: ReadonlyMap<string, ExplanationTerms>,
): Promise<void> {
  const chosen = headers.flatMap((header) => {
    const of = terms.get(header.context.useCaseId);
    return of && isChosen(header, of.share) ? [rowOf(header, of, block)] : [];
  });
  if (chosen.length === 0) return;
  // Not in the transaction: a round that ends meanwhile would have the delivery run again.
  const waiting = await work.read(call, (sql) => countWaiting(sql, call.actor.organisationId, mostWaiting));
  const room = Math.max(0, mostWaiting - waiting);
  await work.write(call, async ({ sql, now }) => {
    for (const place of byPlace(chosen, room)) {
      const { rows, passedOver } = place;
      const [first] = rows;
      if (!first || !(await markChosen(sql, first, rows.length, passedOver, now))) continue;
      await insertChosen(sql, rows.slice(0, rows.length - passedOver), now);
    }
  });
}

/** The first ones of a block until there is no more room. */
function byPlace(
  chosen: readonly NewChosen[],
  room: number,
): { readonly rows: readonly NewChosen[]; readonly passedOver: number }[] {
  const places = Map.groupBy(chosen, ({ use_case_id, environment, endpoint }) =>
    JSON.stringify([use_case_id, environment, endpoint]),
  );
  let left = room;
  return [...places.values()].map((rows) => {
    const taken = Math.min(left, rows.length);
    left -= taken;
    return { rows, passedOver: rows.length - taken };
  });
}

/** A prediction that is to be explained and kept, with what its block is called. Pure. */
export function rowOf(
  { id, context, receivedAt }: PredictionHeader,
  { top, fixed }: Pick<ExplanationTerms, "top" | "fixed">,
  { writerId, epoch, block }: BlockAddress,
): NewChosen {
  return {
    organisation_id: context.organisationId,
    prediction_id: id,
    writer_id: writerId,
    epoch,
    block,
    use_case_id: context.useCaseId,
    environment: context.environment,
    endpoint: context.endpoint,
    model: context.model?.name ?? "",
    version: context.model?.version ?? "",
    artifact: context.model?.digest ?? "",
    top,
    fixed: [...fixed],
    received_at: receivedAt,
  };
}
