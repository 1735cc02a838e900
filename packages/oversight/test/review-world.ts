import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReviewTerms } from "@portolan/charter/contract";
import { asEpochMicros, type CallContext, isPortolanError, newId, systemClock } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import {
  acceptBlocks,
  addLabelOfPerson,
  createPredictionsDeps,
  getPrediction,
  joinLabels,
  type PredictionRecord,
  type PredictionsDeps,
  predictionsMigrations,
  readBlock,
} from "@portolan/predictions";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import {
  aCall,
  type FakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
} from "@portolan/testkit";
import {
  eraseReviews,
  expireReviews,
  type OversightDeps,
  oversightMigrations,
  queueBlocks,
} from "../src/index.ts";
import { aRecord, type RecordOptions } from "./records.ts";

/** Predictions and their reviews, wired as control does. */
export interface ReviewWorld extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly clock: FakeClock;
  readonly predictions: PredictionsDeps;
  readonly oversight: Omit<OversightDeps, "sessions" | "catalogue">;
  /** What charters say, by use case. */
  readonly terms: Map<
    string,
    { readonly review: ReviewTerms; readonly task: string; readonly classes?: readonly string[] }
  >;
}

export async function openReviewWorld(clock: FakeClock): Promise<ReviewWorld> {
  const db = await openTestDatabase({ migrations: [predictionsMigrations, oversightMigrations], clock });
  const folder = await mkdtemp(join(tmpdir(), "accepted-"));
  const authorizer = testAuthorizer({
    gateway: ["predictions:deliver"],
    reviewer: ["reviews:read", "reviews:decide"],
    application: ["feedback:write", "outcomes:write", "outcomes:read"],
    user: ["feedback:write"],
    admin: ["predictions:erase", "predictions:read", "outcomes:read", "predictions:hold"],
    control: ["predictions:read"],
  });
  const terms: ReviewWorld["terms"] = new Map();
  const records: OversightDeps["records"] = {
    ofBlock: (call, block) => readBlock(predictions, call, block),
    find: async (_call, id) => {
      try {
        return await getPrediction(predictions, aCall({ roles: ["control"] }), id);
      } catch (error) {
        if (isPortolanError(error) && error.code === "kernel.not_found") return undefined;
        throw error;
      }
    },
  };
  const charters = { termsFor: async (_call: CallContext, useCaseId: string) => terms.get(useCaseId) };
  const common = { work: db.uow, recordBatch: recordBatchDigest, records };
  const predictions: PredictionsDeps = createPredictionsDeps(
    {
      uow: db.uow,
      authorizer,
      clock,
      recordBatch: recordBatchDigest,
      onAccepted: (call, blocks) => queueBlocks({ ...common, charters }, call, blocks),
      onErased: eraseReviews,
      onExpired: expireReviews,
    },
    folder,
  );
  return {
    db,
    clock,
    predictions,
    terms,
    oversight: {
      ...common,
      authorizer,
      clock,
      labels: { add: addLabelOfPerson, join: (call) => joinLabels(predictions, call) },
    },
    [Symbol.asyncDispose]: async () => {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const person = (id: string) => aCall({ id, roles: ["reviewer"] });
const gateway = () => aCall({ kind: "service_account", id: "sa_gateway", roles: ["gateway"] });

export interface Delivered {
  /** In the order of the answers. */
  readonly ids: readonly string[];
  /** The same blocks once more, as after a crash. */
  readonly again: () => Promise<void>;
}

/** Answers as a gateway writes and delivers them. */
export async function deliver(
  { predictions, clock }: Pick<ReviewWorld, "predictions" | "clock">,
  answers: readonly RecordOptions[],
): Promise<Delivered> {
  const folder = await mkdtemp(join(tmpdir(), "answers-"));
  try {
    const writer = await openPredictionWriter({
      folder,
      writerId: newId("writer", systemClock.now()),
      clock: systemClock,
      reserveBytes: 4096,
    });
    const ids: string[] = [];
    for (const answer of answers) {
      const { header, payload } = aRecord(answer);
      const { context, principal, requestId, receivedAt, latency, status } = header;
      const record: PredictionRecord = {
        context,
        principal,
        requestId,
        latency,
        status,
        ...payload,
        receivedAt: asEpochMicros(receivedAt),
        subject: "somebody",
      };
      ids.push(await writer.append(record, { durability: "buffered" }));
    }
    await writer.close();
    const blocks: Buffer[] = [];
    const shipper = createShipper({
      folder,
      pollMs: 5,
      deliver: async (bytes) => {
        blocks.push(Buffer.from(bytes));
        return { kind: "accepted" };
      },
    });
    await shipper.flush();
    await shipper.close();
    const again = async () => {
      for (const block of blocks) {
        // Control anchors once a second.
        clock.advance(2_000_000);
        await acceptBlocks(predictions, gateway(), block);
      }
    };
    await again();
    return { ids, again };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
