import { publishAccessPolicy } from "@portolan/data";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import { publishView } from "../src/index.ts";
import { startMaterialization } from "../src/materializations.ts";
import { type AccountsFixture, accountsFixture, accountsView, minute } from "./accounts-fixture.ts";
import { readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F70, F71: nothing that a policy denies, masks or filters reaches the online store. */
let f: AccountsFixture;
let digest: string;
beforeAll(async () => {
  f = await accountsFixture();
  ({ digest } = await publishView(f.deps, f.call, "accounts", {
    document: accountsView.replace("name: accounts\n", "name: accounts\nversion: 2\nonline: accepted\n"),
  }));
  await f.changes("first.jsonl", { account: "a", at: 0, cents: 7 });
});
afterAll(() => f.close());

const policy = (name: string, text: string) =>
  publishAccessPolicy(
    f.deps,
    f.call,
    name,
    `kind: AccessPolicy\nname: ${name}\ncontracts: [changes]\n${text}\n`,
  );
const start = (purpose?: string) =>
  startMaterialization(f.deps, f.call, "accounts", {
    environment: "dev",
    asOf: minute(1),
    ...(purpose === undefined ? {} : { purpose }),
  });
const refused = (detail: string) => ({
  code: "data.access_denied",
  detail: expect.stringContaining(detail) as string,
});
const balance = async (): Promise<unknown> => {
  const view = {
    organisationId: f.call.actor.organisationId,
    environment: "dev",
    view: "accounts@2",
    digest,
  } as const;
  return (await readOnline(f, view, ["a"], minute(30))).values?.["balance"]?.value;
};
const place = () => ({
  organisationId: f.call.actor.organisationId,
  contract: "changes",
  environment: "dev",
});

test("values go online for a purpose that a policy allows all of them for, their keys among them, and each refusal is on the ledger", async () => {
  await policy("care", "effect: allow\npurposes: [care]");
  await expect(start()).rejects.toMatchObject(
    refused(
      "accounts@2 may not go online: no column is allowed: no policy allows changes for the purpose serving",
    ),
  );
  for (const limit of [
    "masks: [{ columns: [account], with: pseudonym }]",
    "masks: [{ columns: [cents], with: hash }]",
    "rows: account <> 'vip'",
    "minGroup: { rows: 2, over: [account] }",
  ]) {
    await policy("limits", `effect: restrict\n${limit}`);
    await expect(start("care")).rejects.toMatchObject(refused("accounts@2 may not go online: "));
  }
  await policy("limits", "effect: deny\ncolumns: [rating]");
  await expect(start("care")).rejects.toMatchObject(refused("rating"));
  const refusals = (await f.ledger()).filter(({ event }) => event === "data.dataset.read_refused");
  expect(refusals).toHaveLength(6);
  expect(await balance()).toBeUndefined();

  // What no feature is made of may be hidden.
  await policy("limits", "effect: deny\ncolumns: [op]\npurposes: [marketing]");
  const { id, purpose } = await start("care");
  expect(purpose).toBe("care");
  const done = await waitFor(
    () => f.ledger(),
    (rows) => rows.some(({ event }) => event === "features.view.materialized"),
  );
  expect(
    done.find(({ event, subject }) => event === "features.view.materialized" && subject === id)?.row,
  ).toContain('"policies":["care"],"policyDigest":"sha256:');
  expect(await balance()).toBe(7);
});

test("what goes online by itself does so while a policy lets the platform: datasets that come, and accepted events", async () => {
  const early = f.deps.early;
  await early.look();
  expect(early.wants(place())).toBe(true);
  await f.changes("second.jsonl", { account: "a", at: 2, cents: 8 });
  await waitFor(balance, (now) => now === 8);

  await policy("limits", "effect: restrict\nmasks: [{ columns: [cents], with: hash }]");
  await early.look();
  expect(early.wants(place())).toBe(false);
  await f.changes("third.jsonl", { account: "a", at: 3, cents: 9 });
  const kept = await waitFor(
    () => f.ledger(),
    (rows) => rows.some(({ event }) => event === "features.log.kept_offline"),
  );
  expect(kept.find(({ event }) => event === "features.log.kept_offline")?.row).toContain("limits masks");
  expect(await balance()).toBe(8);

  // A policy about roles is none that the platform has.
  await policy("limits", "effect: restrict");
  await policy("care", "effect: allow\npurposes: [care]\nroles: [engineer]");
  await early.look();
  expect(early.wants(place())).toBe(false);
  await policy("care", "effect: allow\npurposes: [care]\nprincipals: [features]");
  await early.look();
  expect(early.wants(place())).toBe(true);
});
