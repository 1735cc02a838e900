import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, Secret } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { createRedisCounts, type RedisCounts } from "@portolan/redis";
import { LayeredLimit, RateLimiter, type RateLimitSpec, SharedLimits } from "@portolan/serving/policy";
import { writeTestCertificate } from "@portolan/testkit/certificate";
import { describe, expect, test } from "vitest";
import { TestInstallation } from "../../apps/gateway/test/installation.ts";
import { requireService } from "../../tools/services.ts";
import { RedisServer } from "./redis-server.ts";

const program = (await requireService("redis")) ?? "";
const silent = createLogger({ name: "test", level: "silent" });
const leaseMs = 100;
const spec: RateLimitSpec = { ratePerSecond: 400, burst: 40 };
const leaseUnits = (spec.ratePerSecond * leaseMs) / 1000;
const nowMs = () => performance.now();

/** Gateways as processes have them, but in one process: each with its own limiter and connection. */
class Fleet implements AsyncDisposable {
  readonly members: {
    readonly limit: LayeredLimit;
    readonly shared: SharedLimits;
    readonly counts: RedisCounts;
  }[];
  readonly changes: string[] = [];
  readonly admittedMs: number[] = [];

  constructor(
    url: string,
    size: number,
    options: { readonly ca?: string; readonly log?: typeof silent } = {},
  ) {
    this.members = Array.from({ length: size }, (_, i) => {
      const counts = createRedisCounts({
        url: new Secret(url),
        member: `gateway-${i}`,
        log: silent,
        ...options,
      });
      const limiter = new RateLimiter();
      const shared = new SharedLimits({
        limiter,
        counts,
        leaseMs,
        gateways: 1,
        nowMs,
        onChange: (status) => this.changes.push(`${i} ${status.isTogether ? "together" : "apart"}`),
      });
      const bucket = limiter.bucket("acme/production/late/e", spec);
      shared.start();
      return { limit: new LayeredLimit([{ policy: "endpoint", kind: "hard", bucket }]), shared, counts };
    });
  }

