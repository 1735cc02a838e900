import type { ContractHealth, JudgedBatch } from "./health-store.ts";

/** Figures of a contract in one place, for service levels: what is absent is not known yet. */
export interface HealthFigures {
  /** Age of the newest event that was published, seconds. */
  readonly freshnessLagSeconds?: number;
  /** Rows of the newest batch that was judged. */
  readonly rows?: { readonly accepted: number; readonly quarantined: number; readonly deadLetters: number };
  /** Columns of the newest batch that differ from the contract, or from the batch before. */
  readonly driftedColumns: { readonly added: number; readonly missing: number; readonly changed: number };
  /** Share of accepted rows, 0 to 1, in which a column is null; columns that are never null are left out. */
  readonly nullShares: Readonly<Record<string, number>>;
  /** By how much the share of the worst column rose since the batch before; 0 where none did. */
  readonly nullRise: number;
}

/** Pure. @param now epoch microseconds */
export function healthFigures(health: ContractHealth, now: number): HealthFigures {
  const [last, before] = health.batches;
  const shares = sharesOf(last);
  const old = sharesOf(before);
  const rises = before ? Object.entries(shares).map(([name, share]) => share - (old[name] ?? 0)) : [];
  return {
    ...(health.newestEvent === null ? {} : { freshnessLagSeconds: (now - health.newestEvent) / 1_000_000 }),
    ...(last?.counts ? { rows: last.counts } : {}),
    driftedColumns: {
      added: last?.drift?.added.length ?? 0,
      missing: last?.drift?.missing.length ?? 0,
      changed: last?.drift?.changed.length ?? 0,
    },
    nullShares: shares,
    nullRise: Math.max(0, ...rises),
  };
}

function sharesOf(batch: JudgedBatch | undefined): Record<string, number> {
  const rows = batch?.counts?.accepted ?? 0;
  if (rows === 0) return {};
  return Object.fromEntries(
    Object.entries(batch?.nulls ?? {}).flatMap(([name, nulls]) => (nulls > 0 ? [[name, nulls / rows]] : [])),
  );
}
