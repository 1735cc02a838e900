import { capacityMigrations, createAdmissionQueue, type QueueDeps } from "@portolan/capacity";
import type { AdmissionQueue, QueuedWork, UseWatch } from "@portolan/capacity/contract";
import { aCall, fakeClock, openTestDatabase, type TestDatabase, testOrganisation } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";

const clock = fakeClock();
const call = aCall();
const second = 1_000_000;
const minute = 60 * second;
let db: TestDatabase;
let card: number | undefined;
let count = 0;

beforeAll(async () => {
  db = await openTestDatabase({ migrations: [capacityMigrations], clock });
});
afterAll(() => db.close());

const rowsOf = <T>(query: string, values: unknown[] = []) =>
  db.database.session((session) => session.query<T & Record<string, unknown>>(query, values));

/** Each stands for a process of control: all that they share is the database. */
function aControl(): AdmissionQueue {
  const deps: QueueDeps = {
    work: db.uow,
    clock,
    wake: async () => undefined,
    teams: { ofUseCase: async () => "retail/churn", placeOf: async () => undefined },
    approvals: { ofUseCase: async () => undefined },
    cards: { busiest: () => card },
  };
  return createAdmissionQueue(deps);
}

async function apply(idle: string): Promise<void> {
  const quotas = `version: 1\n${idle}\nbusinessUnits:\n  - name: retail\n    teams:\n      - { name: churn, quotas: { cpu: 2, gpus: { H100-80GB: 1 } } }\n`;
  await rowsOf(
    `insert into capacity.quotas (organisation_id, version, quotas, digest, applied_by, applied_at)
     select $1, coalesce(max(version), 0) + 1, $2, $2, 'x', 1 from capacity.quotas`,
    [testOrganisation, quotas],
  );
}

/** One that holds both processors, or the card too, and begins. */
async function begun(control: AdmissionQueue, gpus = 0): Promise<QueuedWork> {
  const work = await control.prepare(call, {
    id: `run_${++count}`,
    kind: "training",
    environment: "dev",
    useCaseId: "uc_1",
    priority: 0,
    isPreemptible: true,
    request: { cpu: "2", ...(gpus > 0 ? { gpus: [{ count: gpus }] } : {}) },
    assumed: { cpu: 2, memoryBytes: 1 },
  });
  if (!work) throw new Error("no quotas are in force");
  await db.uow.write(call, (tx) => control.enter(tx, work, "job_1"));
  expect(await asks(control, work)).toMatchObject({ kind: "go" });
  return work;
}
const asks = (control: AdmissionQueue, work: QueuedWork) =>
  db.uow.write(call, (tx) => control.ask(tx, work, "job_1"));
const ends = (control: AdmissionQueue, id: string) => db.uow.write(call, (tx) => control.release(tx, id));
const viewOf = (control: AdmissionQueue, id: string) => control.view(db.sql, testOrganisation, id);
const stateOf = async (id: string) =>
  (await rowsOf<{ state: string }>("select state from capacity.workloads where id = $1", [id]))[0]?.state;
const eventsOf = async (id: string) =>
  (
    await rowsOf<{ event: string }>(
      "select event from ledger.rows where subject = $1 and event like 'capacity.idle.%' order by at, id",
      [id],
    )
  ).map(({ event }) => event.slice("capacity.idle.".length));

/** Looks twice a minute at work that uses a thousandth of a core. */
async function looked(watch: UseWatch, micros: number): Promise<void> {
  for (let passed = 0; passed < micros; passed += 30 * second) {
    clock.advance(30 * second);
    const cpuMicros = 50_000 + clock.now() / 1_000_000_000;
    await db.uow.write(call, (tx) => watch.look(tx, { cpuMicros }));
  }
}

