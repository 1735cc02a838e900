import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, type CallContext, type Clock, newId, systemClock } from "@portolan/kernel";
import { recordBatchDigest } from "@portolan/ledger";
import { openFolderObjectStore } from "@portolan/objectstore";
import {
  createPredictionsDeps,
  type PredictionContext,
  type PredictionsDeps,
  predictionsMigrations,
  readColumn,
} from "@portolan/predictions";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import {
  aCall,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { monitoringMigrations, type PerformanceBounds, type PerformanceDeps } from "../src/index.ts";

/** A database with what a gateway delivers and what applications report, as control has it. */
export interface AnsweredWorld extends AsyncDisposable {
  readonly db: TestDatabase;
  readonly predictions: PredictionsDeps;
  readonly performance: PerformanceDeps;
  /** May read and report outcomes everywhere. */
  person(): CallContext;
  gateway(): CallContext;
}

export async function openAnsweredWorld(clock: Clock, bounds: PerformanceBounds): Promise<AnsweredWorld> {
  const db = await openTestDatabase({
    migrations: [predictionsMigrations, { ...monitoringMigrations, after: [] }],
    clock,
  });
  const folder = await mkdtemp(join(tmpdir(), "accepted-"));
  const authorizer = testAuthorizer({
    gateway: ["predictions:deliver"],
    judge: ["outcomes:read"],
    person: [
      "predictions:read",
      "outcomes:read",
      "outcomes:write",
      "predictions:erase",
      "alerts:read",
      "alerts:manage",
    ],
  });
  const predictions = createPredictionsDeps(
    { uow: db.uow, authorizer, clock, recordBatch: recordBatchDigest },
    folder,
  );
  return {
    db,
    predictions,
    performance: {
      work: db.uow,
      authorizer,
      clock,
      objects: await openFolderObjectStore(join(folder, "objects"), clock),
      bounds,
      columns: { read: (call, ids, column, place) => readColumn(predictions, call, ids, column, place) },
    },
    person: () => aCall({ roles: ["person"] }),
    gateway: () => aCall({ kind: "service_account", id: "sa_gateway", roles: ["gateway"] }),
    [Symbol.asyncDispose]: async () => {
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One prediction as its gateway answered it. */
export interface Answer {
  /** Epoch microseconds. */
  readonly at: number;
  readonly score: number;
  /** Of a ranking the scores of its rows, instead. */
  readonly scores?: readonly number[];
  /** Tensors of the request; of a ranking with as many rows as there are scores. */
  readonly inputs?: Readonly<Record<string, readonly (string | number)[]>>;
  readonly features?: Readonly<Record<string, string | number>>;
  readonly status?: "ok" | "error";
}

export interface Delivery {
  /** In the order of the answers. */
  readonly ids: readonly string[];
  /** Closed blocks of one writer, ready to be accepted. */
  readonly blocks: readonly Buffer[];
}

/** Writes answers into a log of its own, as a gateway does. */
export async function deliveryOf(
  answers: readonly Answer[],
  over: Partial<PredictionContext> & { readonly endpoint: string },
): Promise<Delivery> {
  const folder = await mkdtemp(join(tmpdir(), "answers-"));
  try {
    const writerId = newId("writer", systemClock.now());
    const writer = await openPredictionWriter({ folder, writerId, clock: systemClock, reserveBytes: 4096 });
    const context = contextOf(over);
    const ids: string[] = [];
    for (const answer of answers)
      ids.push(await writer.append(recordOf(context, answer), { durability: "buffered" }));
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
    return { ids, blocks };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function contextOf(over: Partial<PredictionContext> & { readonly endpoint: string }): PredictionContext {
  return {
    organisationId: testOrganisation,
    useCaseId: "uc_1",
    environment: "production",
    model: { name: "delays", version: "7", digest: `sha256:${"ab".repeat(32)}` },
    variant: "champion",
    snapshotVersion: 1,
    costTags: {},
    ...over,
  };
}

function recordOf(context: PredictionContext, answer: Answer) {
  const { at, features = {}, inputs = {}, scores = [0], status = "ok" } = answer;
  const body = (value: object) => ({
    mediaType: "application/json",
    bytes: Buffer.from(JSON.stringify(value)),
  });
  const tensors = Object.entries(inputs).map(([name, data]) => ({
    name,
    datatype: typeof data[0] === "string" ? "BYTES" : "FP32",
    shape: [scores.length, data.length / scores.length],
    data,
  }));
  return {
    context,
    principal: "sa_1",
    requestId: "req-1",
    receivedAt: asEpochMicros(at),
    latency: { totalMicros: 50 },
    status:
      status === "ok"
        ? ({ kind: "ok" } as const)
        : ({ kind: "error", httpStatus: 500, reason: "serving.failed" } as const),
    features: Object.entries(features).map(([name, value]) => ({ name, value, source: "online" as const })),
    ...(tensors.length > 0 ? { inputs: body({ inputs: tensors }) } : {}),
    outputs: body({ outputs: outputsOf(answer) }),
  };
}

function outputsOf({ score, scores }: Answer): object[] {
  if (scores) return [{ name: "scores", datatype: "FP32", shape: [scores.length, 1], data: scores }];
  return [
    { name: "label", datatype: "INT64", shape: [1], data: [Number(score >= 0.5)] },
    { name: "probabilities", datatype: "FP32", shape: [1, 2], data: [1 - score, score] },
  ];
}