  async until(isTogether: boolean): Promise<void> {
    const good = (): boolean =>
      this.members.every(
        ({ shared: { status } }) =>
          status.isTogether === isTogether && (!isTogether || status.gateways === this.members.length),
      );
    for (let i = 0; i < 800 && !good(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(this.members.map(({ shared }) => shared.status.isTogether)).toEqual(
      this.members.map(() => isTogether),
    );
  }

  /** Every gateway takes whatever it gets, without pause. @returns units admitted */
  async hammer(forMs: number, strictly = false): Promise<number> {
    const before = this.admittedMs.length;
    const end = nowMs() + forMs;
    await Promise.all(
      this.members.map(async ({ limit, shared }) => {
        while (nowMs() < end) {
          const waitMs = strictly ? (await shared.takeStrictly(limit, 1, 0)).waitMs : limit.take(nowMs());
          if (waitMs === 0) this.admittedMs.push(nowMs());
          else await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    return this.admittedMs.length - before;
  }

  /** The most units that any window of time had beyond burst + rate · length. */
  worstOvershoot(): number {
    const times = this.admittedMs.toSorted((a, b) => a - b);
    let worst = Number.NEGATIVE_INFINITY;
    // Over all windows [i, j]: (j − rate·tj) − min over i of (i − rate·ti), in one pass.
    let least = Number.POSITIVE_INFINITY;
    times.forEach((at, index) => {
      const earned = (at / 1000) * spec.ratePerSecond;
      least = Math.min(least, index - earned);
      worst = Math.max(worst, index + 1 - earned - least - spec.burst);
    });
    return worst;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { shared, counts } of this.members) {
      shared.close();
      await counts.close();
    }
  }
}

describe.skipIf(program === "")("limits over several gateways, with a real Redis", () => {
  test("N gateways admit at most burst + rate · t + N leases in any window, and hardly less than the ceiling", async () => {
    for (const size of [1, 2, 5]) {
      await using redis = await RedisServer.start(program);
      await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, size);
      await fleet.until(true);
      const admitted = await fleet.hammer(3000);
      expect(fleet.worstOvershoot()).toBeLessThanOrEqual(size * leaseUnits);
      expect(admitted).toBeGreaterThanOrEqual(3 * spec.ratePerSecond * 0.9);
    }
  });

  test("a process that was held up for longer than a lease hears the answer that was there, and stays together (L13)", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 1);
    await fleet.until(true);
    const [one] = fleet.members;
    if (!one) throw new Error("no gateway");
    const { failures } = one.shared.status;
    for (let i = 0; i < 5; i++) {
      const taken = one.shared.takeStrictly(one.limit, 1, 0);
      // The question is out; nothing of this process runs until the answer has long been here.
      await new Promise((resolve) => setImmediate(resolve));
      for (const end = nowMs() + 2 * leaseMs; nowMs() < end; );
      expect((await taken).waitMs).toBe(0);
      expect(one.shared.status).toMatchObject({ isTogether: true, failures });
    }
  });

  test("strictly counted gateways exceed nothing", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 3);
    await fleet.until(true);
    const admitted = await fleet.hammer(2000, true);
    // The answer's way back is the only time by which a window may look shorter than it was.
    expect(fleet.worstOvershoot()).toBeLessThanOrEqual(0.05 * spec.ratePerSecond);
    expect(admitted).toBeGreaterThanOrEqual(2 * spec.ratePerSecond * 0.8);
  });

  test("when Redis is killed each gateway goes on with its part; when it is back they count together again", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 4);
    await fleet.until(true);
    await fleet.hammer(1000);
    await redis.kill();
    await fleet.until(false);
    expect(fleet.members.map(({ shared }) => shared.status.gateways)).toEqual([4, 4, 4, 4]);
    const apart = await fleet.hammer(2000);
    expect(apart).toBeGreaterThanOrEqual(2 * spec.ratePerSecond * 0.9);
    await redis.start();
    await fleet.until(true);
    const again = await fleet.hammer(2000);
    expect(again).toBeGreaterThanOrEqual(2 * spec.ratePerSecond * 0.8);
    // Two changes of regime, one more burst each at most.
    expect(fleet.worstOvershoot()).toBeLessThanOrEqual(4 * leaseUnits + 2 * spec.burst);
  });

  test("a Redis that hangs is as good as a dead one, and one that goes on is used again", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 3);
    await fleet.until(true);
    await fleet.hammer(500);
    redis.signal("SIGSTOP");
    const apart = await fleet.hammer(3000);
    expect(fleet.members.map(({ shared }) => shared.status.isTogether)).toEqual([false, false, false]);
    expect(apart).toBeGreaterThanOrEqual(3 * spec.ratePerSecond * 0.8);
    redis.signal("SIGCONT");
    await fleet.until(true);
    await fleet.hammer(1000);
    expect(fleet.worstOvershoot()).toBeLessThanOrEqual(3 * leaseUnits + 2 * spec.burst);
  });

  test("units that are given back are there for every gateway, also for one that knew of them as taken", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 2);
    await fleet.until(true);
    const [first, second] = fleet.members;
    if (!first || !second) throw new Error("no gateways");
    const later = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, leaseMs));
    // A debt of ten seconds, of which the second gateway hears by a unit of its own.
    first.limit.settle(nowMs(), 0, 4000);
    await later();
    second.limit.settle(nowMs(), 0, 1);
    await later();
    expect(second.limit.take(nowMs())).toBeLessThan(-9000);
    first.limit.settle(nowMs(), 4000, 0);
    await later();
    second.limit.settle(nowMs(), 0, 1);
    await later();
    expect([first.limit.take(nowMs()), second.limit.take(nowMs())]).toEqual([0, 0]);
  });

  test("a short absence of the store makes nobody pay twice", async () => {
    await using redis = await RedisServer.start(program);
    await using fleet = new Fleet(`redis://127.0.0.1:${redis.port}`, 2);
    await fleet.until(true);
    const [first, second] = fleet.members;
    if (!first || !second) throw new Error("no gateways");
    first.limit.settle(nowMs(), 0, 8000);
    await new Promise((resolve) => setTimeout(resolve, leaseMs));
    second.limit.settle(nowMs(), 0, 1);
    const owedUntilMs = nowMs() + 20_000;
    redis.signal("SIGSTOP");
    await fleet.hammer(500);
    await fleet.until(false);
    redis.signal("SIGCONT");
    await fleet.until(true);
    await fleet.hammer(200);
    const waitMs = -second.limit.take(nowMs());
    expect(Math.abs(nowMs() + waitMs - owedUntilMs)).toBeLessThan(1000);
  });

  test("TLS and a password are used, a wrong password counts apart, and no log line carries either", async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLogger({ name: "test", level: "trace", destination });
    const folder = mkdtempSync(join(tmpdir(), "portolan-tls-"));
    const { certFile, keyFile, certificatePem: ca } = writeTestCertificate(folder);
    const args = ["--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile];
    await using redis = await RedisServer.start(program, (port) => [
      "--port",
      "0",
      "--tls-port",
      String(port),
      "--tls-auth-clients",
      "no",
      ...args,
      "--requirepass",
      "hunter2-of-the-test",
    ]);
    await using good = new Fleet(`rediss://:hunter2-of-the-test@localhost:${redis.port}`, 1, { ca, log });
    await good.until(true);
    expect(await good.hammer(500, true)).toBeGreaterThan(spec.burst);
    await using wrong = new Fleet(`rediss://:hunter3-of-the-test@localhost:${redis.port}`, 1, { ca, log });
    await using distrustful = new Fleet(`rediss://:hunter2-of-the-test@localhost:${redis.port}`, 1, { log });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect([wrong, distrustful].map(({ members: [one] }) => one?.shared.status.isTogether)).toEqual([
      false,
      false,
    ]);
    expect(await wrong.hammer(500)).toBeGreaterThan(spec.burst);
    expect(lines.join("")).toMatch(/redis.connection.lost/);
    expect(lines.join("")).not.toMatch(/hunter/);
  });
});

