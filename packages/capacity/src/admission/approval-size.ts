import { parseBytes } from "@portolan/kernel";
import type { WorkRequest } from "../contract.ts";
import { migModels } from "../mig/models.ts";
import type { ApprovalSize } from "../ports.ts";
import { amountOf } from "./resolve-request.ts";

type Card = NonNullable<WorkRequest["gpus"]>[number];

/** What work asks for, by the measures that a charter bounds. */
export interface WorkSize {
  /** Whole cards; slices count as their parts of one. */
  readonly gpus: number;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
}

/**
 * What is asked for, and what is assumed where that is left out. Pure.
 *
 * @param assumed cores and bytes
 * @throws PortolanError `capacity.request_not_valid`: what cannot be read is not small
 */
export function workSize(
  { cpu, memory, gpus = [] }: WorkRequest,
  assumed: { readonly cpu: number; readonly memoryBytes: number },
): WorkSize {
  // Reads the text, and refuses what is no size; the bytes below are exact, where quotas count in MiB.
  if (memory !== undefined) amountOf("memory", memory);
  return {
    gpus: gpus.reduce((sum, card) => sum + card.count * partOfCard(card), 0),
    cpuMilli: cpu === undefined ? Math.ceil(assumed.cpu * 1000) : amountOf("cpu", cpu),
    memoryBytes: memory === undefined ? assumed.memoryBytes : parseBytes(memory),
  };
}

/** Of its memory, as quotas count; the largest part where several cards have such a slice, and a whole card where none is known to. */
function partOfCard({ model, profile }: Card): number {
  if (profile === undefined) return 1;
  const named = migModels.filter(
    ({ name }) => model === undefined || name.toLowerCase().startsWith(model.toLowerCase()),
  );
  const parts = named.flatMap((card) =>
    card.profiles.flatMap(({ name, memorySlices }) =>
      name === profile ? [memorySlices / card.memorySlices] : [],
    ),
  );
  return parts.length === 0 ? 1 : Math.max(...parts);
}

/** What of it is above the size, in words; undefined where nothing is. Exactly the size is not above it. Pure. */
export function aboveSize(
  { gpus, cpuMilli, memoryBytes }: WorkSize,
  bound: ApprovalSize,
): string | undefined {
  const above = [
    ...(bound.gpus !== undefined && gpus > bound.gpus
      ? [`${Number(gpus.toFixed(3))} cards, above ${bound.gpus}`]
      : []),
    ...(bound.cpu !== undefined && cpuMilli > Math.round(bound.cpu * 1000)
      ? [`${cpuMilli / 1000} CPU, above ${bound.cpu}`]
      : []),
    ...(bound.memoryBytes !== undefined && memoryBytes > bound.memoryBytes
      ? [`${gibText(memoryBytes)} of memory, above ${gibText(bound.memoryBytes)}`]
      : []),
  ];
  return above.length === 0 ? undefined : above.join("; ");
}

function gibText(bytes: number): string {
  return `${Number((bytes / 2 ** 30).toFixed(3))} GiB`;
}
