import type { CallContext, Digest, Environment } from "@portolan/kernel";
import { asEpochMicros } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import type { FeatureValue, StoredPrediction } from "@portolan/predictions/contract";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type ExplainPredictionDeps, explainPrediction } from "../src/explain/explain-prediction.ts";
import type { ExplainDeps, ExplainedRow, ExplainRequest } from "../src/explain/ports.ts";
import { insertBackground } from "../src/explain/store.ts";
import { evaluationMigrations } from "../src/index.ts";

const digest = (digits: string): Digest => `sha256:${digits.repeat(32)}` as Digest;
const artifact = digest("ab");
const row: ExplainedRow = {
  method: "tree_shap",
  target: "1",
  unit: "log_odds",
  score: 1,
  expected: 0.5,
  contributions: [],
  othersContribution: 0.5,
  counterfactualSearch: "none",
  reproduced: "exactly",
};

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [ledgerMigrations, { ...evaluationMigrations, after: [] }] });
});
afterAll(() => db.close());

/** What the process that explains would be asked. */
let requests: ExplainRequest[] = [];
let prediction: StoredPrediction;
let fillings: Awaited<ReturnType<ExplainDeps["deployments"]["fillings"]>> = [];
let askedFillings: unknown;

beforeEach(() => {
  requests = [];
  fillings = [];
  prediction = aPrediction();
});

function aPrediction(change: Partial<StoredPrediction["header"]["context"]> = {}): StoredPrediction {
  const body = { mediaType: "application/json", bytes: Buffer.from('{"inputs":[]}') };
  return {
    header: {
      id: "prd_1",
      context: {
        organisationId: testOrganisation,
        useCaseId: "uc_1",
        endpoint: "delays",
        environment: "production",
        model: { name: "delays", version: "1", digest: artifact },
        variant: "champion",
        snapshotVersion: 7,
        costTags: {},
        ...change,
      },
      principal: "usr_1",
      requestId: "req_1",
      receivedAt: asEpochMicros(1),
      latency: { totalMicros: 1 },
      status: { kind: "ok" },
    },
    payload: { inputs: body, outputs: { ...body, bytes: Buffer.from('{"outputs":[]}') } },
  } as StoredPrediction;
}

function explain(call: CallContext = aCall()) {
  const deps: ExplainPredictionDeps = {
    work: db.uow,
    predictions: { get: () => Promise.resolve(prediction) },
    deployments: {
      fillings: (_: CallContext, asked: unknown) => {
        askedFillings = asked;
        return Promise.resolve(fillings);
      },
    },
    explainer: {
      explain: (request: ExplainRequest) => {
        requests.push(request);
        return Promise.resolve(row);
      },
    },
  };
  const asked = { row: 0, top: 5, fixed: [] };
  return explainPrediction(deps, call, "prd_1", asked, new AbortController().signal);
}

async function background(
  name: string,
  change: {
    readonly environment?: Environment;
    readonly organisation?: string;
    readonly version?: number;
    readonly artifact?: string;
    readonly at?: number;
  } = {},
): Promise<string> {
  const made = digest(name);
  await db.uow.write(aCall(), (tx) =>
    insertBackground(tx.sql, {
      organisation_id: change.organisation ?? testOrganisation,
      version_id: `mv_${change.version ?? 1}`,
      model: "delays",
      version: change.version ?? 1,
      artifact: change.artifact ?? artifact,
      digest: made,
      training_set_id: `ts_${name}`,
      environment: change.environment ?? "production",
      rows: 10,
      created_by: "usr_1",
      created_at: change.at ?? 1,
    }),
  );
  return made;
}

test("without a background of its own version a prediction is not explained: another organisation's, version's, model's or an earlier environment's is none", async () => {
  await background("01", { organisation: "org_other" });
  await background("02", { version: 2 });
  await background("03", { artifact: digest("cd") });
  await background("04", { environment: "dev", at: 9 });
  await expect(explain()).rejects.toMatchObject({ code: "evaluation.no_background" });
  expect(requests).toEqual([]);
  // What was made in dev explains what was asked in dev.
  prediction = aPrediction({ environment: "dev" });
  expect((await explain()).background).toMatchObject({ trainingSetId: "ts_04" });
});

test("the newest of its version counts, and says which rows it was made of", async () => {
  await background("05", { at: 20 });
  const newest = await background("06", { at: 30 });
  const found = await explain();
  expect(found).toMatchObject({
    predictionId: "prd_1",
    model: { name: "delays", version: "1", digest: artifact },
    background: { digest: newest, trainingSetId: "ts_06", rows: 10 },
    score: 1,
  });
  expect(requests).toMatchObject([
    {
      organisationId: testOrganisation,
      model: artifact,
      background: newest,
      recorded: { kind: "body", text: '{"inputs":[]}' },
      answer: '{"outputs":[]}',
    },
  ]);
});

test("values that the gateway filled in go to the cells of a deployment that the prediction's snapshot could have", async () => {
  const value = (name: string, of: number): FeatureValue => ({ name, value: of, source: "online" });
  const features = [value("v@1.a", 1), value("v@1.b", 2), value("v@1.a", 3), value("v@1.b", 4)];
  const { payload = {} } = prediction;
  prediction = { ...prediction, payload: { ...payload, features } };
  const cell = (name: string, index: number) => ({ name, input: "x", index });
  fillings = [[cell("v@1.b", 0), cell("v@1.a", 1)], [cell("v@1.a", 1), cell("v@1.b", 0)], [cell("v@1.a", 0)]];
  await explain();
  expect(askedFillings).toEqual({
    environment: "production",
    endpoint: "delays",
    snapshotVersion: 7,
    artifact,
  });
  expect(requests[0]?.recorded).toEqual({ kind: "cells", cells: fillings[1], values: features });
  fillings = [[cell("w@1.a", 0), cell("v@1.b", 1)]];
  await expect(explain()).rejects.toMatchObject({ code: "evaluation.not_explainable" });
});

test.each([
  [
    "whose payload was erased",
    (one: StoredPrediction): StoredPrediction => ({ header: one.header, withheld: "erased" }),
    /erased/,
  ],
  [
    "that a rule answered",
    (one: StoredPrediction): StoredPrediction => {
      const { model: _, ...context } = one.header.context;
      return { ...one, header: { ...one.header, context } };
    },
    /no model of this platform answered it/,
  ],
  [
    "that was refused",
    (one: StoredPrediction): StoredPrediction => ({
      ...one,
      header: {
        ...one.header,
        status: { kind: "refused", httpStatus: 429, reason: "serving.rate_limited", count: 1 },
      },
    }),
    /no model of this platform answered it/,
  ],
  [
    "that came in binary",
    (one: StoredPrediction): StoredPrediction => ({
      ...one,
      payload: { ...one.payload, inputs: { mediaType: "application/octet-stream", bytes: new Uint8Array() } },
    }),
    /came as application\/octet-stream/,
  ],
])("a prediction %s is refused with the reason", async (_, change, detail) => {
  prediction = change(prediction);
  await expect(explain()).rejects.toMatchObject({
    code: "evaluation.not_explainable",
    detail: expect.stringMatching(detail) as string,
  });
});
