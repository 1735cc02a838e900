import {
  type Authorizer,
  type CallContext,
  type Clock,
  digestJson,
  type Environment,
  environmentsAllowing,
  type JsonObject,
  type JsonValue,
  newId,
  PortolanError,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { Compile, Type } from "@portolan/typebox";
import { listArchives, resizeArchive } from "../archive/archive-store.ts";
import { heldBy } from "../archive/hold-policy.ts";
import { followingMoves, type PartFiles } from "../archive/part-files.ts";
import { parsePredictionId } from "../format/position.ts";
import { decodeEntry, decodeHeader, type StoredEntry } from "../format/record-codec.ts";
import { isAbout, type SubjectQuery } from "../format/subject-of-payload.ts";
import { activeHolds } from "./hold-store.ts";
import { eraseOutcomes } from "./outcome-store.ts";
import {
  completeErasure,
  findErasure,
  findPart,
  fixErasure,
  insertErasure,
  type PartSpot,
  searchParts,
} from "./store.ts";

/** What to erase: named predictions, or all of one data subject. */
export const ErasureSelector = Type.Union([
  Type.Object(
    { predictionIds: Type.Array(Type.String({ maxLength: 120 }), { maxItems: 1_000_000 }) },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      subject: Type.String({
        minLength: 1,
        maxLength: 1000,
        description: "As the caller named the data subject",
      }),
      columns: Type.Optional(
        Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
          maxItems: 1000,
          description:
            "Inputs that name data subjects: requests in which one of them has the value count, too",
        }),
      ),
    },
    { additionalProperties: false },
  ),
]);
export type ErasureSelector = { readonly predictionIds: readonly string[] } | SubjectQuery;
/** As it is kept: data contracts may mark more columns than a request may name. */
const KeptSelector = Compile(
  Type.Union([
    Type.Object({ predictionIds: Type.Array(Type.String()) }),
    Type.Object({ subject: Type.String(), columns: Type.Optional(Type.Array(Type.String())) }),
  ]),
);

export interface EraseDeps {
  readonly uow: UnitOfWork;
  readonly authorizer: Authorizer;
  readonly files: PartFiles;
  readonly clock: Clock;
  /** What else is kept of predictions goes in the same transaction. */
  readonly onErased?: (tx: Transaction, predictionIds: readonly string[]) => Promise<void>;
}

/** Intent kind that the reconciler hands to `performErasure`; payload `{ erasureId }`. */
export const erasureIntent = "predictions.erase";

export interface ErasureResult {
  readonly erasureId: string;
  /** Predictions whose payload is gone. */
  readonly erased: number;
}

/**
 * Destroys salt and payload of predictions; headers, leaves and proofs stay (P18). A subject's predictions are erased in the
 * environments where the caller may erase. Ordered in one governed row,
 * done, and completed in another; an order that a crash interrupts is finished by the reconciler.
 *
 * @param within no others than these; by default all in which the caller may
 */
export async function erasePredictions(
  deps: EraseDeps,
  call: CallContext,
  selector: ErasureSelector,
  reason: string,
  within?: readonly Environment[],
): Promise<ErasureResult> {
  const { organisationId } = call.actor;
  const allowing = await environmentsAllowing(deps.authorizer, call, "predictions:erase", {
    type: "Prediction",
    organisationId,
  });
  const environments = allowing.filter((environment) => within?.includes(environment) ?? true);
  const erasureId = newId("erasure", deps.clock.now());
  // An unknown id refuses the whole order before anything is on the ledger; so does one that lies beyond the caller's reach.
  if ("predictionIds" in selector) await requireWithin(deps, call, selector.predictionIds, environments);
  await requireFree(deps, call, selector, environments);
  await deps.uow.write(call, async (tx) => {
    const orderedBy = call.actor.id;
    await insertErasure(tx, { id: erasureId, organisationId, selector, environments, reason, orderedBy });
    await tx.record({
      event: "predictions.erasure.ordered",
      subject: erasureId,
      // Neither the subject nor its digest: a digest of a guessable key names the person.
      detail: { by: "subject" in selector ? "subject" : "prediction", reason },
    });
    await tx.intend(erasureIntent, { erasureId });
  });
  return { erasureId, erased: await performErasure(deps, call, erasureId) };
}

/**
 * Idempotent: the predictions are fixed and stored first, then their payloads are destroyed, then the completion is
 * recorded, once. A crash in between leaves an order that the next call finishes.
 */
export function performErasure(deps: PerformDeps, call: CallContext, erasureId: string): Promise<number> {
  // In turn with the join of outcomes, which must not keep an output that it read before and that is gone after;
  // and with the reconciler, which may perform the same order.
  return deps.files.inTurn(() => perform(deps, call, erasureId));
}

type PerformDeps = Pick<EraseDeps, "uow" | "files" | "onErased">;

async function perform(deps: PerformDeps, call: CallContext, erasureId: string): Promise<number> {
  const order = await deps.uow.read(call, (sql) => findErasure(sql, erasureId));
  if (!order) throw new PortolanError("kernel.not_found", { detail: "Not found" });
  if (order.completed_at !== null) return order.erased_count ?? 0;
  const selector: unknown = order.selector;
  if (!KeptSelector.Check(selector)) {
    throw new PortolanError("kernel.internal", { detail: "an erasure's selector is damaged" });
  }
  const ids =
    "subject" in selector
      ? await findSubject(deps, call, selector, order.environments)
      : selector.predictionIds;
  if ("subject" in selector) await deps.uow.write(call, (tx) => fixErasure(tx, erasureId, ids));
  const held = new Set(await eraseIds(deps, call, ids));
  const gone = ids.filter((id) => !held.has(id));
  await deps.uow.write(call, async (tx) => {
    await eraseOutcomes(tx, gone);
    await deps.onErased?.(tx, gone);
    if (!(await completeErasure(tx, erasureId, gone.length))) return;
    const after = digestJson([...gone].sort());
    // A hold that came between the order and its execution.
    const detail = { predictions: gone.length, held: held.size };
    await tx.record({ event: "predictions.erasure.completed", subject: erasureId, after, detail });
  });
  return gone.length;
}

