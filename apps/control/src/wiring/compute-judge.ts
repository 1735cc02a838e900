import { formatMoney, isPortolanError } from "@portolan/kernel";
import { cpuCostPerThousand, judgeCompute } from "@portolan/planner";
import { type RegistryDeps, readComputeProfile } from "@portolan/registry";
import type { ComputeJudge } from "@portolan/serving";
import type { Foundation } from "./foundation.ts";

/** Holds the profile that a version got when it was registered against its charter's plan. */
export function createComputeJudge(
  registry: RegistryDeps,
  { clock, prices }: Pick<Foundation, "clock" | "prices">,
): ComputeJudge {
  return {
    async judge(call, { name, version }, charter) {
      const measured = charter && (await readComputeProfile(registry, call, name, version).catch(notThere));
      if (!charter || !measured) return null;
      const { single, memory } = measured.profile;
      const verdict = judgeCompute(charter.document, {
        p95Ms: single.p95Micros / 1000,
        cpuMs: single.cpuMicros / 1000,
        modelBytes: memory.modelBytes,
      });
      if (!verdict) return null;
      const cost = cpuCostPerThousand(charter.document, prices, clock.now(), single.cpuMicros);
      return {
        ...verdict,
        disagreements: [...verdict.disagreements],
        p95Micros: single.p95Micros,
        ...(cost ? { costPerThousand: formatMoney(cost) } : {}),
      };
    },
  };
}

/** Who may list endpoints need not see versions. */
function notThere(error: unknown): undefined {
  if (isPortolanError(error) && error.code === "registry.version_not_found") return undefined;
  throw error;
}
