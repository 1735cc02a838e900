import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openDatabase } from "@portolan/database";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { Secret } from "@portolan/kernel";
import { verifyExport } from "@portolan/ledger/policy";
import { expect, test } from "vitest";
import { type ProcessName, type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { randomOf } from "./random.ts";
import { Acknowledged, changeOn, predict, predictOn, prepareUseCase, type Setting } from "./workload.ts";

const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");
const kills: Readonly<Record<ProcessName | "supervisor", number>> = {
  control: 20,
  gateway: 20,
  postgres: 10,
  supervisor: 2,
};

// The issue's loop: kill -9 at random moments under load, on the product as `portolan up` runs it.
test.skipIf(!hasEmbeddedPostgres() && process.env["CI"] !== "true")(
  `52 kills of control, gateway, PostgreSQL and the supervisor (seed ${seed}): nothing acknowledged is lost`,
  async () => {
    await using product = await startProduct();
    const setting = await prepareUseCase(product);
    await untilServed(product, setting);
    const told = new Acknowledged();
    const stop = new AbortController();
    const load = Promise.all([
      predictOn(product, setting, told, stop.signal),
      predictOn(product, setting, told, stop.signal),
      changeOn(product, setting, told, stop.signal),
    ]);
    const measured = await killOn(product, told).finally(() => stop.abort());
    await load;
    expect(told.deployments).not.toEqual([]);
    process.stderr.write(report(told, measured));
    demandQuickRestarts(measured);
    expect(measured.silentWindows, "the gateway serves while control is dead").toEqual([]);
    await product.untilReady("control", 120_000);
    await product.untilReady("gateway", 120_000);
    await demandPredictions(product, setting, told);
    await demandChanges(product, setting, told);
    await demandWholeState(product, setting);
    await demandLedger(product, setting);
    expect((await product.cli("down")).code).toBe(0);
    expect(product.livingProcesses()).toEqual([]);
  },
  1_200_000,
);

interface Measured {
  /** Milliseconds from SIGKILL to the next process, by name. */
  readonly restartMs: Record<ProcessName, number[]>;
  /** Milliseconds from SIGKILL of the supervisor until `portolan up` had taken over. */
  readonly takeoverMs: number[];
  readonly controlAwayMs: number[];
  /** Kills of control after which the gateway, ready before, acknowledged nothing until control was back. */
  readonly silentWindows: number[];
}

async function killOn(product: Product, told: Acknowledged): Promise<Measured> {
  const random = randomOf(seed);
  const measured: Measured = {
    restartMs: { control: [], gateway: [], postgres: [] },
    takeoverMs: [],
    controlAwayMs: [],
    silentWindows: [],
  };
  const plan = Object.entries(kills)
    .flatMap(([name, count]) => Array.from({ length: count }, () => name as keyof typeof kills))
    .map((name) => ({ name, order: random() }))
    .toSorted((a, b) => a.order - b.order);
  for (const { name } of plan) {
    await sleep(random() * 1000);
    if (name === "supervisor") await killSupervisor(product, measured);
    else if (name === "control" && random() < 0.6) await killControlAndWatch(product, told, measured);
    else measured.restartMs[name].push(await product.untilRestarted(name, product.kill(name)));
    // Half of the kills hit a product at work, the others one that is still starting.
    if (random() < 0.5) {
      await Promise.all([product.untilReady("control", 120_000), product.untilReady("gateway", 120_000)]);
      await untilBusy(told);
    }
  }
  return measured;
}

/** The key and the endpoint reach the gateway with the next snapshots. */
async function untilServed(product: Product, setting: Setting): Promise<void> {
  await expect
    .poll(() => predict(product, setting).then(({ status }) => status), { timeout: 120_000, interval: 200 })
    .toBe(200);
}

/** So that the kills hit a product under load, however slow the machine is. */
async function untilBusy(told: Acknowledged): Promise<void> {
  const wanted = { predictions: told.predictions.length + 20, users: told.users.length + 5 };
  for (let waitedMs = 0; waitedMs < 120_000; waitedMs += 10) {
    if (told.predictions.length >= wanted.predictions && told.users.length >= wanted.users) return;
    await sleep(10);
  }
  throw new Error(`nothing is acknowledged any more: ${JSON.stringify(Object.fromEntries(told.failures))}`);
}

async function killControlAndWatch(product: Product, told: Acknowledged, measured: Measured): Promise<void> {
  await product.untilReady("gateway", 120_000);
  const before = told.predictions.length;
  measured.restartMs.control.push(await product.untilRestarted("control", product.kill("control")));
  measured.controlAwayMs.push(await product.untilReady("control", 120_000));
  if (told.predictions.length === before) measured.silentWindows.push(measured.controlAwayMs.length);
}

/** Nobody restarts the supervisor on a laptop: its children go on, and the next `up` takes over. */
async function killSupervisor(product: Product, measured: Measured): Promise<void> {
  const start = performance.now();
  product.kill("supervisor");
  await sleep(500);
  await product.up();
  measured.takeoverMs.push(performance.now() - start);
}

function demandQuickRestarts({ restartMs }: Measured): void {
  for (const name of ["control", "gateway"] as const) {
    const sorted = restartMs[name].toSorted((a, b) => a - b);
    // The median: one restart that a busy machine held up says nothing about the supervisor.
    expect(sorted[Math.floor(sorted.length / 2)], `${name} is started again within a second`).toBeLessThan(
      1000,
    );
    expect(
      sorted.filter((ms) => ms > 20_000),
      `${name} is always started again soon`,
    ).toEqual([]);
  }
}

async function demandPredictions(product: Product, setting: Setting, told: Acknowledged): Promise<void> {
  const wanted = new Set(told.predictions.map(({ id }) => id));
  expect(wanted.size, "no id is given twice").toBe(told.predictions.length);
  await expect
    .poll(
      async () => {
        const counts = await countPredictions(product, setting);
        return [...wanted].filter((id) => counts.get(id) !== 1);
      },
      { timeout: 240_000, interval: 1000 },
    )
    .toEqual([]);
}

async function countPredictions(product: Product, setting: Setting): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  let cursor: unknown = "";
  do {
    const path = `/v1/predictions?limit=1000${typeof cursor === "string" && cursor !== "" ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const page = await must(product, "GET", path, undefined, setting.admin);
    for (const { header } of page["predictions"] as { header: { id: string } }[])
      counts.set(header.id, (counts.get(header.id) ?? 0) + 1);
    cursor = page["next"];
  } while (cursor !== undefined);
  return counts;
}

interface Entry {
  readonly subject?: string;
  readonly index: number | null;
  readonly detail?: Readonly<Record<string, unknown>>;
}

async function entriesOf(product: Product, setting: Setting, event: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  let page: unknown = "";
  do {
    const path = `/v1/ledger/entries?limit=500&event=${event}${typeof page === "string" && page !== "" ? `&page=${encodeURIComponent(page)}` : ""}`;
    const body = await must(product, "GET", path, undefined, setting.admin);
    entries.push(...(body["entries"] as Entry[]));
    page = body["nextPage"];
  } while (page !== undefined);
  return entries;
}

/** Every person has exactly one row and every row its person, acknowledged or not; nothing acknowledged is missing. */
async function demandChanges(product: Product, setting: Setting, told: Acknowledged): Promise<void> {
  const users = await must(product, "GET", "/v1/users", undefined, setting.admin);
  const existing = (users["items"] as { id: string }[]).map(({ id }) => id).toSorted(byText);
  const rows = (await entriesOf(product, setting, "identity.user.created")).map(
    ({ subject }) => subject ?? "",
  );
  const administrator = existing.filter((id) => !rows.includes(id)); // made by the bootstrap, under its own event
  expect(administrator.length).toBeLessThanOrEqual(1);
  expect(rows.toSorted(byText)).toEqual(existing.filter((id) => !administrator.includes(id)));
  expect(told.users.filter((id) => !existing.includes(id))).toEqual([]);
  const deployed = (await entriesOf(product, setting, "serving.endpoint.deployed")).map(
    ({ detail }) => detail?.["deployment"],
  );
  expect(new Set(deployed).size).toBe(deployed.length);
  expect(told.deployments.filter((id) => !deployed.includes(id))).toEqual([]);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** No intention is left open, no job stuck, and the newest deployment is what gateways serve. */
async function demandWholeState(product: Product, setting: Setting): Promise<void> {
  const url = `postgresql://portolan@localhost/portolan?host=${encodeURIComponent(join(product.home, "postgres", "socket"))}`;
  await expect
    .poll(() => openWork(url), { timeout: 120_000, interval: 500 })
    .toEqual({ intents: 0, jobs: 0 });
  const { endpoints } = await must(product, "GET", "/v1/endpoints", undefined, setting.admin);
  expect(endpoints).toMatchObject([{ snapshotVersion: expect.any(Number) }]);
}

async function openWork(url: string): Promise<{ intents: number; jobs: number }> {
  const database = await openDatabase({ kind: "postgres", url: new Secret(url), maxConnections: 1 });
  try {
    return await database.session(async (session) => {
      const count = async (sql: string) => (await session.query<{ n: number }>(sql))[0]?.n ?? -1;
      return {
        intents: await count("select count(*) as n from database.intents where state = 'open'"),
        jobs: await count(
          "select count(*) as n from database.job_runs where state in ('waiting', 'running', 'retrying')",
        ),
      };
    });
  } finally {
    await database.close();
  }
}

async function demandLedger(product: Product, setting: Setting): Promise<void> {
  const { code, out, err } = await product.cli("audit", "verify", "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(out)).toMatchObject({ verified: true, findings: [] });
  const exported = await product.call("GET", "/v1/ledger/export", undefined, setting.admin);
  expect(exported.status).toBe(200);
  expect(await verifyExport(exported.text.split("\n"))).toMatchObject({ verified: true, findings: [] });
}

function report(told: Acknowledged, measured: Measured): string {
  const line = (name: string, values: readonly number[]) => {
    const sorted = values.toSorted((a, b) => a - b).map(Math.round);
    return `${name}: n ${sorted.length}, median ${sorted[Math.floor(sorted.length / 2)] ?? "-"} ms, max ${sorted.at(-1) ?? "-"} ms`;
  };
  return [
    `acknowledged: ${told.predictions.length} predictions, ${told.users.length} people, ${told.deployments.length} deployments`,
    ...Object.entries(measured.restartMs).map(([name, values]) => line(`${name} started again`, values)),
    line("control ready again", measured.controlAwayMs),
    line("supervisor taken over", measured.takeoverMs),
    `failures seen by callers: ${JSON.stringify(Object.fromEntries(told.failures))}`,
  ]
    .map((text) => `${text}\n`)
    .join("");
}