/** For the reconciler: finishes erasures that a crash interrupted. */
export function erasureIntentHandler(deps: PerformDeps) {
  return {
    kind: erasureIntent,
    perform: async (intent: {
      readonly payload: JsonObject;
      readonly call: CallContext;
    }): Promise<JsonValue> => {
      const { erasureId } = intent.payload;
      return {
        erased: await performErasure(deps, intent.call, typeof erasureId === "string" ? erasureId : ""),
      };
    },
  };
}

/** Resolves to the ids that a hold kept. */
async function eraseIds(deps: PerformDeps, call: CallContext, ids: readonly string[]): Promise<string[]> {
  const { organisationId } = call.actor;
  const holds = await deps.uow.read(call, (sql) => activeHolds(sql, organisationId));
  const kept: string[] = [];
  for (const { spot, wanted } of (await filesOf(deps, call, ids)).values()) {
    const { bytes, held } = await deps.files.erase(spot, organisationId, wanted, holds);
    kept.push(...held);
    const { archive_file: archive } = spot;
    if (bytes !== undefined && archive !== null)
      await deps.uow.write(call, (tx) => resizeArchive(tx, archive, bytes));
  }
  return kept;
}

/** @throws PortolanError `kernel.not_found` when one of them is not among the accepted predictions. */
async function filesOf(
  deps: PerformDeps,
  call: CallContext,
  ids: readonly string[],
): Promise<Map<string, { readonly spot: PartSpot; readonly wanted: Set<string> }>> {
  const { organisationId } = call.actor;
  const byFile = new Map<string, { spot: PartSpot; wanted: Set<string> }>();
  for (const id of ids) {
    const position = parsePredictionId(id);
    const part = position && (await deps.uow.read(call, (sql) => findPart(sql, organisationId, position)));
    if (!part) throw notFound(id);
    // An archive is written anew once for all that it holds of them.
    const file = part.archive_file ?? part.file;
    const group = byFile.get(file) ?? { spot: part, wanted: new Set() };
    byFile.set(file, group);
    group.wanted.add(id);
  }
  return byFile;
}

/** @throws PortolanError `kernel.not_found`, the same for what is missing and for what lies in another environment */
async function requireWithin(
  deps: PerformDeps,
  call: CallContext,
  ids: readonly string[],
  environments: readonly string[],
): Promise<void> {
  for (const id of ids) {
    const entry = await findEntryOf(deps, call, id);
    if (!entry || !environments.includes(decodeHeader(entry).context.environment)) throw notFound(id);
  }
}

/**
 * An order that touches what a hold covers is refused whole, before anything is on the ledger.
 * @throws PortolanError `predictions.under_hold`
 */
async function requireFree(
  deps: PerformDeps,
  call: CallContext,
  selector: ErasureSelector,
  environments: readonly string[],
): Promise<void> {
  const { organisationId } = call.actor;
  const holds = await deps.uow.read(call, (sql) => activeHolds(sql, organisationId));
  if (holds.length === 0) return;
  const ids =
    "subject" in selector
      ? await followingMoves(() => findSubject(deps, call, selector, environments))
      : selector.predictionIds;
  for (const id of ids) {
    const entry = await findEntryOf(deps, call, id);
    const hold = entry && heldBy(decodeHeader(entry), holds);
    if (!hold) continue;
    throw new PortolanError("predictions.under_hold", {
      detail: `the legal hold ${hold.id} covers some of what is to be erased`,
      mend: "Erase it once the hold is released, or order what lies outside of it.",
    });
  }
}

function findEntryOf(deps: PerformDeps, call: CallContext, id: string): Promise<StoredEntry | undefined> {
  const { organisationId } = call.actor;
  return followingMoves(async () => {
    const position = parsePredictionId(id);
    const part = position && (await deps.uow.read(call, (sql) => findPart(sql, organisationId, position)));
    return part && deps.files.find(part, organisationId, position.index);
  });
}

function notFound(id: string): PortolanError {
  return new PortolanError("kernel.not_found", { detail: `prediction ${id} is not found` });
}

/** Payloads are not indexed by subject (the index would be personal data itself): everything is read. */
export async function findSubject(
  deps: PerformDeps,
  call: CallContext,
  query: SubjectQuery,
  environments: readonly string[],
): Promise<string[]> {
  const { organisationId } = call.actor;
  const archives = await deps.uow.read(call, (sql) => listArchives(sql, organisationId));
  const found: string[] = [];
  for (const { file } of archives)
    found.push(...(await deps.files.findSubject(file, organisationId, query, environments)));
  let after: { lastAt: number; file: string } | undefined;
  for (;;) {
    const seen = after;
    const parts = await deps.uow.read(call, (sql) =>
      searchParts(sql, { organisationId, environments }, 200, seen),
    );
    const last = parts.at(-1);
    if (!last) return found;
    for (const part of parts.filter(({ archive_file }) => archive_file === null)) {
      const { entries } = await deps.files.read(part, organisationId);
      for (const { header, payload } of entries.map(decodeEntry))
        if (isAbout(payload, query) && environments.includes(header.context.environment))
          found.push(header.id);
    }
    after = { lastAt: last.last_at, file: last.file };
  }
}
