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

/** One version of one endpoint, and what it used by hours. */
interface Metered {
  readonly of: Omit<BlockUsage, "resource" | "hour" | "quantity">;
  readonly hours: Map<number, HourSums>;
}
type HourSums = Map<CountedResource, bigint>;

/**
 * What records of a block used, by endpoint, version, variant and hour of arrival: requests (a record of a flood counts all that it stands for), the
 * time that models ran on processors or cards, tokens of text, and bytes of bodies. Copies that shadows saw are usage too; reads of features are requests of
 * nobody's model. What reached no endpoint is nobody's. In the order of their meters, so that folds lock in one order. Pure.
 */
export function countBlockUsage(headers: readonly PredictionHeader[]): BlockUsage[] {
  // The records of a frame share their context: by that itself first, for a name costs more than all that is added under it.
  const byContext = new Map<PredictionHeader["context"], Metered>();
  const byName = new Map<string, Metered>();
  for (const header of headers) {
    const { context, receivedAt } = header;
    if (context.endpoint === "-") continue;
    let metered = byContext.get(context);
    if (!metered) {
      metered = meteredOf(byName, context);
      byContext.set(context, metered);
    }
    const hour = asEpochMicros(Math.floor(receivedAt / hourMicros) * hourMicros);
    const own = metered.hours.get(hour) ?? new Map<CountedResource, bigint>();
    metered.hours.set(hour, own);
    addRecord(own, header);
  }
  const found: (readonly [string, BlockUsage])[] = [];
  for (const { of, hours } of byName.values())
    for (const [hour, own] of hours)
      for (const [resource, quantity] of own) {
        const one = { ...of, resource, hour, quantity };
        found.push([meterOf(one), one]);
      }
  return found.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

function meteredOf(byName: Map<string, Metered>, context: PredictionHeader["context"]): Metered {
  const { useCaseId, environment, endpoint, model, variant } = context;
  const [name, version] = [model?.name ?? "", model?.version ?? ""];
  const key = JSON.stringify([useCaseId, environment, endpoint, name, version, variant]);
  const known = byName.get(key);
  if (known) return known;
  const of = { useCaseId, environment, endpoint, model: name, version, variant };
  const metered = { of, hours: new Map<number, HourSums>() };
  byName.set(key, metered);
  return metered;
}

function addRecord(own: HourSums, { context, status, latency, text, bytes }: PredictionHeader): void {
  const add = (resource: CountedResource, quantity: number): void => {
    if (quantity > 0) own.set(resource, (own.get(resource) ?? 0n) + BigInt(quantity));
  };
  const requests = status.kind === "read" ? status.requests : status.kind === "refused" ? status.count : 1;
  add("requests", requests);
  const run = latency.runMicros ?? 0;
  if (context.backend?.hardware === "gpu") add("gpu_hours", run * gpuParts);
  else add("cpu_hours", run);
  add("tokens", (text?.promptTokens ?? 0) + (text?.completionTokens ?? 0));
  // What nobody counted is not nothing.
  if (!bytes) return add("requests_without_bytes", requests);
  add("request_gb", bytes.in);
  add("response_gb", bytes.out);
  if (bytes.outside === true) add("egress_gb", bytes.out);
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