test("what is stopped has lost its part at once; a control that dies before the trainer ended leaves a row by which no other one starts it", async () => {
  await apply("idle: {}");
  const one = aControl();
  const work = await begun(one);
  const watch = one.watchUse(work.id, clock.now());
  await looked(watch, 19.5 * minute);
  expect(await eventsOf(work.id)).toEqual([]);
  await looked(watch, minute);
  expect(await eventsOf(work.id)).toEqual(["noticed"]);
  await looked(watch, 14 * minute);
  expect(await stateOf(work.id)).toBe("running");
  await looked(watch, minute);
  expect(await eventsOf(work.id)).toEqual(["noticed", "stopped"]);
  expect(await one.evictedBy(db.sql, work.id)).toMatchObject({
    isIdle: true,
    reason: expect.stringMatching(/^it used 0 % of 2 CPU since /) as string,
  });
  // What it held is free, and is begun with once its trainer has ended.
  expect(await stateOf(work.id)).toBe("evicting");
  const next = await one.prepare(call, {
    ...work,
    id: "run_next",
    request: { cpu: "2" },
    assumed: { cpu: 2, memoryBytes: 1 },
  });
  if (!next) throw new Error("no quotas are in force");
  await db.uow.write(call, (tx) => one.enter(tx, next, "job_2"));
  expect(await stateOf("run_next")).toBe("admitted");
  expect(await asks(one, next)).toMatchObject({ kind: "wait" });

  const after = aControl();
  for (let times = 0; times < 2; times++)
    expect(await asks(after, work)).toMatchObject({
      kind: "wait",
      note: expect.stringMatching(/^was stopped at .* and had wasted 1 CPU hours; it waits for/) as string,
    });
  expect(await stateOf(work.id)).toBe("stopped");
  expect(await asks(after, next)).toMatchObject({ kind: "go" });
  expect(await after.waitingAmong(db.sql, [work.id, "run_next"])).toEqual(new Set([work.id]));
  // Without quotas too it waits for a person.
  await rowsOf("delete from capacity.quotas");
  expect(await asks(after, work)).toMatchObject({ kind: "wait" });
  await ends(after, work.id);
  expect((await viewOf(after, work.id))?.idle, "given up since").toHaveProperty("stopped");
  await ends(after, "run_next");
});

test("a notice of an earlier start is withdrawn by the next one, which has its grace and its window; a gap and quotas that say nothing end it too", async () => {
  await apply("idle: { grace: 1min, window: 10min, notice: 30min }");
  const control = aControl();
  const work = await begun(control);
  await looked(control.watchUse(work.id, clock.now()), 12 * minute);
  expect(await eventsOf(work.id)).toEqual(["noticed"]);
  // Killed, and begun anew by another one, which never saw the looks.
  clock.advance(30 * second);
  const next = aControl();
  expect(await asks(next, work)).toMatchObject({ kind: "go" });
  const anew = next.watchUse(work.id, clock.now());
  await looked(anew, 30 * second);
  expect(await eventsOf(work.id)).toEqual(["noticed", "withdrawn"]);
  await looked(anew, 10 * minute);
  expect(await eventsOf(work.id)).toHaveLength(2);
  await looked(anew, minute);
  expect((await eventsOf(work.id)).slice(2)).toEqual(["noticed"]);
  clock.advance(60 * minute);
  await looked(anew, 30 * second);
  expect((await eventsOf(work.id)).slice(3)).toEqual(["withdrawn"]);
  await looked(anew, 11 * minute);
  expect((await eventsOf(work.id)).slice(4)).toEqual(["noticed"]);
  await apply("");
  await looked(anew, 2 * minute);
  expect((await eventsOf(work.id)).slice(5)).toEqual(["withdrawn"]);
  expect(await stateOf(work.id)).toBe("running");
  await ends(next, work.id);
});

test("work with a card is told where its card is seen to rest, and never where nobody can tell", async () => {
  await apply("idle: { grace: 1min, window: 5min, notice: 2min }");
  const control = aControl();
  for (const [seen, events] of [
    [undefined, []],
    [40, []],
    [1, ["noticed", "stopped"]],
  ] as const) {
    card = seen;
    const work = await begun(control, 1);
    await looked(control.watchUse(work.id, clock.now()), 10 * minute);
    expect(await eventsOf(work.id), `${seen} %`).toEqual(events);
    await ends(control, work.id);
    expect((await viewOf(control, work.id))?.idle, "it ended before it had to").toBeUndefined();
  }
});

