import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  chooseBlocks,
  type Explainer,
  eraseExplanations,
  evaluationMigrations,
  explainPrediction,
  explanationFigures,
  type KeepDeps,
  keepExplanations,
} from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { countCovers } from "@portolan/explanations";
import {
  asEpochMicros,
  type CallContext,
  type Digest,
  newId,
  type ObjectStore,
  systemActor,
  systemClock,
} from "@portolan/kernel";
import { ledgerMigrations, recordBatchDigest } from "@portolan/ledger";
import { openFolderObjectStore } from "@portolan/objectstore";
import { createSession } from "@portolan/onnx/session";
import { readOnnxModel, readTreeEnsemble, signatureOf } from "@portolan/onnx-format";
import { logisticModel, treesModel } from "@portolan/onnx-format/testing";
import {
  acceptBlocks,
  createPredictionsDeps,
  erasePredictions,
  type PredictionRecord,
  type PredictionsDeps,
  predictionsMigrations,
  readBlock,
} from "@portolan/predictions";
import { createShipper, openPredictionWriter } from "@portolan/predictions/log";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createChildExplainer } from "../src/explaining/child-explainer.ts";
import { recordsForReaders } from "../src/wiring/explaining.ts";

const columns = ["a", "b", "c"];
const clock = fakeClock();
const gateway = aCall({ kind: "service_account", id: "sa_gateway", roles: ["gateway"] });
const models = { linear: logisticModel([2, -1, 0.5], 0.1), trees: treesModel(20, columns.length, 4) };
type Name = keyof typeof models;

let folder: string;
let db: TestDatabase;
let objects: ObjectStore;
let explainer: Explainer;
let predictions: PredictionsDeps;
let call: CallContext;
/** What the charter has explained without anybody asking. */
let terms: { share: number; top: number; fixed: string[] } | undefined = { share: 1, top: 2, fixed: ["c"] };
const made = new Map<Name, { readonly model: Digest; readonly background: Digest }>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kept-"));
  db = await openTestDatabase({
    migrations: [ledgerMigrations, predictionsMigrations, { ...evaluationMigrations, after: [] }],
    clock,
  });
  call = { actor: systemActor("control", testOrganisation), requestId: newId("request", clock.now()) };
  objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  explainer = createChildExplainer(objects);
  predictions = createPredictionsDeps(
    {
      uow: db.uow,
      authorizer: testAuthorizer({
        gateway: ["predictions:deliver"],
        admin: ["predictions:erase", "predictions:read"],
      }),
      clock,
      recordBatch: recordBatchDigest,
      onAccepted: (from, blocks) =>
        chooseBlocks({ work: db.uow, charters: { termsFor: async () => terms } }, from, blocks),
      onErased: eraseExplanations,
    },
    join(folder, "accepted"),
  );
  for (const name of ["linear", "trees"] as const) await makeBackground(name);
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

/** As a job makes it of training rows. */
async function makeBackground(name: Name): Promise<void> {
  const model = await objects.put(models[name]);
  const ensemble = readTreeEnsemble(models.trees);
  if (!ensemble) throw new Error("no trees");
  const rows = Float32Array.from({ length: 3000 }, (_, at) => ((at * 7919) % 1000) / 1000);
  const counted =
    name === "trees"
      ? { covers: countCovers(ensemble, rows, columns.length).map((counts) => [...counts]) }
      : { means: [0.5, 0.4, 0.3], spreads: [1, 1, 1] };
  const data = { trainingSetId: "ts_1", digest: model, rows: 1000, sampledEvery: 1 };
  const background: ExplanationBackground = { format: 1, model, data, columns, ...counted };
  const digest = await objects.put(Buffer.from(JSON.stringify(background)));
  made.set(name, { model, background: digest });
  const values = [testOrganisation, name, model, digest];
  await db.database.session((session) =>
    session.query(
      `insert into evaluation.explanation_backgrounds
         (organisation_id, version_id, model, version, artifact, digest, training_set_id, environment, rows, created_by, created_at)
       values ($1, $2, $2, 1, $3, $4, 'ts_1', 'production', 1000, 'usr_1', 1)`,
      values,
    ),
  );
}

