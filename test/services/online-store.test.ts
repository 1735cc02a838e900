import { asEpochMicros, createLogger, isPortolanError, Secret } from "@portolan/kernel";
import { openRedisOnlineReader, openRedisOnlineStore } from "@portolan/redis";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { earlyLine } from "../../packages/features/src/early/early-line.ts";
import { historyMicros } from "../../packages/features/src/log/log-record.ts";
import { aReading, eventShape, eventView } from "../../packages/features/test/event-world.ts";
import { earlySuite } from "../../packages/features/test/online-store/early-suite.ts";
import {
  earlyHeader,
  log as earlyLog,
  loggedReadings,
  rowOfReading,
} from "../../packages/features/test/online-store/early-world.ts";
import { foldSuite } from "../../packages/features/test/online-store/fold-suite.ts";
import { processesSuite } from "../../packages/features/test/online-store/processes-suite.ts";
import { header, once, readOne, rowsOf } from "../../packages/features/test/online-store/store-world.ts";
import { valuesSuite } from "../../packages/features/test/online-store/values-suite.ts";
import { windowsSuite } from "../../packages/features/test/online-store/windows-suite.ts";
import { openConnection } from "../../packages/redis/src/connect.ts";
import { scanFields } from "../../packages/redis/src/online-scripts.ts";
import type { Writer } from "../../packages/redis/src/online-steps.ts";
import { foldLog, foldPosition, replace } from "../../packages/redis/src/online-writes.ts";
import { scriptRunner } from "../../packages/redis/src/run-script.ts";
import { valueState } from "../../packages/redis/src/value-count.ts";
import { openRedisWorld } from "../../packages/redis/test/redis-world.ts";
import { requireService } from "../../tools/services.ts";
import { RedisServer } from "./redis-server.ts";

const program = (await requireService("redis")) ?? "";
const log = createLogger({ name: "test", level: "silent" });

