import { asEpochMicros, newId, parseInstant, type Sql, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import type { AcceptedBlock, PredictionHeader } from "@portolan/predictions/contract";
import { aCall, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { sql as raw } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { countAcceptedBlocks, dropBlockUsage, meteringMigrations } from "../src/index.ts";
import { periodOf } from "../src/usage/period.ts";
import type { TenantPlace, Tenants } from "../src/usage/ports.ts";
import { type ReadUsageDeps, readRecords, readUsage } from "../src/usage/read-usage.ts";
import { recordUsage } from "../src/usage/record-usage.ts";
import type { UsageRecord } from "../src/usage/usage-record.ts";

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [ledgerMigrations, meteringMigrations] });
});
afterAll(() => db.close());

const fraud: TenantPlace = {
  businessUnitId: "bu_1",
  businessUnit: "finance",
  teamId: "team_1",
  team: "risk",
  useCaseId: "uc_1",
  useCase: "fraud",
};
const tenants: Tenants = {
  useCase: async (_organisation, name) => (["uc_1", "fraud"].includes(name) ? fraud : undefined),
  team: async (_organisation, name) =>
    name === "risk" ? { ...fraud, useCaseId: "", useCase: "" } : undefined,
  businessUnit: async () => undefined,
};
/** Who may see it is said by each test. */
let allows: (environment: string) => boolean = () => true;
const authorizer: ReadUsageDeps["authorizer"] = {
  decide: async (_call, _action, { environment = "" }) =>
    allows(environment) ? { allowed: true, policies: [] } : { allowed: false, reason: "the test says so" },
  require: async () => {},
};
const deps = () => ({ work: db.uow, clock: systemClock, authorizer, tenants });
const call = () => aCall({});
const month = periodOf(systemClock.now());
const ended = "2026-01";

const writerId = newId("writer", systemClock.now());
function block(number: number, at: number, requests: number): AcceptedBlock {
  const header: PredictionHeader = {
    id: "prd_1",
    context: {
      organisationId: testOrganisation,
      useCaseId: "uc_1",
      endpoint: "score",
      environment: "production",
      model: { name: "m", version: "1", digest: "sha256:0" },
      variant: "champion",
      snapshotVersion: 1,
      costTags: {},
    },
    principal: "sa_1",
    requestId: "r",
    receivedAt: at,
    latency: { totalMicros: 900, runMicros: 250 + number },
    status: { kind: "ok" },
  };
  const bytes = { in: 120, out: 45, outside: true };
  // The first is of a gateway that did not count bytes.
  const headers = Array.from({ length: requests }, (_, index) =>
    index === 0 ? header : { ...header, bytes },
  );
  return { writerId, epoch: 1, block: number, headers };
}
const contents = (): Promise<unknown> =>
  db.uow.read(call(), async (session: Sql) => {
    const { rows } =
      await raw`select source, id, period, meter, use_case_id, business_unit, team, use_case, model, environment, resource,
      quantity::text, started_at, ended_at from metering.usage order by source, id, period`.execute(session);
    return rows;
  });
const record = (rest: Partial<UsageRecord> = {}): UsageRecord => ({
  source: "import/cluster",
  id: "a",
  meter: "pod-1",
  tenant: { businessUnit: "finance", team: "risk", useCase: "fraud", model: "", environment: "dev" },
  resource: "gpu_hours",
  quantity: 5n,
  start: parseInstant("2026-01-31T23:00:00Z"),
  end: parseInstant("2026-02-01T01:00:00Z"),
  ...rest,
});
const put = (records: readonly UsageRecord[], replace = false) =>
  recordUsage(deps(), call(), { source: "import/cluster", records, replace });

