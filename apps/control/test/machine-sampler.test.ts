import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Secret } from "@portolan/kernel";
import { monitoringMigrations } from "@portolan/monitoring";
import { aCall, fakeClock, openTestDatabase, type TestDatabase } from "@portolan/testkit";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { prometheusCards } from "../src/machine/prometheus-cards.ts";
import { machineSampler } from "../src/machine/sample-machine.ts";
import { watchCards } from "../src/machine/watch-cards.ts";

const clock = fakeClock("2026-03-20T12:00:00Z");
let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase({ migrations: [{ ...monitoringMigrations, after: [] }], clock });
});
afterAll(() => db.close());

const rows = () =>
  db.database.session((session) =>
    session.query<{ what: string; counts: string }>(
      "select what, array_to_string(counts, ',') as counts from monitoring.machine_counts order by minute, what",
    ),
  );

test("a row a minute is kept of what was seen, and a minute that could not be kept comes with the next one", async () => {
  let busy = 0;
  let isAway = false;
  const files = (): Record<string, string> => ({
    "/proc/stat": `cpu  ${(busy += 90)} 0 0 ${busy / 9} 0 0 0 0\n`,
    "/proc/meminfo": "MemTotal: 100 kB\nMemAvailable: 8 kB\n",
  });
  const look = machineSampler({
    work: {
      read: (call, work) => db.uow.read(call, work),
      look: (call, statement) => db.uow.look(call, statement),
      write: (call, work) => (isAway ? Promise.reject(new Error("away")) : db.uow.write(call, work)),
    },
    clock,
    call: () => aCall({ kind: "system", id: "control" }),
    read: async (path) => files()[path] ?? "",
  });
  for (let second = 0; second < 60; second++) {
    await look();
    clock.advance(1_000_000);
  }
  expect(await rows()).toEqual([]);
  isAway = true;
  await expect(look()).rejects.toThrow("away");
  isAway = false;
  clock.advance(60_000_000);
  await look();
  expect(await rows()).toEqual([
    { what: "memory", counts: "0,0,0,0,0,60,0,0" },
    { what: "processors", counts: "0,0,0,0,59,0,0" },
    { what: "memory", counts: "0,0,0,0,0,1,0,0" },
    { what: "processors", counts: "0,0,0,0,1,0,0" },
  ]);
});

test("a machine that tells nothing leaves nothing", async () => {
  const before = (await rows()).length;
  const call = () => aCall({ kind: "system", id: "control" });
  const look = machineSampler({ work: db.uow, clock, call, read: async () => "" });
  for (let n = 0; n < 3; n++) {
    await look();
    clock.advance(60_000_000);
  }
  expect(await rows()).toHaveLength(before);
});

test("graphics cards are told of by a program beside the process, and by nobody where there is none or it hangs", async () => {
  let nowMs = 0;
  const says = "printf '0, 12, 10, 100\\n1, 97, 5, 100\\n'; exec sleep 60";
  const cards = watchCards({ file: "sh", args: ["-c", says] }, () => nowMs);
  await expect.poll(cards).toEqual({ atWork: 97, memory: 10 });
  nowMs = 10_000;
  expect(cards()).toBeUndefined();
  const none = watchCards({ file: "no-such-program-of-cards", args: [] });
  await sleep(50);
  expect(none()).toBeUndefined();
});

test("cards are known by a Prometheus as long as it answers; one that is away, or that lost their series, says nothing of them", async () => {
  const asked: (string | undefined)[] = [];
  let [status, values]: [number, unknown[]] = [200, [{ metric: {}, value: [1, "2.5"] }]];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ status: "success", data: { resultType: "vector", result: values } }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  let now = 0;
  const warned: unknown[] = [];
  const cards = prometheusCards(
    { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, token: new Secret("told") },
    { warn: (what: unknown) => void warned.push(what) } as Parameters<typeof prometheusCards>[1],
    () => now,
  );
  const settled = async (times: number) => {
    for (let waited = 0; asked.length < times && waited < 5_000; waited += 20) await sleep(20);
    await sleep(50);
    return cards();
  };
  expect(cards()).toBeUndefined();
  expect(await settled(1)).toEqual({ atWork: 2.5 });
  now += 14_000;
  expect(cards()).toEqual({ atWork: 2.5 });
  expect(asked).toEqual(["Bearer told"]);
  // Away: what it said last counts for a while.
  status = 503;
  now += 2_000;
  cards();
  expect(await settled(2)).toEqual({ atWork: 2.5 });
  expect(warned).toHaveLength(1);
  now += 30_000;
  cards();
  expect(await settled(3)).toBeUndefined();
  [status, values] = [200, []];
  now += 15_000;
  cards();
  expect(await settled(4)).toBeUndefined();
});