describe.skipIf(program === "")("Redis keeps the contract of the online store", () => {
  let server: RedisServer;
  let worlds = 0;
  beforeAll(async () => {
    server = await RedisServer.start(program);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const openWorld = () => openRedisWorld(`redis://127.0.0.1:${server.port}/${worlds++ % 16}`);

  valuesSuite(openWorld);
  foldSuite(openWorld);
  windowsSuite(openWorld);
  earlySuite(openWorld);
  processesSuite(openWorld);

  test("a view that was folded before events were noted takes early ones in once its log is folded again (F72)", async () => {
    await using world = await openWorld();
    const store = openRedisOnlineStore({ url: new Secret(world.address), log, timeoutMs: 60_000 });
    const view = eventView();
    const viewHeader = { ...earlyHeader(view), windows: eventShape(view) };
    const reading = { id: "1", station: "a", ts: 2, known: 2, gone: false, v: 1n, f: 1, c: "a" };
    const corrected = rowOfReading({ ...reading, known: 3 });
    const line = earlyLine(view, corrected, { accepted: 1, acceptedAt: 1 });
    const fold = (after: number) => {
      const pages = once(after === 0 ? loggedReadings([[reading]]) : []);
      const asOf = asEpochMicros(historyMicros);
      return store.fold(viewHeader, { log: earlyLog, after, upTo: 1, asOf, pages });
    };
    const accept = () => store.early.accept(viewHeader, earlyLog, line ? [line] : []);
    await fold(0);
    // As the version before left it.
    expect(await world.forgetIdentities()).toBe(1);
    await accept();
    expect(await store.early.waiting(viewHeader)).toEqual([]);
    await fold(1);
    expect(await store.foldPosition(viewHeader)).toBeUndefined();
    await fold(0);
    expect((await store.foldPosition(viewHeader))?.sequence).toBe(1);
    await accept();
    expect(await store.early.waiting(viewHeader)).toHaveLength(1);
    // The correction ends the event that the log has.
    expect((await readOne(store, viewHeader, ["a"], 5)).values["n_short"]?.value).toBe(1);
    await store.close();
  });

  test("a count of values that fails fails no fold, and one whose view is replaced meanwhile is not kept", async () => {
    await using world = await openWorld();
    const connection = openConnection({ url: new Secret(world.address), log });
    await connection.ready(5_000);
    const run = scriptRunner(connection);
    const faults: string[] = [];
    let meanwhile: (() => Promise<unknown>) | undefined;
    const store: Writer = {
      run: async (script, keys, args) => {
        const first = script === scanFields ? meanwhile : undefined;
        if (first) {
          meanwhile = undefined;
          await first();
        }
        return run(script, keys, args);
      },
      inStep: (step) => step(),
      countFailed: (error) => faults.push(String(error)),
    };
    const folded = async (after: number): Promise<void> => {
      const asOf = asEpochMicros(after * 10 ** 12);
      const record = {
        event: asOf,
        available: asOf,
        sequence: after + 1,
        isTombstone: false,
        values: [1, null],
      };
      const pages = once([{ key: ["x"], record }]);
      await foldLog(store, header, { log: "log_1", after, upTo: after + 1, asOf, pages });
    };
    meanwhile = () => Promise.reject(new Error("the store is full"));
    await folded(0);
    expect(faults).toEqual(["Error: the store is full"]);
    expect(await foldPosition(run, header)).toMatchObject({ sequence: 1 });
    expect(await valueState(run, header)).toBeUndefined();
    meanwhile = () => replace(store, header, asEpochMicros(2 * 10 ** 12), []);
    await folded(1);
    expect(meanwhile).toBeUndefined();
    expect(await valueState(run, header)).toBeUndefined();
    await folded(0);
    expect(await valueState(run, header)).toMatchObject({ entities: 1 });
    expect(faults).toHaveLength(1);
    await connection.close();
  });

  test("one process folds while another accepts: whoever is refused does it again, and nothing is lost", async () => {
    const logged = loggedReadings([fc.sample(aReading, { numRuns: 300, seed: 5 })]);
    const upTo = Math.max(...logged.map(({ record }) => record.sequence));
    const pages = Array.from({ length: 30 }, (_, at) =>
      logged.slice((at * logged.length) / 30, ((at + 1) * logged.length) / 30),
    );
    const view = { ...earlyHeader(eventView()), windows: eventShape(eventView()) };
    const asOf = asEpochMicros(historyMicros);
    const lines = fc
      .sample(aReading, { numRuns: 1200, seed: 6 })
      .flatMap(
        (row, at) => earlyLine(eventView(), rowOfReading(row), { accepted: at + 1, acceptedAt: 1 }) ?? [],
      );
    const again = async (work: () => Promise<void>): Promise<void> => {
      for (;;)
        try {
          await work();
          return;
        } catch (error) {
          if (!isPortolanError(error) || error.code !== "features.online_busy") throw error;
        }
    };
    const folded = async (isMixed: boolean) => {
      await using world = await openWorld();
      const options = { url: new Secret(world.address), log, timeoutMs: 60_000 };
      const [folds, accepts] = [openRedisOnlineStore(options), openRedisOnlineStore(options)];
      const fold = (records: typeof pages) =>
        again(() =>
          folds.fold(view, {
            log: earlyLog,
            after: 0,
            upTo: records.length > 0 ? upTo : 0,
            asOf,
            pages: once(...records),
          }),
        );
      await fold([]);
      const accept = async (): Promise<void> => {
        for (let at = 0; at < lines.length; at += 20)
          await again(() => accepts.early.accept(view, earlyLog, lines.slice(at, at + 20)));
      };
      if (isMixed) await Promise.all([fold(pages), accept()]);
      else {
        await fold(pages);
        await accept();
      }
      expect(await accepts.early.waiting(view)).toHaveLength(lines.length);
      const counted: unknown[] = [];
      for (let at = 0; at <= 190; at += 10)
        for (const station of ["a", "b", "it's"])
          counted.push((await readOne(folds, view, [station], at)).values);
      await again(async () => void (await accepts.early.settle(view, [[1, 2000]])));
      expect(await accepts.early.waiting(view)).toEqual([]);
      await Promise.all([folds.close(), accepts.close()]);
      return { counted, dumped: await world.dump() };
    };
    expect(await folded(true)).toEqual(await folded(false));
  });

  test("a replaced generation is gone from the server's memory", async () => {
    await using world = await openWorld();
    const store = world.openWriter();
    for (let turn = 1; turn <= 5; turn++) await store.replace(header, asEpochMicros(turn), rowsOf(turn));
    const kept = (await world.dump()).filter((line) => line.includes(":values:"));
    expect(kept).toHaveLength(50);
    await store.close();
  });
});

describe.skipIf(program === "")("where Redis does not answer", () => {
  const t = asEpochMicros;
  const record = { event: 5, available: 5, sequence: 1, isTombstone: false, values: [1, 2] };
  const foldOne = { log: "flg_a", after: 0, upTo: 1, asOf: t(5) };

  test("readers say unavailable in time, writers say so, and both go on once it is back", async () => {
    await using server = await RedisServer.start(program);
    const options = { url: new Secret(`redis://127.0.0.1:${server.port}`), log, timeoutMs: 200 };
    const [store, reader] = [openRedisOnlineStore(options), openRedisOnlineReader(options)];
    await store.fold(header, { ...foldOne, pages: once([{ key: ["x"], record }]) });
    const until = async (status: string): Promise<void> => {
      for (let i = 0; i < 400 && (await readOne(reader, header, ["x"], 5)).status !== status; i++)
        await new Promise((resolve) => setTimeout(resolve, 25));
      expect((await readOne(reader, header, ["x"], 5)).status).toBe(status);
    };
    await until("found");
    server.signal("SIGSTOP");
    const startMs = performance.now();
    expect(await readOne(reader, header, ["x"], 5)).toEqual({ status: "unavailable", values: {} });
    expect(performance.now() - startMs).toBeLessThan(2000);
    server.signal("SIGCONT");
    await until("found");
    await server.kill();
    await until("unavailable");
    await expect(store.replace(header, t(9), [])).rejects.toMatchObject({
      code: "features.online_unavailable",
    });
    // It comes back without what it knew: the fold begins anew.
    await server.start();
    await until("not_found");
    expect(await store.foldPosition(header)).toBeUndefined();
    await expect(store.fold(header, { ...foldOne, after: 1, pages: once() })).rejects.toMatchObject({
      code: "features.fold_gap",
    });
    await store.fold(header, { ...foldOne, pages: once([{ key: ["x"], record }]) });
    await until("found");
    await Promise.all([store.close(), reader.close()]);
  });
});
