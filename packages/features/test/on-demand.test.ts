import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { publishView, readTrainingSetColumns } from "../src/index.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { computeOnDemand } from "../src/on-demand/compute-on-demand.ts";
import { readFeatureView } from "../src/read-view.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import type { TrainingSetRequest } from "../src/resources.ts";
import { findView } from "../src/store.ts";
import { trainingSetPlan } from "../src/training-set-plan.ts";
import { onDemandPlanOf } from "../src/view-model.ts";
import { type AccountsFixture, accountsFixture, accountsView, minute } from "./accounts-fixture.ts";
import { allowParity, readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F61 to F63, end to end: one definition in a training set, for a request, and in its replay. */

const document = accountsView
  .replace("name: accounts", "name: spending")
  .replace(
    "features:",
    "request:\n  - { name: amount, type: float }\n  - { name: paid_at, type: instant }\nfeatures:",
  )
  .concat(
    "  - { name: share, onDemand: amount / balance }\n  - { name: paid_hour, onDemand: hour(paid_at) }\n",
  );

let f: AccountsFixture;
beforeAll(async () => {
  f = await accountsFixture();
  await publishView(f.deps, f.call, "spending", { document });
  await f.changes("one.jsonl", { account: "a", at: 0, cents: 100 }, { account: "b", at: 0, cents: 0 });
  const started = await startMaterialization(f.deps, f.call, "spending", {
    environment: "dev",
    asOf: minute(10),
  });
  await waitFor(
    () => readMaterialization(f.deps, f.call, started.id),
    ({ state }) => state === "done" || state === "failed",
  );
  await f.payments(
    "payments.jsonl",
    { account: "a", at: 20 },
    { account: "b", at: 59 },
    { account: "nobody", at: 30 },
  );
});
afterAll(() => f.close());

const request = (fields: Readonly<Record<string, string>>): TrainingSetRequest => ({
  name: "payments",
  environment: "dev",
  contract: "payments",
  from: minute(0),
  to: minute(60),
  sampleEvery: 1,
  views: [{ view: "spending", entity: {}, request: fields }],
  request: [],
  label: { name: "paid", expression: "amount" },
});

test("a training set derives request fields from its rows, and what is not found has no feature", async () => {
  const set = await f.trainingSet(request({ amount: "amount * 25", paid_at: "at" }));
  expect(set).toMatchObject({ state: "ready", manifest: { parity: { mismatches: 0 } } });
  const { manifest, columns } = await readTrainingSetColumns(f.deps, f.call, set.id);
  expect(manifest.features).toEqual(["balance", "rating", "is_overdrawn", "share", "paid_hour"]);
  // In the order of their moments: a, nobody, b. Nothing is divided by zero.
  expect(columns["share"]).toEqual(Float64Array.of(0.25, Number.NaN, Number.NaN));
  expect(columns["paid_hour"]).toEqual(Float64Array.of(0, Number.NaN, 0));
});

test("a field that the rows do not have, or not of its type, is refused with what to write", () => {
  const view = readFeatureView(document, "spending.yaml", () => ({
    account: "text",
    at: "instant",
    known: "instant",
    op: "text",
    cents: "int",
    rating: "float",
  }));
  const planned = (fields: Readonly<Record<string, string>>) => () =>
    trainingSetPlan({
      request: request(fields),
      views: [view],
      columns: { account: "text", at: "instant", amount: "int" },
      eventTime: "at",
      dataset: "payments.parquet",
      logs: { 0: [] },
      output: "",
    });
  expect(planned({ amount: "at", paid_at: "at" })).toThrow(/amount of spending is float, and at is instant/);
  expect(planned({ amount: "amount" })).toThrow(/no column paid_at/);
  expect(planned({ amount: "amount", paid_at: "at", more: "1" })).toThrow(/no request field more/);
});

test("what a request was answered with is derived again from its fields", async () => {
  const { organisationId } = f.call.actor;
  const stored = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "spending"));
  const plan = stored && onDemandPlanOf(stored.body);
  if (!stored || !plan) throw new Error("it is not published");
  const view = { organisationId, environment: "dev", view: "spending@1", digest: stored.digest };
  const online = await readOnline(f, view, ["a"], minute(20));
  const paid = { amount: 0.1, paid_at: minute(20) };
  const served = computeOnDemand(plan).valuesOf({ ...paid, paid_at: BigInt(paid.paid_at) }, online.values);
  const ask = (fields: Readonly<Record<string, number | string>>) =>
    replayValues(f.deps, f.call, "spending", {
      environment: "dev",
      purpose: "parity",
      rows: [
        {
          key: ["a"],
          at: minute(20),
          servedAt: asEpochMicros(Number(f.db.clock.now()) + 5_000_000),
          request: fields,
        },
      ],
    });
  await allowParity(f);
  const { rows } = await ask(paid);
  expect(rows[0]?.at(-1)?.values).toMatchObject({
    share: served["share"]?.value,
    paid_hour: 0,
    balance: 100,
  });
  expect(served["share"]).toEqual({ value: 0.1 / 100, status: "present" });
  await expect(ask({ amount: 1 })).rejects.toThrow(/no request field paid_at that is instant/);
  await expect(ask({ amount: "1", paid_at: minute(20) })).rejects.toThrow(/amount that is float/);
});
