import type { ModelReference, Route } from "@portolan/serving/contract";
import type { RuntimeState } from "@portolan/serving/policy";

/** What one loaded copy of a model takes, the process that it is loaded into not included. */
export interface ModelMemory {
  readonly bytes: number;
  /** Whether packaging measured it, or the size of its file has to do; `elsewhere`: another server runs it. */
  readonly basis: "measured" | "estimated" | "elsewhere";
}

/**
 * Where nobody measured a model it counts as twice its file. Dense nets were seen to take 1.0 to 3 times theirs,
 * ensembles of trees 13 to 16 times: an estimate that suits those would keep the others out.
 */
const estimatedPerFileByte = 2;

/**
 * What a runner process holds for itself before it has a model, beside the code that all of them share: 60 to 64 MiB
 * were seen (Node 24, ONNX Runtime 1.30).
 */
export const runnerOwnBytes = 64 * 2 ** 20;

/** @param measured bytes by the model's digest, as a snapshot says them */
export function memoryOf(
  { digest, sizeBytes, upstream }: ModelReference,
  measured: ReadonlyMap<string, number>,
): ModelMemory {
  if (upstream) return { bytes: 0, basis: "elsewhere" };
  const bytes = measured.get(digest);
  return bytes === undefined
    ? { bytes: estimatedPerFileByte * sizeBytes, basis: "estimated" }
    : // A process that had memory to spare grew by less than it was given.
      { bytes: Math.max(bytes, sizeBytes), basis: "measured" };
}

/** What routes say of their models' memory, by digest. */
export function measuredIn(routes: readonly Pick<Route, "memory">[]): Map<string, number> {
  return new Map(
    routes.flatMap(({ memory = [] }) =>
      memory.map(({ digest, loadedBytes }) => [digest, loadedBytes] as const),
    ),
  );
}

/** Bytes of the least that can serve: one copy, and the process around it where it has one of its own. */
export function leastBytes({ bytes, basis }: ModelMemory, origin: ModelReference["origin"]): number {
  return basis === "elsewhere" ? 0 : bytes + (origin === "imported" ? runnerOwnBytes : 0);
}

/** Bytes that so many copies take where they run now. */
export function heldBytes({ bytes, basis }: ModelMemory, copies: number, state: RuntimeState): number {
  if (basis === "elsewhere") return 0;
  const own = state.kind === "ready" && state.tier === "runner" ? runnerOwnBytes : 0;
  return Math.max(1, copies) * (bytes + own);
}

/** e.g. `237.1 MiB (measured when it was registered)`, or `74.0 MiB (estimated from its file, and 64.0 MiB for its own process)`. */
export function describeNeed(memory: ModelMemory, origin: ModelReference["origin"]): string {
  const how = memory.basis === "measured" ? "measured when it was registered" : "estimated from its file";
  const own = origin === "imported" ? `, and ${mebibytes(runnerOwnBytes)} for its own process` : "";
  return `${mebibytes(leastBytes(memory, origin))} (${how}${own})`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
