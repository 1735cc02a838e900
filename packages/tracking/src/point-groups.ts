import { type CallContext, type Digest, digestJson, type JsonObject } from "@portolan/kernel";
import type { MetricPoint } from "./contract.ts";
import { latestPoints } from "./latest-points.ts";

/** The points of one request that is allowed. */
export interface PointsOfRequest {
  readonly call: CallContext;
  readonly runId: string;
  readonly points: readonly MetricPoint[];
  /** Of the points. */
  readonly digest: Digest;
  /** What it counts of the bytes that a run may log. */
  readonly bytes: number;
}

/** Points that are stored as one row. */
export interface PointBlock {
  readonly runId: string;
  readonly digest: Digest;
  readonly points: readonly MetricPoint[];
}

/** What one transaction writes for several requests. */
export interface PointGroup {
  readonly runs: readonly {
    readonly runId: string;
    readonly organisationId: string;
    readonly bytes: number;
  }[];
  readonly blocks: readonly PointBlock[];
  /** The latest of the group, of each run and key. */
  readonly latest: readonly { readonly runId: string; readonly point: MetricPoint }[];
}

/** Fewer points than this share a block with others of their run: a request of many is the same block when it is sent again. */
const fewPoints = 100;

/** Pure. */
export function groupOf(requests: readonly PointsOfRequest[]): PointGroup {
  const byRun = [...Map.groupBy(requests, ({ runId }) => runId)].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    runs: byRun.map(([runId, own]) => ({
      runId,
      organisationId: own[0]?.call.actor.organisationId ?? "",
      bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
    })),
    blocks: byRun.flatMap(([runId, own]) =>
      [...Map.groupBy(own, ({ call }) => callerOf(call)).values()].flatMap((one) => blocksOf(runId, one)),
    ),
    latest: byRun.flatMap(([runId, own]) =>
      latestPoints(own.flatMap(({ points }) => points)).map((point) => ({ runId, point })),
    ),
  };
}

/** Requests with the same text are in one name, for one purpose. Pure. */
export function callerOf({ actor, onBehalfOf, purpose }: CallContext): string {
  return JSON.stringify([actor.organisationId, actor.kind, actor.id, onBehalfOf, purpose]);
}

/** The blocks of requests of one caller to one run. Pure. */
export function blocksOf(runId: string, requests: readonly PointsOfRequest[]): PointBlock[] {
  const [few, many] = [
    requests.filter(({ points }) => points.length < fewPoints),
    requests.filter(({ points }) => points.length >= fewPoints),
  ];
  const own = new Map(many.map(({ digest, points }) => [digest, { runId, digest, points }]));
  const [first, ...others] = few;
  if (first === undefined) return [...own.values()];
  const points = few.flatMap((request) => request.points);
  const digest = others.length === 0 ? first.digest : digestJson(points.map(jsonPoint));
  return [...own.set(digest, { runId, digest, points }).values()];
}

/** NaN has no JSON form; MLflow writes it as text. */
export function jsonPoint({ key, value, timestampMs, step }: MetricPoint): JsonObject {
  return { key, value: Number.isNaN(value) ? "NaN" : value, timestampMs, step };
}
