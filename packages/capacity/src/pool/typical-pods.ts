import type { Pod } from "./machines.ts";

/** A kind of pod and how large a share of all it is. */
export interface TypicalPod {
  readonly pod: Pod;
  readonly share: number;
}

export function kindOf({ cpuMilli, memoryMib, gpus, gpuMilli, models }: Pod): string {
  return [cpuMilli, memoryMib, gpus, gpuMilli, models.join("|")].join("/");
}

/** By what is scored: memory is no scarce resource in fragments, and pods that differ by it alone are one kind. */
function scoredKindOf({ cpuMilli, gpus, gpuMilli, models }: Pod): string {
  return [cpuMilli, gpus, gpuMilli, models.join("|")].join("/");
}

/** The most frequent kinds that make up this share of a workload, with their shares of it, which sum to 1 (Weng et al., ATC 2023, section 4). */
export function typicalPods(pods: readonly Pod[], popularity = 0.95): TypicalPod[] {
  const kinds = new Map<string, { pod: Pod; count: number }>();
  for (const pod of pods) {
    const kind = scoredKindOf(pod);
    const known = kinds.get(kind);
    if (known) known.count++;
    else kinds.set(kind, { pod, count: 1 });
  }
  const typical: { pod: Pod; count: number }[] = [];
  let total = 0;
  for (const kind of [...kinds.values()].toSorted((a, b) => b.count - a.count)) {
    if (total >= popularity * pods.length) break;
    typical.push(kind);
    total += kind.count;
  }
  return typical.map(({ pod, count }) => ({ pod, share: count / total }));
}
