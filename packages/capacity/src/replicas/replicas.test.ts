import { isPortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import {
  filledBatch,
  lateProbability,
  meanWaitSeconds,
  type Queue,
  quantileSeconds,
  type ServiceTimes,
  waitProbability,
} from "./queue.ts";
import { type ReplicaQuestion, replicasFor } from "./replicas-for.ts";

describe("Erlang's formula", () => {
  // Reckoned independently, in Python: rate, service time, replicas; waits, mean wait in ms, longer than 200 ms, longer than 50 ms.
  test.each([
    [100, 0.05, 6, 0.587516, 29.3758, 0.061359, 0.584015],
    [100, 0.05, 8, 0.167267, 2.7878, 0.019847, 0.394483],
    [5_000_000 / 86_400, 0.01, 1, 0.578704, 13.7363, 0.000219, 0.121665],
    [5_000_000 / 86_400, 0.01, 2, 0.129871, 0.9137, 0, 0.008562],
    [1_000_000 / 86_400, 0.05, 1, 0.578704, 68.6813, 0.18541, 0.656196],
    [1_000_000 / 86_400, 0.05, 2, 0.129871, 4.5687, 0.022915, 0.406868],
    [2, 1, 3, 0.444444, 444.4444, 0.891507, 0.972368],
    [10, 0.5, 6, 0.587516, 293.7582, 0.82785, 0.957998],
  ])("%d/s at %d s on %d replicas", (perSecond, serviceSeconds, replicas, waits, waitMs, over200, over50) => {
    const queue = { perSecond, serviceSeconds, replicas };
    expect(waitProbability(queue)).toBeCloseTo(waits, 6);
    expect(1000 * meanWaitSeconds(queue, "exponential")).toBeCloseTo(waitMs, 3);
    expect(lateProbability(queue, "exponential", 0.2)).toBeCloseTo(over200, 6);
    expect(lateProbability(queue, "exponential", 0.05)).toBeCloseTo(over50, 6);
    expect(lateProbability(queue, "exponential", quantileSeconds(queue, "exponential", 0.95))).toBeCloseTo(
      0.05,
      9,
    );
  });

  test("where a replica is left over for exactly one more, and where more comes than is answered", () => {
    const edge = { perSecond: 2, serviceSeconds: 1, replicas: 3 };
    const near = { ...edge, perSecond: 2 - 1e-7 };
    expect(lateProbability(edge, "exponential", 1)).toBeCloseTo(lateProbability(near, "exponential", 1), 6);
    const over = { ...edge, perSecond: 3 };
    expect([waitProbability(over), lateProbability(over, "constant", 99)]).toEqual([1, 1]);
    expect(meanWaitSeconds(over, "exponential")).toBe(Number.POSITIVE_INFINITY);
  });

  /** The share that takes longer, of 200,000 requests that are played through one after the other. */
  function played(
    { perSecond, serviceSeconds, replicas }: Queue,
    times: ServiceTimes,
    seconds: number,
  ): number {
    const random = seededRandom(5);
    const exponential = (mean: number): number => -mean * Math.log(1 - random());
    const freeAt = Array<number>(replicas).fill(0);
    const requests = 200_000;
    let now = 0;
    let late = 0;
    for (let request = 0; request < requests; request++) {
      now += exponential(1 / perSecond);
      const first = freeAt.indexOf(Math.min(...freeAt));
      const begins = Math.max(now, freeAt[first] ?? 0);
      freeAt[first] = begins + (times === "constant" ? serviceSeconds : exponential(serviceSeconds));
      if ((freeAt[first] ?? 0) - now > seconds) late++;
    }
    return late / requests;
  }

  test.each([
    ["exponential", 0.005],
    ["constant", 0.03],
  ] as const)(
    "%s times: what is reckoned is what comes out when requests are played through, within %d",
    (times, within) => {
      for (const [perSecond, replicas, seconds] of [
        [100, 6, 0.15],
        [100, 8, 0.08],
        [15, 1, 0.2],
        [180, 10, 0.09],
      ] as const) {
        const queue = { perSecond, serviceSeconds: 0.05, replicas };
        const found = lateProbability(queue, times, seconds);
        expect(Math.abs(found - played(queue, times, seconds)), JSON.stringify(queue)).toBeLessThan(within);
      }
    },
  );
});

describe("replicas for an objective", () => {
  const question = (more: Partial<ReplicaQuestion>): ReplicaQuestion => ({
    perSecond: 100,
    peak: 1,
    serviceSeconds: 0.05,
    times: "exponential",
    share: 0.95,
    withinSeconds: 0.2,
    batch: 1,
    batchWaitSeconds: 0,
    spare: 1,
    ...more,
  });

  test("are as few as meet it: one fewer does not", () => {
    const { needed, figures, beside } = replicasFor(question({}));
    expect(needed).toBe(7);
    expect(figures.late).toBeLessThanOrEqual(0.05);
    expect(beside.map(({ replicas }) => replicas)).toEqual([6, 7, 8, 9]);
    expect(beside[0]?.late).toBeGreaterThan(0.05);
    expect(figures.quantileMs).toBeLessThanOrEqual(200);
  });

  test("a bank's five million answers a day take two, and four at three times the rate", () => {
    const bank = { perSecond: 5_000_000 / 86_400, serviceSeconds: 0.01, share: 0.99, withinSeconds: 0.05 };
    expect(replicasFor(question(bank)).needed).toBe(2);
    expect(replicasFor(question({ ...bank, peak: 3 })).needed).toBe(4);
  });

  test("batches carry more, and cost their wait", () => {
    const one = replicasFor(question({ perSecond: 1000, times: "constant" })).needed;
    const many = replicasFor(
      question({ perSecond: 1000, times: "constant", batch: 16, batchWaitSeconds: 0.01 }),
    );
    expect(one).toBeGreaterThanOrEqual(50);
    expect(many.needed).toBeLessThan(8);
    expect(many.figures.quantileMs).toBeGreaterThan(60);
  });

  test("a batch is as full as requests come while its first one waits: a draw of arrivals agrees", () => {
    const random = seededRandom(7);
    for (const [rate, size, wait] of [
      [20, 32, 0.005],
      [600, 8, 0.0117],
      [1000, 16, 0.01],
      [4000, 64, 0.02],
    ] as const) {
      let [batches, time] = [0, 0];
      const drawn = 200_000;
      for (let count = 0; count < drawn; batches++) {
        const closes = time + wait;
        count++;
        let inside = 1;
        for (;;) {
          time -= Math.log(1 - random()) / rate;
          if (inside === size || time > closes) break;
          inside++;
          count++;
        }
      }
      expect(filledBatch(rate, size, wait), `${rate}/s, ${size} within ${wait} s`).toBeCloseTo(
        drawn / batches,
        0.7,
      );
    }
    expect(filledBatch(1e9, 4096, 1)).toBe(4096);
  });

  test("batches that hardly fill carry little more than single requests", () => {
    const thin = question({ perSecond: 20, times: "constant", batch: 32, batchWaitSeconds: 0.005 });
    // 1 + 0.1 requests in a batch: 18.2 batches of 50 ms keep nine tenths of a replica busy.
    expect(replicasFor(thin).batchFilled).toBeCloseTo(1.1, 2);
    expect(replicasFor(thin).needed).toBe(2);
  });

  test.each([
    ["no request is that fast", { share: 0.99 }, "1.83 % of the requests take longer"],
    ["one batch takes longer", { times: "constant", serviceSeconds: 0.3 }, "one batch takes 300 ms"],
    ["the batch waits for longer", { batchWaitSeconds: 0.2, batch: 8 }, "the wait for a batch alone"],
  ] as const)("an objective is refused where %s", (_name, more, why) => {
    const refusal = (): unknown => replicasFor(question(more));
    expect(refusal).toThrow(why);
    try {
      refusal();
    } catch (error) {
      expect(isPortolanError(error) && error.code).toBe("capacity.objective_impossible");
    }
  });

  test("a rate that nobody has is refused, and not answered with ten thousand replicas", () => {
    expect(() => replicasFor(question({ perSecond: 1e9 }))).toThrow(/more than 10000 replicas/);
  });
});

describe("replicas that start while the rate rises", () => {
  const ramp = 0.5;
  const coldStartSeconds = 20;
  const at = (rate: number, start?: ReplicaQuestion["start"]) =>
    replicasFor({
      perSecond: rate,
      peak: 1,
      serviceSeconds: 0.5,
      times: "exponential",
      share: 0.95,
      withinSeconds: 2,
      batch: 1,
      batchWaitSeconds: 0,
      spare: 0,
      ...(start ? { start } : {}),
    });
  const reserved = (rate: number): number => at(rate, { ramp, coldStartSeconds }).start?.ready ?? 0;

  test("as many are ready as the rate one start later takes; without a rise or a start none beyond", () => {
    expect(at(10, { ramp, coldStartSeconds }).start).toEqual({
      rise: 10,
      ready: at(20).needed,
      perReplica: 10 / at(20).needed,
    });
    expect(at(10).start).toBeUndefined();
    for (const none of [
      { ramp: 0, coldStartSeconds },
      { ramp, coldStartSeconds: 0 },
    ])
      expect(at(10, none).start?.ready).toBe(at(10).needed);
    expect(() => at(10, { ramp: 1e9, coldStartSeconds })).toThrow(/more than 10000 replicas/);
  });

  const from = 4;
  const seconds = 80;
  const rateAt = (time: number): number => from + ramp * Math.min(seconds, Math.max(0, time));
  /** Orders take a start to be there. */
  const readyAt = (orders: (rate: number) => number, time: number): number =>
    orders(rateAt(time - coldStartSeconds));

  test("while the rate rises as stated, at any moment as many answer as that moment takes, and no more are ordered than that", () => {
    for (let time = coldStartSeconds; time <= seconds; time += 1)
      expect(readyAt(reserved, time), `${time} s`).toBe(at(rateAt(time)).needed);
  });

  /** The share that is late of all requests of many rises, each played through one request after the other. */
  function late(orders: (rate: number) => number): number {
    const random = seededRandom(11);
    const exponential = (mean: number): number => -mean * Math.log(1 - random());
    const ready = Array.from({ length: seconds + 1 }, (_, time) => readyAt(orders, time));
    let requests = 0;
    let tooLate = 0;
    for (let run = 0; run < 150; run++) {
      const freeAt: number[] = [];
      for (
        let now = exponential(1 / rateAt(seconds));
        now < seconds;
        now += exponential(1 / rateAt(seconds))
      ) {
        // Of arrivals at the highest rate those are taken that the rate of the moment has.
        if (random() > rateAt(now) / rateAt(seconds)) continue;
        while (freeAt.length < (ready[Math.floor(now)] ?? 0)) freeAt.push(0);
        const first = freeAt.indexOf(Math.min(...freeAt));
        const ends = Math.max(now, freeAt[first] ?? 0) + exponential(0.5);
        freeAt[first] = ends;
        requests += 1;
        if (ends - now > 2) tooLate += 1;
      }
    }
    return tooLate / requests;
  }

  test("played through a rise, the objective is kept with the reserve and missed by far without it", () => {
    expect(late(reserved)).toBeLessThan(0.05);
    expect(late((rate) => at(rate).needed)).toBeGreaterThan(0.2);
  });
});
