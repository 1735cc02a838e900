import { createRelationReader } from "@portolan/postgresql";
import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findContract } from "../src/contracts/contract-store.ts";
import { ingestJob } from "../src/index.ts";
import { insertIngestion } from "../src/ingestion/ingestion-store.ts";
import { insertNotice } from "../src/notices/notice-store.ts";
import { readNotices } from "../src/notices/notices.ts";
import { type DataFixture, dataFixture, flightsCsv } from "./data-fixture.ts";

/** Who is told, by how many notices, and that no row of data is in what is kept for ever or leaves the house. */
let f: DataFixture;
beforeAll(async () => {
  f = await dataFixture();
  await f.publishFlights((text) =>
    text
      .replace(
        "roles:",
        "  - { channel: a, url: 'mailto:a@example.com' }\n  - { channel: b, url: 'mailto:a@example.com' }\nroles:",
      )
      .replace(
        "      - metric: rowCount",
        "      - { type: sql, name: codes, query: 'select max(cast(origin as integer)) from {table}', mustBe: 1 }\n      - metric: rowCount",
      ),
  );
});
afterAll(() => f.close());

test("the first row of a file without a header stays out of the ledger and of notices; one address is told once", async () => {
  const done = await f.ingest("headless.csv", "Alice Smith,+44 7700 900123\nBob,1\n");
  expect(done).toMatchObject({
    state: "refused",
    failures: [
      "headless.csv lacks date, delay, distance, origin, destination; it has none of the contract's columns and 2 that the contract does not know",
    ],
    drift: { added: ["+44 7700 900123", "Alice Smith"] },
  });
  const notices = await readNotices(f.deps, f.call, { ingestionId: done.id });
  expect(new Set(notices.map(({ channel }) => channel))).toEqual(new Set(["a", "data-platform"]));
  expect(notices).toHaveLength(2);
  expect(JSON.stringify(notices)).not.toContain("Alice");
  expect(JSON.stringify(await f.ledger())).not.toContain("Alice");
});

test("the engine's words about a rule, which quote a value, stay with the ingestion", async () => {
  const done = await f.ingest("cast.csv", flightsCsv(3));
  expect(done.state).toBe("failed");
  expect(done.failures?.[0]).toContain("BOS");
  const notices = await readNotices(f.deps, f.call, { ingestionId: done.id });
  expect(notices[0]?.event.data.reasons).toEqual(["it failed with data.analysis_failed in the rule codes"]);
});

test("owners hear once of an ingestion whose worker died at its last attempt (D15, D20)", async () => {
  const id = "ing_lost";
  await f.db.uow.write(f.call, async (tx) => {
    const organisation = f.call.actor.organisationId;
    const contract = await findContract(tx.sql, organisation, "flights");
    await insertIngestion(tx.sql, {
      id,
      organisation_id: organisation,
      contract_id: contract?.id ?? "",
      contract: "flights",
      environment: "dev",
      use_case_id: null,
      sources: [],
      as_of: null,
      references_at: null,
      replay_of: null,
      started_by: "x",
      started_at: tx.now,
    });
    const end = { payload: { ingestionId: id }, state: "failed" as const, reason: "heartbeat lost" };
    await ingestJob({ ...f.deps, relations: createRelationReader() }).abandoned?.(tx, end);
    await ingestJob({ ...f.deps, relations: createRelationReader() }).abandoned?.(tx, end);
  });
  const notices = await readNotices(f.deps, f.call, { ingestionId: id });
  expect(notices.map(({ kind, channel }) => `${kind} ${channel}`).toSorted()).toEqual([
    "failed a",
    "failed data-platform",
  ]);
});

test("what others were told of since hides nothing that the caller may read, and pages follow each other", async () => {
  const [one] = await readNotices(f.deps, f.call, {});
  if (!one) throw new Error("there is no notice");
  await f.db.uow.write(f.call, async (tx) => {
    for (let i = 0; i < 450; i++) {
      const environment = i < 210 ? "staging" : "production";
      const notice = {
        ...one,
        id: `ntc_${String(i).padStart(3, "0")}`,
        environment,
        createdAt: one.createdAt + i + 1,
      };
      await insertNotice(tx.sql, f.call.actor.organisationId, notice);
    }
  });
  const call = aCall({ roles: ["engineer"], environments: ["dev", "staging"] });
  const first = await readNotices(f.deps, call, {});
  expect(first).toHaveLength(200);
  expect(first.every(({ environment }) => environment === "staging")).toBe(true);
  const next = await readNotices(f.deps, call, { after: first.at(-1)?.id ?? "" });
  expect(next.slice(0, 11).map(({ id }) => id)).toEqual([
    ...Array.from({ length: 10 }, (_, i) => `ntc_00${9 - i}`),
    one.id,
  ]);
});