test("a block counts once, a late one lands in its own month and says so, and all of the log counted again gives the same bits", async () => {
  const now = systemClock.now();
  const late = parseInstant("2026-01-15T12:30:00Z");
  const blocks = [block(0, now, 3), block(1, now, 2), block(2, late, 7)];
  await countAcceptedBlocks(deps(), call(), blocks);
  await countAcceptedBlocks(deps(), call(), [blocks[1] ?? block(1, now, 2)]);
  expect(
    await readUsage(deps(), call(), { period: month, level: "model", resource: "requests" }),
  ).toMatchObject({
    lines: [{ names: ["finance", "risk", "fraud", "m"], quantity: "5", amount: "5" }],
    changed: null,
  });
  const apart = await readUsage(deps(), call(), { period: month, level: "team", activities: true });
  expect([...new Set(apart.lines.map(({ activity }) => activity))]).toEqual(["serving"]);
  const january = await readUsage(deps(), call(), { period: ended, level: "team" });
  expect(january.lines.map(({ resource, quantity }) => [resource, quantity])).toEqual([
    ["cpu_hours", String(7 * 252)],
    ["egress_gb", String(6 * 45)],
    ["request_gb", String(6 * 120)],
    ["requests", "7"],
    ["requests_without_bytes", "1"],
    ["response_gb", String(6 * 45)],
  ]);
  expect(january.changed?.records).toBe(6);
  const before = await contents();
  await dropBlockUsage(deps(), call());
  expect(await contents()).toEqual([]);
  for (const one of blocks.toReversed()) await countAcceptedBlocks(deps(), call(), [one]);
  expect(await contents()).toEqual(before);
});

test("the same record again changes nothing, another word of it is a correction, and a time that is counted is refused", async () => {
  expect(await put([record()])).toEqual({ recorded: 1, known: 0, changedPeriods: [ended, "2026-02"] });
  const before = await contents();
  expect(await put([record()])).toEqual({ recorded: 0, known: 1, changedPeriods: [] });
  expect(await contents()).toEqual(before);
  await expect(put([record({ quantity: 6n })])).rejects.toThrow(/say otherwise/);
  await expect(put([record({ id: "b", start: parseInstant("2026-01-31T23:59:00Z") })])).rejects.toThrow(
    /"?b counts a time of pod-1 that a counts/,
  );
  expect(await contents()).toEqual(before);
  expect(await put([record({ quantity: 6n })], true)).toMatchObject({
    recorded: 1,
    changedPeriods: [ended, "2026-02"],
  });
  // Who imports does not say what it was for.
  const imported = await readUsage(deps(), call(), {
    period: ended,
    level: "team",
    resource: "gpu_hours",
    activities: true,
  });
  expect(imported.lines.map(({ activity }) => activity)).toEqual([undefined]);
  const shown = await readUsage(deps(), call(), {
    period: ended,
    level: "environment",
    resource: "gpu_hours",
  });
  expect(shown.lines).toMatchObject([{ names: ["finance", "risk", "fraud", "", "dev"], quantity: "3" }]);
});

test("who is not in the directory, and tenants that lie elsewhere, are refused with all of the request", async () => {
  const of = (tenant: Partial<UsageRecord["tenant"]>) =>
    put([
      record({ id: "n1", meter: "n1" }),
      record({ id: "n2", meter: "n2", tenant: { ...record().tenant, ...tenant } }),
    ]);
  await expect(of({ useCase: "nobody" })).rejects.toThrow(/there is no use case "nobody"/);
  await expect(of({ useCase: "", team: "none" })).rejects.toThrow(/there is no team/);
  await expect(of({ businessUnit: "sales" })).rejects.toThrow(/belongs to finance\/risk/);
  await expect(
    put([record({ id: "n1", meter: "n1", end: asEpochMicros(systemClock.now() + 9e8) })]),
  ).rejects.toThrow(/ahead/);
  const { records } = await readRecords(deps(), call(), { period: ended });
  expect(records.map(({ id }) => id)).not.toContain("n1");
});

test("what may not be seen is neither in sums nor among records, nor is it told that a month changed", async () => {
  allows = (environment) => environment === "dev";
  const seen = await readUsage(deps(), call(), { period: ended, level: "team" });
  expect(seen.lines.map(({ resource }) => resource)).toEqual(["gpu_hours"]);
  expect((await readRecords(deps(), call(), { period: ended })).records.map(({ source }) => source)).toEqual([
    "import/cluster",
  ]);
  allows = () => false;
  expect(await readUsage(deps(), call(), { period: ended, level: "team" })).toEqual({
    period: ended,
    lines: [],
    changed: null,
  });
  allows = () => true;
});
