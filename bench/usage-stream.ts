import type { Bill, UsageLine } from "../packages/metering/src/index.ts";

/** What is used, as a bill names it. */
export const billedResources = ["cpu_hours", "gpu_hours", "ram_gb_hours"] as const;

/**
 * Usage of so many tenants, the same at every run, one record at a time: a linear congruential generator (Numerical Recipes), which bench/opencost has in Go.
 *
 * @param environmentOf of the tenant at this place
 */
export function usageStream(records: number, tenants: number, environmentOf: (at: number) => string) {
  const names = Array.from({ length: tenants }, (_, at) => ({
    businessUnit: `unit${at % 20}`,
    team: `team${at % 100}`,
    useCase: `use-case-${at}`,
    environment: environmentOf(at),
  }));
  return function* usage(): Generator<UsageLine> {
    let state = 1;
    for (let at = 0; at < records; at += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const tenant = names[state % tenants];
      const resource = billedResources[at % billedResources.length];
      if (tenant && resource) yield { tenant, resource, quantity: BigInt(1 + (state >>> 12)) };
    }
  };
}

/** Of machines that have half as much again as was used. */
export function billOf(usage: Iterable<UsageLine>): Bill {
  const used = new Map<string, bigint>();
  for (const { resource, quantity } of usage) used.set(resource, (used.get(resource) ?? 0n) + quantity);
  return {
    currency: "USD",
    lines: billedResources.map((name, at) => ({
      name,
      kind: "metered" as const,
      amount: { nanos: 70_000_000_000_001n * BigInt(at + 1), currency: "USD" },
      capacity: ((used.get(name) ?? 0n) * 3n) / 2n,
    })),
  };
}
