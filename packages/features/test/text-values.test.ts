import { join } from "node:path";
import type { Digest } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import { computeOnDemand } from "../src/on-demand/compute-on-demand.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import { findView } from "../src/store.ts";
import { onDemandPlanOf } from "../src/view-model.ts";
import { publishView } from "../src/views.ts";
import {
  type AccountsFixture,
  accountsFixture,
  accountsView,
  type Change,
  changesContract,
  minute,
} from "./accounts-fixture.ts";
import { allowParity, readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F74, end to end: a text in the log, in a training set, online, and derived again. */

const document = accountsView
  .replace("name: accounts", "name: carriers")
  .replace("features:", "request:\n  - { name: asked, type: text }\nfeatures:")
  .concat(
    "  - { name: carrier, value: carrier }\n  - { name: size, value: \"if(cents > 100, 'large', 'small')\" }\n",
    "  - { name: is_asked, onDemand: carrier = asked }\n",
  );

interface Flown extends Change {
  readonly carrier?: string;
}

/** 255 bytes of UTF-8, in characters of one, two and four bytes; and the same with one more. */
const longest = "a" + "\u00e9".repeat(3) + "\u{1f6eb}".repeat(62);
const tooLong = `${longest}b`;
const carriers: Readonly<Record<string, string>> = {
  empty: "",
  composed: "\u00e9",
  decomposed: "e\u0301",
  number: "7",
  quoted: "it's \"\\",
  longest,
};

let f: AccountsFixture;
beforeAll(async () => {
  f = await accountsFixture(undefined, (contract) =>
    contract.replace(
      "      - { name: cents,",
      "      - { name: carrier, logicalType: string }\n      - { name: cents,",
    ),
  );
  expect(changesContract).toContain("- { name: cents,");
  await publishView(f.deps, f.call, "carriers", { document });
  const flown: Flown[] = [
    ...Object.entries(carriers).map(([account, carrier]) => ({ account, at: 0, cents: 1, carrier })),
    { account: "long", at: 0, cents: 101, carrier: tooLong },
    { account: "none", at: 0, cents: 1 },
    { account: "corrected", at: 0, carrier: "AA" },
    { account: "corrected", at: 0, known: 5, carrier: "DL" },
  ];
  await f.changes("one.jsonl", ...flown);
  const started = await startMaterialization(f.deps, f.call, "carriers", {
    environment: "dev",
    asOf: minute(10),
  });
  const done = await waitFor(
    () => readMaterialization(f.deps, f.call, started.id),
    ({ state }) => state === "done" || state === "failed",
  );
  expect(done.state).toBe("done");
  const rows = [...Object.keys(carriers), "long", "none", "corrected", "nobody"];
  await f.payments("payments.jsonl", ...rows.map((account) => ({ account, at: 20 })));
});
afterAll(() => f.close());

const stored = async () => {
  const { organisationId } = f.call.actor;
  const found = await f.deps.uow.read(f.call, (sql) => findView(sql, organisationId, "carriers"));
  if (!found) throw new Error("no view");
  return {
    view: found,
    key: { organisationId, environment: "dev", view: "carriers@1", digest: found.digest },
  };
};

test("online is the text to the last byte, and one of more than 255 bytes is null, never a part of it (F74)", async () => {
  const { key } = await stored();
  for (const [account, carrier] of Object.entries(carriers)) {
    const { values } = await readOnline(f, key, [account], minute(10));
    expect(values["carrier"]).toEqual({ value: carrier, status: "present" });
    expect(values["size"]).toEqual({ value: "small", status: "present" });
  }
  for (const account of ["long", "none"])
    expect((await readOnline(f, key, [account], minute(10))).values["carrier"]).toEqual({
      value: null,
      status: "null",
    });
  expect((await readOnline(f, key, ["long"], minute(10))).values["size"]?.value).toBe("large");
  expect((await readOnline(f, key, ["corrected"], minute(4))).values["carrier"]?.value).toBeNull();
  expect((await readOnline(f, key, ["corrected"], minute(10))).values["carrier"]?.value).toBe("DL");
});

test("the ledger says how many texts of a dataset were too long", async () => {
  const appended = (await f.ledger()).filter(
    ({ event, row }) => event === "features.log.appended" && row.includes('"view":"carriers@1"'),
  );
  expect(appended.map(({ row }) => /"longTexts":(\d+)/.exec(row)?.[1])).toEqual(["1"]);
});

test("a training set has the same texts as a column of texts, and those of on-demand features", async () => {
  const set = await f.trainingSet({
    name: "payments",
    environment: "dev",
    contract: "payments",
    from: minute(0),
    to: minute(60),
    sampleEvery: 1,
    views: [{ view: "carriers", entity: {}, request: { asked: "account" } }],
    request: [],
    label: { name: "paid", expression: "amount" },
  });
  expect(set).toMatchObject({
    state: "ready",
    manifest: {
      parity: { mismatches: 0 },
      features: ["balance", "rating", "is_overdrawn", "carrier", "size", "is_asked"],
    },
  });
  const path = await f.deps.objects.localPath(set.manifest?.object as Digest);
  const read = await f.deps.engine.run({
    statements: [
      {
        sql: `select carrier, typeof(carrier) as type, is_asked from read_parquet('${path}') order by _row`,
        returns: "rows",
      },
    ],
    readable: [path],
    workFolder: join(f.folder, "look"),
  });
  const rows = read.rows["rows"] ?? [];
  expect(rows.map((row) => row["carrier"])).toEqual([...Object.values(carriers), null, null, "DL", null]);
  expect(new Set(rows.map((row) => row["type"]))).toEqual(new Set(["VARCHAR"]));
  expect(
    rows.map((row) => row["is_asked"] ?? null).map((cell) => (cell === null ? null : Number(cell))),
  ).toEqual([...Object.values(carriers).map(() => 0), null, null, 0, null]);
});

test("what is computed on demand reads the text that is online", async () => {
  const { view, key } = await stored();
  const plan = onDemandPlanOf(view.body);
  expect(plan?.texts).toEqual(["carrier", "size"]);
  if (!plan) throw new Error("it computes nothing on demand");
  const { values } = await readOnline(f, key, ["decomposed"], minute(10));
  const asked = (carrier: string) => computeOnDemand(plan).valuesOf({ asked: carrier }, values)["is_asked"];
  expect(asked("e\u0301")).toEqual({ value: 1, status: "present" });
  // Another normal form is another text.
  expect(asked("\u00e9")).toEqual({ value: 0, status: "present" });
});

test("a text is no baseline: what is measured beside a model is a number", async () => {
  const set = await f.trainingSet({
    name: "payments",
    environment: "dev",
    contract: "payments",
    from: minute(0),
    to: minute(60),
    sampleEvery: 1,
    views: [{ view: "carriers", entity: {}, request: { asked: "account" } }],
    request: [],
    label: { name: "paid", expression: "amount" },
    baseline: "carrier",
  });
  expect(set).toMatchObject({ state: "failed" });
  expect(JSON.stringify(set)).toContain("is a text");
});

test("what was served is derived again as the same text", async () => {
  await allowParity(f);
  const { rows } = await replayValues(f.deps, f.call, "carriers", {
    environment: "dev",
    purpose: "parity",
    rows: [...Object.keys(carriers), "long", "nobody"].map((account) => ({
      key: [account],
      at: minute(10),
      servedAt: Number(f.db.clock.now()),
      request: { asked: "7" },
    })),
  });
  const said = rows.map((answers) => new Set(answers.map(({ values }) => values["carrier"])));
  expect(said).toEqual([...Object.values(carriers), null, null].map((carrier) => new Set([carrier])));
  expect(rows.map((answers) => answers.at(-1)?.statuses["carrier"])).toEqual([
    ...Object.keys(carriers).map(() => "present"),
    "null",
    "not_found",
  ]);
});
