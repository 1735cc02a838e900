import { digestJson, PortolanError } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { predictionsMigrations } from "@portolan/predictions";
import {
  aCall,
  fakeClock,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
  testOrganisation,
} from "@portolan/testkit";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type IncidentDeps,
  mitigateIncident,
  noteIncident,
  openIncident,
  readIncident,
  readIncidents,
  resolveIncident,
  takeIncident,
  tickStep,
} from "../src/incidents/incidents.ts";
import { stepsOf } from "../src/incidents/playbooks.ts";
import { monitoringMigrations } from "../src/index.ts";

const minute = 60_000_000;
const clock = fakeClock("2026-03-20T12:00:00Z");
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({
    migrations: [ledgerMigrations, predictionsMigrations, { ...monitoringMigrations, after: [] }],
    clock,
  });
});
afterAll(() => db.close());

const deps = (): IncidentDeps => ({
  work: db.uow,
  clock,
  authorizer: testAuthorizer({
    engineer: ["incidents:read", "incidents:manage", "alerts:read"],
    auditor: ["incidents:read"],
  }),
  endpoints: {
    useCaseOf: async (_call, _environment, endpoint) => {
      if (endpoint === "hidden")
        throw new PortolanError("kernel.not_found", { detail: "there is no such endpoint" });
      return "uc_1";
    },
  },
});
const engineer = (id = "usr_lee") => aCall({ id, roles: ["engineer"] });
const byHand = { environment: "production", title: "wrong fees", playbook: "rollback" } as const;

async function alertOf(id: string, kind = "performance"): Promise<string> {
  await sql`insert into monitoring.alerts (id, organisation_id, key, kind, environment, use_case_id, endpoint, variant, model, version, state, summary, evidence, opened_at)
    values (${id}, ${testOrganisation}, ${id}, ${kind}, 'production', 'uc_1', 'delays', 'champion', 'delays', '2', 'open', 'below the floor', '{}', ${clock.now() - 4 * minute})`.execute(
    db.sql,
  );
  return id;
}

/** What the ledger has of an incident: payloads, as text. */
const ledger = async (id: string): Promise<string[]> =>
  (
    await sql<{
      payload: string;
    }>`select convert_from(payload, 'UTF8') as payload from ledger.rows where subject = ${id}`.execute(db.sql)
  ).rows.map(({ payload }) => payload);

