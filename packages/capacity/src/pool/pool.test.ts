import { isPortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { arrivals } from "./arrivals.ts";
import { type Experiment, experiment, policyNames } from "./experiment.ts";
import { Workload } from "./fragments.ts";
import { allFree, fits, gpuMilliOf, type Machine, type Pod, place, release } from "./machines.ts";
import { fragmentationGradientDescent } from "./policies.ts";
import { comparePooling } from "./pooling.ts";
import { readMachines, readPods, readUsage } from "./read-trace.ts";
import { simulate } from "./simulate.ts";
import { typicalPods } from "./typical-pods.ts";

function machine(gpus: number, more: Partial<Machine> = {}): Machine {
  return {
    name: `m${gpus}`,
    cpuMilli: 64_000,
    memoryMib: 262_144,
    gpus,
    ...(gpus > 0 ? { model: "A" } : {}),
    ...more,
  };
}

function pod(gpus: number, gpuMilli: number, more: Partial<Pod> = {}): Pod {
  return { name: `p${gpus}`, cpuMilli: 4000, memoryMib: 8192, gpus, gpuMilli, models: [], ...more };
}

describe("what fits", () => {
  test("processors, memory, model and cards each decide", () => {
    const free = allFree(machine(2));
    expect(fits(pod(2, 1000), free)).toBe(true);
    expect(fits(pod(3, 1000), free)).toBe(false);
    expect(fits(pod(1, 500, { cpuMilli: 64_001 }), free)).toBe(false);
    expect(fits(pod(1, 500, { memoryMib: 262_145 }), free)).toBe(false);
    expect(fits(pod(1, 500, { models: ["B"] }), free)).toBe(false);
    expect(fits(pod(0, 0, { models: ["B"] }), free)).toBe(true);
    place(pod(1, 600), free, [0]);
    expect([fits(pod(2, 1000), free), fits(pod(1, 1000), free), fits(pod(1, 400), free)]).toEqual([
      false,
      true,
      true,
    ]);
    release(pod(1, 600), free, [0]);
    expect(free).toEqual(allFree(machine(2)));
  });
});

describe("fragments", () => {
  // By hand, from the paper's definition: half the pods ask for a whole card, a quarter for 0.3 of one, a quarter for none.
  const typical = [
    { pod: pod(1, 1000), share: 0.5 },
    { pod: pod(1, 300), share: 0.25 },
    { pod: pod(0, 0), share: 0.25 },
  ];

  test("are what a typical pod could not use", () => {
    const free = allFree(machine(2));
    expect(new Workload(typical).fragmentMilli(free)).toBeCloseTo(0.25 * 2000, 9);
    place(pod(1, 800), free, [0]);
    // Whole cards cannot use the 200 that are left, nor can shares of 300; pods without cards use nothing of 1200.
    expect(new Workload(typical).fragmentMilli(free)).toBeCloseTo(0.5 * 200 + 0.25 * 200 + 0.25 * 1200, 9);
    place(pod(1, 500), free, [1]);
    expect(new Workload(typical).fragmentMilli(free)).toBeCloseTo(0.5 * 700 + 0.25 * 200 + 0.25 * 700, 9);
  });

  test("a share goes where it closes a gap and not where it opens one", () => {
    const opened = machine(1, { name: "opened" });
    const whole = machine(1, { name: "whole" });
    const policy = fragmentationGradientDescent(typical);
    const run = simulate([whole, opened], [pod(1, 700), pod(1, 300), pod(1, 1000)], policy, () => 0);
    expect([run.placed, run.allocation]).toEqual([3, 1]);
  });
});

test("typical pods are the most frequent ones up to their share, which sums to one", () => {
  const pods = [
    ...Array<Pod>(90).fill(pod(1, 1000)),
    ...Array<Pod>(6).fill(pod(1, 500)),
    ...Array<Pod>(4).fill(pod(8, 1000)),
  ];
  expect(typicalPods(pods).map(({ pod: { gpuMilli }, share }) => [gpuMilli, share])).toEqual([
    [1000, 90 / 96],
    [500, 6 / 96],
  ]);
});

test("arrivals ask for the stated share of the cards, whether the trace holds less or more", () => {
  const machines = [machine(8), machine(8)];
  for (const count of [4, 400]) {
    const all = arrivals(machines, Array<Pod>(count).fill(pod(1, 500)), 1.3, seededRandom(1));
    const asked = all.reduce((sum, one) => sum + gpuMilliOf(one), 0);
    expect(Math.abs(asked - 1.3 * 16_000)).toBeLessThanOrEqual(500);
  }
  expect(arrivals(machines, Array<Pod>(5).fill(pod(0, 0)), 1.3, seededRandom(1)).length).toBeGreaterThan(0);
});

/** A mixed pool and workload by chance, with everything that makes placement hard. */
function drawn(seed: number): Experiment {
  const random = seededRandom(seed);
  const of = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const machines = Array.from({ length: 30 }, (_, index) =>
    machine(of([0, 1, 2, 4, 8]), {
      name: `m${index}`,
      cpuMilli: of([16_000, 64_000, 96_000]),
      model: of(["A", "B"]),
    }),
  );
  const pods = Array.from({ length: 200 }, (_, index) => {
    const gpus = of([0, 1, 1, 1, 2, 4]);
    const milli = gpus === 0 ? 0 : gpus > 1 ? 1000 : of([100, 250, 500, 1000]);
    return pod(gpus, milli, {
      name: `p${index}`,
      cpuMilli: of([1000, 4000, 16_000]),
      models: of([[], [], ["A"]]),
    });
  });
  return { machines, pods, load: 1.3, seeds: [1, 2], randomOf: seededRandom };
}

test.each(policyNames)(
  "%s refuses nothing that fits, takes no more than there is, and does the same again",
  (policy) => {
    for (const seed of [1, 2, 3, 4]) {
      const world = drawn(seed);
      const done = experiment(world, policy);
      expect(done.refusedThoughFeasible).toBe(0);
      for (const run of done.runs) {
        expect(run.placed + run.refused).toBe(run.arrived);
        expect(run.allocation).toBeGreaterThan(0.5);
        expect(run.allocation).toBeLessThanOrEqual(1);
        expect(run.course).toEqual(run.course.toSorted((a, b) => a - b));
      }
      expect(experiment(world, policy)).toEqual(done);
    }
  },
);

describe("a trace", () => {
  const lineOf = (work: () => unknown): (string | number | undefined)[] => {
    try {
      work();
    } catch (error) {
      if (isPortolanError(error))
        return [error.code, error.violations[0]?.at?.line, error.violations[0]?.detail];
    }
    return [];
  };

  test("is read as Alibaba writes it", () => {
    expect(
      readMachines("sn,cpu_milli,memory_mib,gpu,model\nn1,64000,262144,2,P100\nn2,32000,1,0,\n", "n.csv"),
    ).toEqual([
      { name: "n1", cpuMilli: 64_000, memoryMib: 262_144, gpus: 2, model: "P100" },
      { name: "n2", cpuMilli: 32_000, memoryMib: 1, gpus: 0 },
    ]);
    const pods =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\np1,6000,12288,1,460,V100M16|V100M32,LS\np2,1,1,0,0,,BE\r\n";
    expect(readPods(pods, "p.csv").map(({ gpuMilli, models }) => [gpuMilli, models])).toEqual([
      [460, ["V100M16", "V100M32"]],
      [0, []],
    ]);
  });

  test.each([
    ["a column too few", "sn,cpu_milli\nn,1\n", 1, "the header has no column memory_mib"],
    [
      "a value too many",
      "sn,cpu_milli,memory_mib,gpu,model\nn,1,1,0,,x\n",
      2,
      "it has 6 values, the header 5 columns",
    ],
    [
      "a half card",
      "sn,cpu_milli,memory_mib,gpu,model\nn,1,1,0.5,A\n",
      2,
      'gpu: "0.5" is no whole number of 0 to 64',
    ],
    [
      "cards without a model",
      "sn,cpu_milli,memory_mib,gpu,model\nn,1,1,1,\n",
      2,
      "model: a machine with cards needs their model",
    ],
    ["nothing", "sn,cpu_milli,memory_mib,gpu,model\n", undefined, "it has no rows"],
  ])("with %s is refused with its line", (_name, text, line, detail) => {
    expect(lineOf(() => readMachines(text, "n.csv"))).toEqual(["capacity.trace_not_valid", line, detail]);
  });

  test("pods that ask for shares of several cards, or for cards and nothing of them, are refused", () => {
    const header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n";
    expect(lineOf(() => readPods(`${header}p,1,1,2,500\n`, "p.csv"))[2]).toContain(
      "of several cards a pod takes all",
    );
    expect(lineOf(() => readPods(`${header}p,1,1,1,0\n`, "p.csv"))[2]).toContain(
      "asks for 1 to 1000 of each",
    );
    expect(lineOf(() => readPods(`${header}p,-1,1,1,1000\n`, "p.csv"))[1]).toBe(2);
  });
});

describe("dedicated beside pooled", () => {
  const hour = (at: number, team: string, gpus: number) => ({ at: at * 3_600_000_000, team, gpus });

  test("two teams that take turns need half the cards together", () => {
    const usage = [
      hour(0, "day", 8),
      hour(12, "day", 0),
      hour(24, "day", 0),
      hour(0, "night", 0),
      hour(12, "night", 8),
      hour(24, "night", 8),
    ];
    expect(comparePooling(usage)).toMatchObject({
      dedicated: 16,
      dedicatedUtilisation: 0.5,
      pooled: 8,
      pooledUtilisation: 1,
      teams: [
        { team: "day", dedicated: 8, peak: 8, mean: 4, utilisation: 0.5 },
        { team: "night", dedicated: 8, peak: 8, mean: 4, utilisation: 0.5 },
      ],
    });
    expect(comparePooling(usage, new Map([["day", 12]])).dedicated).toBe(20);
  });

  test("a pool without its last cards is short for as long as they were needed", () => {
    const usage = [hour(0, "a", 4), hour(99, "a", 6), hour(100, "a", 0)];
    const { pooled, shortfalls, pooledUtilisation } = comparePooling(usage);
    expect(pooled).toBe(6);
    expect(pooledUtilisation).toBeCloseTo((99 * 4 + 6) / 600, 12);
    expect(shortfalls).toEqual([
      { gpus: 5, shortOfTime: 0.01 },
      { gpus: 4, shortOfTime: 0.01 },
      { gpus: 3, shortOfTime: 1 },
    ]);
  });

  test("its file is read with the line of what is wrong", () => {
    expect(readUsage("at,team,gpus\n2026-11-02T08:00:00Z,a,4\n", "u.csv")).toHaveLength(1);
    expect(() => readUsage("at,team,gpus\nyesterday,a,4\n", "u.csv")).toThrow(/no instant/);
    expect(() => readUsage("at,team,gpus\n2026-11-02T08:00:00Z,a,-4\n", "u.csv")).toThrow(/whole number/);
  });
});
