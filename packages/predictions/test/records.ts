import { asEpochMicros, type Clock, type Id, systemClock } from "@portolan/kernel";
import type { PredictionContext, PredictionRecord } from "../src/contract.ts";

export const writerId = "wr_0mwr2jm00abcdefghjkmnpqrst" as Id<"writer">;
export const organisationId = "org_0mwr2jm00abcdefghjkmnpqrst" as Id<"organisation">;
export const otherOrganisationId = "org_0mwr2jm00zzzzzzzzzzzzzzzzz" as Id<"organisation">;
export const clock: Clock = systemClock;

export function aContext(organisation: string = organisationId, endpoint = "delays"): PredictionContext {
  return {
    organisationId: organisation,
    useCaseId: "uc_0mwr2jm00abcdefghjkmnpqrst",
    endpoint,
    environment: "production",
    model: { name: "delays", version: "7", digest: `sha256:${"ab".repeat(32)}` },
    variant: "champion",
    charter: { version: 3, digest: `sha256:${"cd".repeat(32)}` },
    snapshotVersion: 41,
    costTags: { team: "ops", businessUnit: "air" },
  };
}

export function aRecord(context: PredictionContext, n: number): PredictionRecord {
  return {
    context,
    principal: "sa_0mwr2jm00abcdefghjkmnpqrst",
    purpose: "operations",
    requestId: `req-${n}`,
    receivedAt: asEpochMicros(1_795_000_000_000_000 + n * 1000),
    latency: { authMicros: 3, runMicros: 40, totalMicros: 61 },
    status: { kind: "ok" },
    inputs: { mediaType: "application/json", bytes: Buffer.from(`{"inputs":[${n},2.5,"KJFK"]}`) },
    features: [{ name: "delay_mean_1h", value: 4.25, at: 1_794_999_999_000_000, source: "online" }],
    outputs: { mediaType: "application/json", bytes: Buffer.from(`{"outputs":[0.${n}]}`) },
    subject: `flight-${n}`,
  };
}