test("a look that changes nothing takes no lock of the organisation, one that tells or stops does", async () => {
  await apply("idle: { grace: 1min, window: 5min, notice: 2min }");
  const control = aControl();
  const work = await begun(control);
  const watch = control.watchUse(work.id, clock.now());
  const locked: [looks: number, events: number][] = [];
  for (let looks = 1; (await stateOf(work.id)) === "running"; looks++) {
    clock.advance(30 * second);
    const locks = await db.uow.write(call, async (tx) => {
      await watch.look(tx, { cpuMicros: 50_000 });
      const { locks } = await tx.sql
        .withTables<{ pg_locks: { locktype: string; pid: number } }>()
        .selectFrom("pg_locks")
        .select(({ fn }) => fn.countAll<number>().as("locks"))
        .where("locktype", "=", "advisory")
        .where(({ eb, fn }) => eb("pid", "=", fn<number>("pg_backend_pid", [])))
        .executeTakeFirstOrThrow();
      return Number(locks);
    });
    if (locks > 0) locked.push([looks, (await eventsOf(work.id)).length]);
    expect(looks).toBeLessThan(40);
  }
  expect(locked.map(([, events]) => events)).toEqual([1, 2]);
  await ends(control, work.id);
});

test("a run on another cluster is in the queue where idle work of its team is looked for, holds nothing, and is judged by what is seen there", async () => {
  const control = aControl();
  const elsewhere = (id: string) =>
    control.prepare(call, {
      id,
      kind: "training",
      environment: "dev",
      useCaseId: "uc_1",
      priority: 0,
      isPreemptible: true,
      isElsewhere: true,
      request: { cpu: "8" },
      assumed: { cpu: 2, memoryBytes: 1 },
    });
  await apply("");
  expect(await elsewhere("run_unlisted")).toBeUndefined();
  await apply("idle: { grace: 1min, window: 5min, notice: 2min }");
  const work = await elsewhere("run_ray");
  if (!work) throw new Error("it is not listed");
  await db.uow.write(call, (tx) => control.enter(tx, work, "job_ray"));
  expect(await asks(control, work)).toMatchObject({ kind: "go" });
  const says = "has no part of the quotas: it runs on another cluster";
  expect(await viewOf(control, work.id)).toMatchObject({ state: "running", says });
  // All of the team's own is free beside it.
  const beside = await begun(control);
  await ends(control, beside.id);
  const watch = control.watchUse(work.id, clock.now());
  const wanted = () => db.uow.read(call, (sql) => watch.isWanted(sql, call.actor.organisationId));
  expect(await wanted()).toBe(true);
  const said: string[] = [];
  let looks = 0;
  for (; (await stateOf(work.id)) === "running" && looks < 40; looks++) {
    clock.advance(30 * second);
    // A hundredth of a core all the time, of eight.
    await db.uow.write(call, (tx) => watch.look(tx, { cpuMicros: 1 + looks * 0.01 * 30 * second }));
    said.push((await viewOf(control, work.id))?.says ?? "");
  }
  expect(said).toContainEqual(
    expect.stringMatching(/^runs, and used 0.1 % of 8 CPU since .*: it is stopped at /),
  );
  const stopping = await db.uow.read(call, (sql) => control.evictedBy(sql, work.id));
  expect(stopping).toMatchObject({ isIdle: true });
  await db.uow.write(call, (tx) => control.putBack(tx, work.id));
  expect(await viewOf(control, work.id)).toMatchObject({
    state: "stopped",
    says: expect.stringMatching(/^was stopped at .*, for it used 0.1 % of 8 CPU since .*; that had wasted /),
    idle: { stopped: { freed: [] } },
  });
  expect(await asks(control, work), "it does not come back by itself").toMatchObject({ kind: "wait" });
  await apply("");
  expect(await wanted()).toBe(false);
  await ends(control, work.id);
});
