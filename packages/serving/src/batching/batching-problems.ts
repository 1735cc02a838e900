import type { Batching } from "../snapshot/runs-schema.ts";
import type { ModelReference } from "../snapshot/schema.ts";

/**
 * The longest wait for company that a charter's p95 leaves room for, in whole milliseconds: a quarter of it. Half of the p95 is all that a request
 * may wait before load is shed; the rest is the model's. Pure.
 */
export function longestBatchDelayMs(latencyMsP95: number): number {
  return Math.floor(latencyMsP95 / 4);
}

/** Why a deployment's batching fits neither its model nor its charter; empty when it does. Pure. */
export function findBatchingProblems(
  { maxDelayMs, preferredRows }: Batching,
  { name, version, upstream }: ModelReference,
  latencyMsP95: number | undefined,
): string[] {
  const longest = latencyMsP95 === undefined ? undefined : longestBatchDelayMs(latencyMsP95);
  const isAscending = preferredRows.every((rows, at) => at === 0 || rows > (preferredRows[at - 1] ?? 0));
  return [
    ...(upstream ? [`${name}/${version} is run by another server, which batches by itself`] : []),
    ...(isAscending ? [] : [`the preferred sizes ${preferredRows.join(", ")} do not ascend`]),
    ...(longest !== undefined && maxDelayMs > longest
      ? [
          `a delay of ${maxDelayMs} ms is more than a quarter of the charter's p95 of ${latencyMsP95} ms, which is ${longest} ms`,
        ]
      : []),
  ];
}