/** A request and what a gateway answered. */
async function aRecord(name: Name, rows: readonly (readonly number[])[]): Promise<PredictionRecord> {
  const session = await createSession(models[name], signatureOf(readOnnxModel(models[name])));
  const input = { name: "x", datatype: "FP32", shape: [rows.length, columns.length] } as const;
  const said = await session.run([{ ...input, data: Float32Array.from(rows.flat()) }]);
  const outputs = said.map(({ name: output, data }) => ({
    name: output,
    data: Array.from(data as Float32Array, Number),
  }));
  const body = (content: object) => ({
    mediaType: "application/json",
    bytes: Buffer.from(JSON.stringify(content)),
  });
  return {
    context: {
      organisationId: testOrganisation,
      useCaseId: "uc_1",
      endpoint: name,
      environment: "production",
      model: { name, version: "1", digest: made.get(name)?.model ?? "" },
      variant: "champion",
      snapshotVersion: 1,
      costTags: {},
    },
    principal: "sa_shop",
    requestId: "req-1",
    receivedAt: asEpochMicros(clock.now()),
    latency: { totalMicros: 50 },
    status: { kind: "ok" },
    inputs: body({ inputs: [{ ...input, data: rows.flat() }] }),
    outputs: body({ outputs }),
    subject: name === "trees" ? "somebody" : "somebody-else",
  };
}

/** Writes and delivers them as a gateway does; resolves to their ids, and what delivers them once more. */
async function deliver(
  records: readonly PredictionRecord[],
): Promise<{ ids: string[]; again: () => Promise<void> }> {
  const writerId = newId("writer", systemClock.now());
  const log = join(folder, writerId);
  const writer = await openPredictionWriter({
    folder: log,
    writerId,
    clock: systemClock,
    reserveBytes: 4096,
  });
  const ids: string[] = [];
  for (const record of records) ids.push(await writer.append(record, { durability: "buffered" }));
  await writer.close();
  const blocks: Buffer[] = [];
  const shipper = createShipper({
    folder: log,
    pollMs: 5,
    deliver: async (bytes) => {
      blocks.push(Buffer.from(bytes));
      return { kind: "accepted" };
    },
  });
  await shipper.flush();
  await shipper.close();
  const again = async () => {
    for (const block of blocks) await acceptBlocks(predictions, gateway, block);
  };
  clock.advance(2_000_000);
  await again();
  return { ids, again };
}

const keep = (explains: Pick<Explainer, "explainMany">, signal: AbortSignal): Promise<number> => {
  const deps: KeepDeps = {
    work: db.uow,
    clock,
    records: { ofBlock: (from, block) => readBlock(predictions, from, block) },
    deployments: { fillings: () => Promise.resolve([]) },
    explainer: explains,
    recordBatch: recordBatchDigest,
  };
  return keepExplanations(deps, call, signal);
};

const contents = async (): Promise<ReadonlyMap<string, string | null>> => {
  const rows = await db.database.session((session) =>
    session.query<{ prediction_id: string; content: string | null }>(
      "select prediction_id, content from evaluation.kept_explanations",
    ),
  );
  return new Map(rows.map(({ prediction_id, content }) => [prediction_id, content]));
};

test("accepted predictions are explained behind walls, each once, whatever is killed in between; each as if it had been explained alone; and go with their data subject", async () => {
  const rows = [0.1, 0.35, 0.6, 0.85].map((value) => [value, 1 - value, 0.5]);
  const records = [
    ...(await Promise.all(rows.map((row) => aRecord("trees", [row])))),
    await aRecord("linear", [
      [0.2, 0.3, 0.4],
      [0.9, 0.1, 0.5],
    ]),
    // What is recorded is no request that the model takes.
    {
      ...(await aRecord("linear", [[0.2, 0.3, 0.4]])),
      inputs: { mediaType: "application/json", bytes: Buffer.from("{}") },
    },
  ];
  const { ids, again } = await deliver(records);
  clock.advance(11_000_000);
  // The process of the first round is killed once it has told of one.
  const killed = new AbortController();
  const killing: Pick<Explainer, "explainMany"> = {
    explainMany: (request, found, signal) =>
      explainer.explainMany(
        request,
        (at, result) => {
          found(at, result);
          killed.abort();
        },
        signal,
      ),
  };
  await expect(keep(killing, killed.signal)).rejects.toThrow();
  expect([...(await contents()).values()]).toEqual(ids.map(() => null));
  const { signal } = new AbortController();
  expect(await keep(explainer, signal)).toBeGreaterThan(0);
  await again();
  while ((await keep(explainer, signal)) > 0);
  const figures = await db.uow.read(call, (read) => explanationFigures(read, testOrganisation, 0));
  const byEndpoint = figures.toSorted((a, b) => a.endpoint.localeCompare(b.endpoint));
  expect(
    byEndpoint.map(({ endpoint, explained, notExplainable, waiting }) => [
      endpoint,
      explained,
      notExplainable,
      waiting,
    ]),
  ).toEqual([
    ["linear", 1, 1, 0],
    ["trees", 4, 0, 0],
  ]);
  const kept = await contents();
  const linear = JSON.parse(kept.get(ids[4] ?? "") ?? "") as { rows: number; explained: object[] };
  expect([linear.rows, linear.explained.length]).toEqual([2, 2]);
  const [record] = records;
  const ofTrees = made.get("trees");
  if (!ofTrees) throw new Error("no trees");
  const alone = await explainer.explain(
    {
      organisationId: testOrganisation,
      ...ofTrees,
      recorded: { kind: "body", text: Buffer.from(record?.inputs?.bytes ?? []).toString() },
      answer: Buffer.from(record?.outputs?.bytes ?? []).toString(),
      row: 0,
      top: 2,
      fixed: ["c"],
    },
    signal,
  );
  const { explained } = JSON.parse(kept.get(ids[0] ?? "") ?? "") as { explained: object[] };
  expect(explained).toEqual([JSON.parse(JSON.stringify(alone))]);
  expect(alone.reproduced).toBe("exactly");
  await erasePredictions(predictions, aCall({ roles: ["admin"] }), { subject: "somebody" }, "asked for");
  expect([...(await contents()).keys()].toSorted()).toEqual(ids.slice(4).toSorted());
});

