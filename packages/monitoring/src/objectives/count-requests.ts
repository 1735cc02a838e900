import type { Environment } from "@portolan/kernel";
import type { PredictionHeader } from "@portolan/predictions/contract";
import { bucketEdgeMicros } from "./indicator.ts";

/** Requests as objectives judge them. */
export interface RequestCounts {
  readonly requests: number;
  /** Answered with a status of 500 to 599. */
  readonly unavailable: number;
  /** Answered with a prediction. */
  readonly answers: number;
  /** Of these, by something in the model's place. */
  readonly fallbacks: number;
  /** By the bucket of the time that they took, as gateways' histograms have them; the last one is beyond all edges. */
  readonly tookWithin: readonly number[];
}

/** Counts of one endpoint in one minute. */
export interface CountedMinute extends RequestCounts {
  readonly environment: Environment;
  readonly endpoint: string;
  /** Start, epoch microseconds. */
  readonly minute: number;
}

export const minuteMicros = 60_000_000;

export const noRequests: RequestCounts = {
  requests: 0,
  unavailable: 0,
  answers: 0,
  fallbacks: 0,
  tookWithin: Array.from({ length: bucketEdgeMicros.length + 1 }, () => 0),
};

/** Pure. */
export function addRequests(a: RequestCounts, b: RequestCounts): RequestCounts {
  return {
    requests: a.requests + b.requests,
    unavailable: a.unavailable + b.unavailable,
    answers: a.answers + b.answers,
    fallbacks: a.fallbacks + b.fallbacks,
    tookWithin: a.tookWithin.map((count, at) => count + (b.tookWithin[at] ?? 0)),
  };
}

/**
 * What the records of a block say of requests, by endpoint and minute of arrival. Copies that shadows saw and reads of features are no requests of a
 * prediction, and what reached no endpoint is nobody's. Of a flood of refusals one record stands for many. Pure.
 */
export function countRequests(headers: readonly PredictionHeader[]): CountedMinute[] {
  const counted = new Map<string, CountedMinute>();
  for (const header of headers) {
    const { context, receivedAt } = header;
    const { environment, endpoint } = context;
    const one = countsOf(header);
    if (!one || endpoint === "-") continue;
    const minute = Math.floor(receivedAt / minuteMicros) * minuteMicros;
    const key = `${environment} ${minute} ${endpoint}`;
    const before = counted.get(key) ?? noRequests;
    counted.set(key, { ...addRequests(before, one), environment, endpoint, minute });
  }
  return [...counted.values()];
}

function countsOf({ context, status, latency }: PredictionHeader): RequestCounts | undefined {
  if (status.kind === "read" || context.variant === "shadow") return undefined;
  const requests = status.kind === "refused" ? status.count : 1;
  const isAnswer = status.kind === "ok";
  const edge = bucketEdgeMicros.findIndex((micros) => latency.totalMicros <= micros);
  const bucket = edge < 0 ? bucketEdgeMicros.length : edge;
  return {
    requests,
    unavailable: !isAnswer && status.httpStatus >= 500 ? requests : 0,
    answers: isAnswer ? requests : 0,
    fallbacks: isAnswer && context.variant === "fallback" ? requests : 0,
    tookWithin: noRequests.tookWithin.map((_, at) => (at === bucket ? requests : 0)),
  };
}
