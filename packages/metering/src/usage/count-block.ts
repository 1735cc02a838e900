import { asEpochMicros } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { type CountedResource, countedResources } from "./resources.ts";

export const hourMicros = 3_600_000_000;

/** What a block of the prediction log adds to one meter in one hour. */
export interface BlockUsage {
  readonly useCaseId: string;
  readonly environment: string;
  readonly endpoint: string;
  /** Empty where no model answered. */
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  readonly resource: CountedResource;
  /** Start of the hour of arrival, epoch microseconds. */
  readonly hour: number;
  readonly quantity: bigint;
}

/**
 * What records of a block used, by endpoint, version, variant and hour of arrival: requests (a record of a flood counts all that it stands for), the
 * time that models ran on processors or cards, and tokens of text. Copies that shadows saw are usage too; reads of features are requests of
 * nobody's model. What reached no endpoint is nobody's. In the order of their meters, so that folds lock in one order. Pure.
 */
export function countBlockUsage(headers: readonly PredictionHeader[]): BlockUsage[] {
  const sums = new Map<string, BlockUsage>();
  for (const { context, status, latency, text, receivedAt } of headers) {
    const { useCaseId, environment, endpoint, model, variant, backend } = context;
    if (endpoint === "-") continue;
    const hour = asEpochMicros(Math.floor(receivedAt / hourMicros) * hourMicros);
    const isGpu = backend?.hardware === "gpu";
    const add = (resource: CountedResource, quantity: number): void => {
      if (quantity <= 0) return;
      const one = {
        useCaseId,
        environment,
        endpoint,
        model: model?.name ?? "",
        version: model?.version ?? "",
        variant,
        resource,
        hour,
      };
      const key = meterOf(one);
      const before = sums.get(key)?.quantity ?? 0n;
      sums.set(key, { ...one, quantity: before + BigInt(quantity) });
    };
    if (status.kind === "read") add("requests", status.requests);
    else add("requests", status.kind === "refused" ? status.count : 1);
    const run = latency.runMicros ?? 0;
    if (isGpu) add("gpu_hours", run * gpuParts);
    else add("cpu_hours", run);
    add("tokens", (text?.promptTokens ?? 0) + (text?.completionTokens ?? 0));
  }
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** One answer keeps one card busy, or the part of it that its server sees. */
const gpuParts = Number(countedResources.gpu_hours.perUnit / BigInt(hourMicros));

/** Stable: what is counted of one version in one hour has one. */
export function meterOf(of: Omit<BlockUsage, "quantity">): string {
  const { useCaseId, environment, endpoint, model, version, variant, resource, hour } = of;
  return [useCaseId, environment, endpoint, model, version, variant, resource, String(hour)]
    .map(encodeURIComponent)
    .join("/");
}