describe.skipIf(program === "")("two gateway processes and a real Redis", () => {
  test("they keep one ceiling together, say so in metrics, and each keeps its half when Redis is gone", async () => {
    await using redis = await RedisServer.start(program);
    const installation = new TestInstallation();
    try {
      const limits = { ratePerSecond: 0.1, burst: 20, timeoutMs: 4000, bodyBytes: 1000 };
      const score = logisticModel([0.5, -0.25], 0.1);
      installation.add("leased", score, { limits });
      installation.add("strict", score, { limits: { ...limits, counting: "strict" } });
      installation.add("apart", score, { limits });
      await installation.publish(1);
      const more = { LIMITS_REDIS_URL: `redis://127.0.0.1:${redis.port}` };
      const gateways = await Promise.all(
        ["a", "b"].map((name) => installation.start({ ...installation.another(name), ...more })),
      );
      const metric = async (name: string): Promise<string[]> =>
        Promise.all(
          gateways.map(
            async (gateway) =>
              new RegExp(`^${name} (.*)$`, "m").exec(await (await gateway.get("/metrics")).text())?.[1] ?? "",
          ),
        );
      await untilEqual(() => metric("portolan_gateway_limits_gateways"), ["2", "2"]);
      expect(await metric("portolan_gateway_limits_together")).toEqual(["1", "1"]);
      const served = async (endpoint: string): Promise<number> => {
        let count = 0;
        for (let i = 0; i < 30; i++)
          for (const gateway of gateways)
            if ((await gateway.post(`/v2/models/${endpoint}/infer`, body)).status === 200) count++;
        return count;
      };
      // One unit is the least lease: each of the two may be one ahead.
      const leased = await served("leased");
      expect(leased).toBeGreaterThanOrEqual(limits.burst);
      expect(leased).toBeLessThanOrEqual(limits.burst + 2 + 1);
      const strict = await served("strict");
      expect(strict).toBeGreaterThanOrEqual(limits.burst);
      expect(strict).toBeLessThanOrEqual(limits.burst + 1);
      await redis.kill();
      await untilEqual(() => metric("portolan_gateway_limits_together"), ["0", "0"]);
      const apart = await served("apart");
      expect(apart).toBeGreaterThanOrEqual(limits.burst);
      expect(apart).toBeLessThanOrEqual(limits.burst + 1);
      await redis.start();
      await untilEqual(() => metric("portolan_gateway_limits_together"), ["1", "1"]);
    } finally {
      installation.dispose();
    }
  });
});

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

async function untilEqual(read: () => Promise<string[]>, wanted: readonly string[]): Promise<void> {
  for (let i = 0; i < 200 && (await read()).join() !== wanted.join(); i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await read()).toEqual(wanted);
}
