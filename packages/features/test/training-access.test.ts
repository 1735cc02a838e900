import { publishAccessPolicy } from "@portolan/data";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { withdrawAccessPolicy } from "../../data/src/access/access-policies.ts";
import { startTrainingSet } from "../src/index.ts";
import type { TrainingSetRequest } from "../src/resources.ts";
import { type AccountsFixture, accountsFixture, minute } from "./accounts-fixture.ts";

let f: AccountsFixture;
const inForce = new Set<string>();
beforeAll(async () => {
  f = await accountsFixture();
  await f.changes("changes.jsonl", { account: "a", at: 0, cents: 7 }, { account: "vip", at: 0, cents: 9 });
  const at = [1, 2, 3];
  await f.payments(
    "payments.jsonl",
    ...at.flatMap((moment) => ["a", "b", "vip"].map((account) => ({ account, at: moment }))),
  );
});
beforeEach(async () => {
  for (const name of inForce) await withdrawAccessPolicy(f.deps, f.call, name);
  inForce.clear();
});
afterAll(() => f.close());

const policy = async (name: string, text: string) => {
  await publishAccessPolicy(f.deps, f.call, name, `kind: AccessPolicy\nname: ${name}\n${text}`);
  inForce.add(name);
};
const request: TrainingSetRequest = {
  name: "payments",
  environment: "dev",
  contract: "payments",
  from: minute(1),
  to: minute(3),
  sampleEvery: 1,
  views: [],
  request: [{ name: "paid", expression: "amount" }],
  label: { name: "big", expression: "amount > 5" },
  attributes: [{ name: "who", expression: "account" }],
};
const balances = { ...request, views: [{ view: "accounts", entity: {} }] };
const whole = "effect: allow\npurposes: [training]\n";
const refused = (detail: string) => ({
  code: "data.access_denied",
  detail: expect.stringContaining(detail) as string,
});
const built = async (asked: TrainingSetRequest) => {
  const { manifest, failure } = await f.trainingSet(asked);
  if (!manifest) throw new Error(failure);
  return { manifest, rows: await f.rowsOf(manifest.object) };
};

test("a set of contracts of which no policy speaks is built whole, and its manifest says that nothing was applied", async () => {
  const { manifest, rows } = await built(balances);
  expect(rows).toHaveLength(6);
  expect(manifest.access).toEqual({
    purpose: "training",
    policies: [],
    masks: [],
    hidden: [],
    rowFilters: [],
    rowsKeptBack: 0,
  });
});

test("what no policy allows for the purpose is in no set, also after what was allowed has expired; each refusal is on the ledger", async () => {
  await policy("care", "effect: allow\npurposes: [care]\ncontracts: [payments]\n");
  const start = (asked: TrainingSetRequest) => startTrainingSet(f.deps, f.call, asked);
  await expect(start(request)).rejects.toMatchObject(refused("for the purpose training"));
  const { manifest } = await built({ ...request, purpose: "care" });
  expect(manifest).toMatchObject({ rowsAfter: 6, access: { purpose: "care", policies: ["care"] } });
  await policy("care", "effect: allow\npurposes: [care]\nexpires: 2020-01-01T00:00:00Z\n");
  await expect(start({ ...request, purpose: "care" })).rejects.toMatchObject(refused("no policy allows"));
  const last = (await f.ledger()).filter(({ event }) => event === "data.dataset.read_refused");
  expect(last.map(({ row }) => row).join()).toContain('"purpose":"training"');
});

test("entity rows are filtered and masked before anything is made of them, and the manifest says which and how many", async () => {
  await policy(
    "people",
    `${whole}contracts: [payments]\nrows: account <> 'vip'\nmasks: [{ columns: [account], with: pseudonym }]\n`,
  );
  const { manifest, rows } = await built(request);
  expect(manifest).toMatchObject({
    rowsBefore: 4,
    rowsAfter: 4,
    access: {
      policies: ["people"],
      masks: [{ column: "account", with: "pseudonym", by: "people" }],
      rowFilters: ["people"],
      rowsKeptBack: 2,
    },
  });
  const seen = rows.map((row) => String(row["who"]));
  expect(new Set(seen).size).toBe(2);
  for (const who of seen) expect(who).toMatch(/^p[0-9a-f]{32}$/);
  const published = (await f.ledger()).findLast(({ event }) => event === "features.training_set.published");
  expect(published?.row).toContain('"policies":["people"]');
});

test("what is masked or hidden is no label, no feature and no key: the refusal names the column and the policy", async () => {
  const start = (asked: TrainingSetRequest) => startTrainingSet(f.deps, f.call, asked);
  await policy("all", whole);
  await policy(
    "amounts",
    "effect: restrict\ncontracts: [payments]\nmasks: [{ columns: [amount], with: hash }]\n",
  );
  await expect(start(request)).rejects.toMatchObject(
    refused("paid reads amount, which amounts masks (hash)"),
  );
  await policy("amounts", "effect: deny\ncontracts: [payments]\ncolumns: [amount]\n");
  await expect(start(request)).rejects.toMatchObject(
    refused("amount, which may not be read: amounts denies it"),
  );
  await policy(
    "amounts",
    "effect: restrict\ncontracts: [payments]\nmasks: [{ columns: [account], with: partial }]\n",
  );
  await expect(start(balances)).rejects.toMatchObject(refused("the key account of accounts reads account"));
  await policy(
    "amounts",
    "effect: restrict\ncontracts: [payments]\nmasks: [{ columns: [at], with: year }]\n",
  );
  await expect(start(request)).rejects.toMatchObject(refused("the moment of a row reads at"));
});

test("values of a view are taken as they are or not at all: no filter or mask of its source changes them", async () => {
  const start = (asked: TrainingSetRequest) => startTrainingSet(f.deps, f.call, asked);
  await policy("all", whole);
  const { manifest, rows } = await built(balances);
  expect(manifest).toMatchObject({ rowsAfter: 6, access: { policies: ["all"], rowsKeptBack: 0 } });
  expect(rows.filter((row) => Number(row["balance"]) === 9)).toHaveLength(2);
  for (const limit of [
    "rows: account <> 'vip'",
    "masks: [{ columns: [cents], with: 'null' }]",
    "minGroup: { rows: 2, over: [account] }",
  ]) {
    await policy("changes", `effect: restrict\ncontracts: [changes]\n${limit}\n`);
    await expect(start(balances)).rejects.toMatchObject(refused("accounts@1 may not be taken: "));
    expect((await built(request)).manifest.rowsAfter).toBe(6);
  }
});
