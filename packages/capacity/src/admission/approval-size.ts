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
  /** Of cards for the time that they may be held; infinite without a limit. */
  readonly gpuSeconds: number;
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
  { cpu, memory, gpus = [], timeLimitSeconds = Infinity }: WorkRequest,
  assumed: { readonly cpu: number; readonly memoryBytes: number },
): WorkSize {
  // Reads the text, and refuses what is no size; the bytes below are exact, where quotas count in MiB.
  if (memory !== undefined) amountOf("memory", memory);
  const cards = gpus.reduce((sum, card) => sum + card.count * partOfCard(card), 0);
  return {
    gpus: cards,
    gpuSeconds: cards === 0 ? 0 : cards * timeLimitSeconds,
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
  { gpus, gpuSeconds, cpuMilli, memoryBytes }: WorkSize,
  bound: ApprovalSize,
): string | undefined {
  const above = [
    ...(bound.gpus !== undefined && gpus > bound.gpus ? [`${cardsText(gpus)}, above ${bound.gpus}`] : []),
    ...(bound.gpuHours !== undefined && gpuSeconds > secondsOf(bound.gpuHours)
      ? [
          `${gpuHoursText(gpus, gpuSeconds)}, above ${bound.gpuHours}${Number.isFinite(gpuSeconds) ? "" : " GPU hours"}`,
        ]
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

/** A charter's decimals to the millisecond of a card, so that 0.1 hours are 360 seconds. */
function secondsOf(hours: number): number {
  return Math.round(hours * 3_600_000) / 1000;
}

function cardsText(gpus: number): string {
  const count = Number(gpus.toFixed(3));
  return `${count} ${count === 1 ? "card" : "cards"}`;
}

function gpuHoursText(gpus: number, gpuSeconds: number): string {
  if (!Number.isFinite(gpuSeconds)) return `${cardsText(gpus)} without a time limit`;
  return `${Number((gpuSeconds / 3600).toFixed(4))} GPU hours`;
}

function gibText(bytes: number): string {
  return `${Number((bytes / 2 ** 30).toFixed(3))} GiB`;
}