test("what somebody asked for is kept as well, once, by what it was first asked with, and goes with its prediction", async () => {
  terms = undefined;
  const { ids } = await deliver([await aRecord("trees", [[0.2, 0.7, 0.5]])]);
  const [id = ""] = ids;
  const { signal } = new AbortController();
  const reader = aCall({ roles: ["admin"] });
  const deps = {
    work: db.uow,
    predictions: recordsForReaders(predictions),
    deployments: { fillings: () => Promise.resolve([]) },
    explainer,
  };
  const explain = (more: { readonly top?: number; readonly again?: boolean }) =>
    explainPrediction(deps, reader, id, { row: 0, ...more }, signal);
  expect((await contents()).has(id)).toBe(false);
  const first = await explain({ top: 1 });
  expect(first.kept).toBeUndefined();
  expect(await readsOf(id)).toEqual([reader.actor.id]);
  await explain({ top: 3 });
  expect((await contents()).get(id)).toBeNull();
  clock.advance(11_000_000);
  while ((await keep(explainer, signal)) > 0);
  const again = await explain({ again: true });
  expect(again.kept).toMatchObject({ again: "bit_for_bit", top: 1, fixed: [] });
  expect(again.contributions).toEqual(first.contributions);
  await erasePredictions(predictions, reader, { subject: "somebody" }, "asked for");
  expect((await contents()).has(id)).toBe(false);
  // Nothing brings an explanation back of what is erased.
  await expect(explain({})).rejects.toMatchObject({ code: "evaluation.not_explainable" });
  expect((await contents()).has(id)).toBe(false);
});

test("what people ask for takes a part of the room, and leaves the rest to what charters ask for", async () => {
  terms = undefined;
  const row = [[0.2, 0.7, 0.5]];
  const records = [await aRecord("trees", row), await aRecord("trees", row), await aRecord("trees", row)];
  const { ids } = await deliver(records);
  const { signal } = new AbortController();
  // All three are of one row.
  let found: ReturnType<Explainer["explain"]> | undefined;
  const deps: Parameters<typeof explainPrediction>[0] = {
    work: db.uow,
    predictions: recordsForReaders(predictions),
    deployments: { fillings: () => Promise.resolve([]) },
    explainer: { explain: (asked) => (found ??= explainer.explain(asked, signal)) },
    mostAsked: 2,
  };
  for (const id of ids) await explainPrediction(deps, aCall({ roles: ["admin"] }), id, { row: 0 }, signal);
  const waiting = await contents();
  expect(ids.map((id) => waiting.has(id))).toEqual([true, true, false]);
  terms = { share: 1, top: 2, fixed: [] };
  const chosen = await deliver(records);
  const now = await contents();
  expect(chosen.ids.map((id) => now.has(id))).toEqual([true, true, true]);
});

/** Who read the record, as the ledger has it. */
async function readsOf(id: string): Promise<readonly unknown[]> {
  const rows = await db.database.session((session) =>
    session.query<{ actor: string }>(
      `select actor_id as actor from ledger.rows where event = 'predictions.records.read' and subject = $1`,
      [id],
    ),
  );
  return rows.map(({ actor }) => actor);
}
