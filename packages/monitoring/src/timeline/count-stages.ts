import type { Environment } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { minuteMicros } from "../objectives/count-requests.ts";
import { bucketEdgeMicros } from "../objectives/indicator.ts";

/** Parts of a request's way through the gateway. */
export const stages = ["features", "queue", "run"] as const;
export type Stage = (typeof stages)[number];

/** Times of one part of an endpoint's requests in one minute. */
export interface StageMinute {
  readonly environment: Environment;
  readonly endpoint: string;
  /** Start, epoch microseconds. */
  readonly minute: number;
  readonly stage: Stage;
  /** By bucket of the time that it took; the last one is beyond all edges. */
  readonly counts: readonly number[];
}

/** What the records of a block say of the parts of requests, by endpoint and minute of arrival; parts that did not happen are absent. Pure. */
export function countStages(headers: readonly PredictionHeader[]): StageMinute[] {
  const counted = new Map<string, StageMinute & { counts: number[] }>();
  for (const { context, status, latency, receivedAt } of headers) {
    const { environment, endpoint, variant } = context;
    if (status.kind === "read" || variant === "shadow" || endpoint === "-") continue;
    const minute = Math.floor(receivedAt / minuteMicros) * minuteMicros;
    for (const stage of stages) {
      const micros = latency[`${stage}Micros`];
      if (micros === undefined) continue;
      const key = `${environment} ${minute} ${stage} ${endpoint}`;
      const own = counted.get(key) ?? { environment, endpoint, minute, stage, counts: noTimes() };
      const bucket = bucketOf(micros);
      own.counts[bucket] = (own.counts[bucket] ?? 0) + 1;
      counted.set(key, own);
    }
  }
  return [...counted.values()];
}

function noTimes(): number[] {
  return Array.from({ length: bucketEdgeMicros.length + 1 }, () => 0);
}

function bucketOf(micros: number): number {
  const edge = bucketEdgeMicros.findIndex((most) => micros <= most);
  return edge < 0 ? bucketEdgeMicros.length : edge;
}