test("an incident of an alert goes its whole way: each entry is on the ledger by its digest, response times run from the alert's opening", async () => {
  const alertId = await alertOf("alr_flow");
  const { id, ...opened } = await openIncident(deps(), engineer(), { alertId, playbook: "rollback" });
  expect(opened).toMatchObject({
    state: "open",
    title: "below the floor",
    endpoint: "delays",
    model: "delays",
    version: "2",
    useCaseId: "uc_1",
  });
  await expect(openIncident(deps(), engineer(), { alertId, playbook: "rollback" })).rejects.toMatchObject({
    code: "kernel.conflict",
    message: expect.stringContaining(id) as string,
  });
  clock.advance(6 * minute);
  await takeIncident(deps(), engineer(), id);
  clock.advance(minute);
  const handedOver = await takeIncident(deps(), engineer("usr_tom"), id);
  expect(handedOver, "taken over, and taken first when it was").toMatchObject({ takenBy: "usr_tom" });
  await noteIncident(deps(), engineer("usr_tom"), id, "somebody@example.org saw it");
  await expect(resolveIncident(deps(), engineer(), id, "over")).rejects.toMatchObject({
    code: "kernel.conflict",
    message: expect.stringContaining("first-mover") as string,
  });
  for (const { id: step } of stepsOf("rollback"))
    await tickStep(deps(), engineer("usr_tom"), id, { step, outcome: "done" });
  clock.advance(minute);
  await mitigateIncident(deps(), engineer("usr_tom"), id, "version 1 answers");
  clock.advance(60 * minute);
  const over = await resolveIncident(deps(), engineer("usr_tom"), id, "cents were read as euros");
  expect(over).toMatchObject({
    state: "resolved",
    response: { takenMicros: 10 * minute, mitigatedMicros: 12 * minute, resolvedMicros: 72 * minute },
  });
  expect(over.steps.every(({ tick }) => tick?.outcome === "done" && tick.by === "usr_tom")).toBe(true);
  expect(over.entries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const rows = await ledger(id);
  const kept = rows.map((row) => JSON.parse(row) as { event: string; after: string });
  expect(kept.map(({ event, after }) => `${event} ${after}`).toSorted()).toEqual(
    over.entries.map((entry) => `monitoring.incident.${entry.kind} ${digestJson(entry)}`).toSorted(),
  );
  expect(rows.join(), "free text stays out of the ledger").not.toContain("example.org");
  await noteIncident(deps(), engineer(), id, "also the invoices of Monday");
  await expect(takeIncident(deps(), engineer(), id)).rejects.toMatchObject({ code: "kernel.conflict" });
  const again = await openIncident(deps(), engineer(), { alertId, playbook: "rollback" });
  expect(again.id, "an alert whose incident is over may have another").not.toBe(id);
});

test("an incident by hand begins when it is said to, never later than now, and is of a place that the caller may see", async () => {
  const startedAt = clock.now() - 30 * minute;
  const opened = await openIncident(deps(), engineer(), { ...byHand, endpoint: "fees", startedAt });
  expect(opened).toMatchObject({ startedAt, useCaseId: "uc_1", alertId: null });
  for (const asked of [
    { ...byHand, startedAt: clock.now() + minute },
    { playbook: "rollback" } as const,
    { ...byHand, alertId: await alertOf("alr_twice") },
  ])
    await expect(openIncident(deps(), engineer(), asked)).rejects.toMatchObject({
      code: "kernel.bad_request",
    });
  await expect(openIncident(deps(), engineer(), { ...byHand, endpoint: "hidden" })).rejects.toMatchObject({
    code: "kernel.not_found",
  });
  for (const kind of ["budget", "idle"]) {
    const alertId = await alertOf(`alr_${kind}`, kind);
    const opened = await openIncident(deps(), engineer(), { alertId, playbook: "revoke-access" });
    expect(opened, `an alert of kind ${kind} names no endpoint`).toMatchObject({
      endpoint: null,
      model: null,
    });
  }
});

test("a tick names a step that there is, and why it was not done", async () => {
  const { id } = await openIncident(deps(), engineer(), byHand);
  const tick = (step: string, outcome: "done" | "skipped", text?: string) =>
    tickStep(deps(), engineer(), id, { step, outcome, ...(text === undefined ? {} : { text }) });
  await expect(tick("erase", "done")).rejects.toMatchObject({ code: "kernel.bad_request" });
  await expect(tick("halt", "skipped", " ")).rejects.toMatchObject({ code: "kernel.bad_request" });
  expect((await tick("halt", "skipped", "no harm")).entries.at(-1)).toMatchObject({
    step: "halt",
    outcome: "skipped",
  });
});

test("entries that are written at once get numbers of their own, in one order", async () => {
  const { id } = await openIncident(deps(), engineer(), byHand);
  await Promise.all(Array.from({ length: 8 }, (_, at) => noteIncident(deps(), engineer(), id, `note ${at}`)));
  const { entries } = await readIncident(deps(), engineer(), id);
  expect(entries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("another organisation, and whoever may only read, changes nothing; what is not theirs is not there", async () => {
  clock.advance(minute);
  const { id } = await openIncident(deps(), engineer(), byHand);
  const stranger = aCall({ organisationId: "org_00000000000000000000000009" as never, roles: ["engineer"] });
  const missing = { code: "kernel.not_found" };
  await expect(readIncident(deps(), stranger, id)).rejects.toMatchObject(missing);
  await expect(takeIncident(deps(), stranger, id)).rejects.toMatchObject(missing);
  await expect(
    openIncident(deps(), stranger, { alertId: "alr_flow", playbook: "rollback" }),
  ).rejects.toMatchObject(missing);
  expect(await readIncidents(deps(), stranger, {})).toEqual({ incidents: [] });
  const auditor = aCall({ roles: ["auditor"] });
  expect((await readIncident(deps(), auditor, id)).state).toBe("open");
  await expect(noteIncident(deps(), auditor, id, "mine")).rejects.toThrow();
  expect((await readIncident(deps(), auditor, id)).entries).toHaveLength(1);
  const [newest, second] = (await readIncidents(deps(), auditor, { state: "open" })).incidents;
  expect(newest?.id).toBe(id);
  const older = await readIncidents(deps(), auditor, { state: "open", after: id });
  expect(older.incidents[0]?.id).toBe(second?.id);
  expect(await readIncidents(deps(), auditor, { environment: "dev" })).toEqual({ incidents: [] });
});

test("a request looks through so many incidents, whatever the caller may see of them, and says where to go on", async () => {
  for (let count = 0; count < 205; count++) await openIncident(deps(), engineer(), byHand);
  let reads = 0;
  const counted = (mostLookedThrough?: number) => {
    const of = deps();
    const read: typeof of.work.read = (...asked) => {
      reads += 1;
      return of.work.read(...asked);
    };
    return {
      ...of,
      work: { ...of.work, read },
      ...(mostLookedThrough === undefined ? {} : { mostLookedThrough }),
    };
  };
  const nobody = aCall({ roles: [] });
  const page = await readIncidents(counted(100), nobody, {});
  expect([page.incidents, reads]).toEqual([[], 1]);
  expect(page.next).toMatch(/^inc_/);
  let after = page.next;
  for (let pages = 0; after !== undefined; pages++) {
    expect(pages).toBeLessThan(9);
    after = (await readIncidents(deps(), nobody, { after })).next;
  }
  const auditor = aCall({ roles: ["auditor"] });
  const first = await readIncidents(deps(), auditor, {});
  expect([first.incidents.length, first.next]).toEqual([100, first.incidents.at(-1)?.id]);
  const seen = [...first.incidents];
  for (let { next } = first; next !== undefined; ) {
    const more = await readIncidents(deps(), auditor, { after: next });
    seen.push(...more.incidents);
    ({ next } = more);
  }
  expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
  expect(seen.length).toBeGreaterThanOrEqual(205);
});
