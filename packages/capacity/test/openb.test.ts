import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import {
  experiment,
  migModels,
  type PolicyName,
  readMachines,
  readMigParted,
  readPods,
} from "../src/index.ts";

/** Alibaba's GPU traces of 2023 and NVIDIA's tables, which are not ours to give away: they lie beside the repository where there are any. */
const data = join(import.meta.dirname, "../../../../shared/data");

/**
 * Final share of cards in use, means of ten seeds: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
 * Descent", USENIX ATC 2023, from the authors' published results.
 */
const published: Readonly<Record<string, Readonly<Partial<Record<PolicyName, number>>>>> = {
  cpu250: { random: 80.415, "best-fit": 91.446, fgd: 93.411 },
  default: { random: 87.47, "best-fit": 93.076, fgd: 95.391 },
  gpushare100: { random: 79.443, "best-fit": 85.006, fgd: 86.901 },
  gpushare40: { random: 86.002, "best-fit": 91.689, fgd: 94.148 },
  gpuspec33: { random: 86.456, "best-fit": 93.093, fgd: 94.547 },
  multigpu50: { random: 90.275, "best-fit": 95.738, fgd: 97.178 },
};

describe.skipIf(!existsSync(join(data, "openb")))("Alibaba's traces", () => {
  const read = (name: string): string => readFileSync(join(data, "openb", name), "utf8");
  const worldOf = (trace: string, seeds: readonly number[]) => ({
    machines: readMachines(read("openb_node_list_gpu_node.csv"), "nodes"),
    pods: readPods(read(`openb_pod_list_${trace}.csv`), trace),
    load: 1.3,
    seeds,
    randomOf: seededRandom,
  });

  test.each(Object.entries(published))(
    "%s: published results come out within half a point, and least-loss beats FGD's, refusing nothing that fits",
    (trace, expected) => {
      const found = (policy: PolicyName, seeds: readonly number[]) => {
        const { allocation, refusedThoughFeasible } = experiment(worldOf(trace, seeds), policy);
        expect(refusedThoughFeasible).toBe(0);
        return 100 * allocation;
      };
      // Single runs of both differ by up to a point; published are means of ten.
      for (const policy of ["random", "fgd"] as const)
        expect(Math.abs(found(policy, [42, 43, 44]) - (expected[policy] ?? 0)), policy).toBeLessThan(0.5);
      expect(Math.abs(found("best-fit", [42]) - (expected["best-fit"] ?? 0))).toBeLessThan(0.5);
      expect(found("least-loss", [42])).toBeGreaterThan(expected.fgd ?? 100);
    },
    300_000,
  );
});

describe.skipIf(!existsSync(join(data, "mig")))("NVIDIA's files", () => {
  interface Profile {
    readonly profile: string;
    readonly computeSlices: number;
    readonly memorySlices: number;
    readonly placements: readonly { readonly start: number }[];
  }
  const tables = JSON.parse(
    existsSync(data) ? readFileSync(join(data, "mig/mig-profiles.json"), "utf8") : "{}",
  ) as Record<string, { readonly profiles?: readonly Profile[] }>;

  test.each(migModels.map((model) => [model.name, model] as const))(
    "%s is as the tables have it",
    (name, model) => {
      expect(
        model.profiles.map((one) => [one.name, one.computeSlices, one.memorySlices, one.starts]),
      ).toEqual(
        tables[name]?.profiles?.map((one) => [
          one.profile,
          one.computeSlices,
          one.memorySlices,
          one.placements.map(({ start }) => start),
        ]),
      );
    },
  );

  test.each(["mig-parted-config-default.yaml", "mig-parted-example-config.yaml"])("%s is taken", (name) => {
    const { file } = readMigParted(readFileSync(join(data, "mig", name), "utf8"), name);
    expect(Object.keys(file["mig-configs"]).length).toBeGreaterThan(5);
  });
});
