import { type CallContext, canonicalBytes, type Digest, digestBytes } from "@portolan/kernel";
import { float8Array, int4Array, int8Array } from "./binary-arrays.ts";
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

/** Points of one caller that are stored as one row. */
export interface PointBlock {
  readonly runId: string;
  readonly call: CallContext;
  /** How many requests they came in. */
  readonly requests: number;
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
  const own = new Map(
    many.map(({ call, digest, points }) => [digest, { runId, call, requests: 1, digest, points }]),
  );
  const [first, ...others] = few;
  if (first === undefined) return [...own.values()];
  const points = few.flatMap((request) => request.points);
  const digest = others.length === 0 ? first.digest : sealPoints(points).digest;
  return [...own.set(digest, { runId, call: first.call, requests: few.length, digest, points }).values()];
}

/** Points as they are stored: point i is keys[keyOf[i] - 1] with the i-th value, time and step. */
export interface PointColumns {
  readonly keys: readonly string[];
  readonly keyOf: readonly number[];
  readonly values: readonly number[];
  readonly timestampsMs: readonly number[];
  readonly steps: readonly number[];
}

/** Pure. */
export function columnsOf(points: readonly MetricPoint[]): PointColumns {
  const place = new Map<string, number>();
  const keyOf = points.map(({ key }) => {
    const known = place.get(key);
    if (known !== undefined) return known;
    place.set(key, place.size + 1);
    return place.size;
  });
  return {
    keys: [...place.keys()],
    keyOf,
    values: points.map(({ value }) => value),
    timestampsMs: points.map(({ timestampMs }) => timestampMs),
    steps: points.map(({ step }) => step),
  };
}

/**
 * The bytes that a request's points are counted by, and their digest: of the canonical JSON of their keys, then of the other columns as
 * PostgreSQL's binary arrays (`binary-arrays.ts`), which costs a quarter of what printing all numbers did. Pure.
 */
export function sealPoints(points: readonly MetricPoint[]): {
  readonly length: number;
  readonly digest: Digest;
} {
  const { keys, keyOf, values, timestampsMs, steps } = columnsOf(points);
  const bytes = Buffer.concat([
    canonicalBytes(keys),
    int4Array(keyOf),
    float8Array(values),
    int8Array(timestampsMs),
    int8Array(steps),
  ]);
  return { length: bytes.length, digest: digestBytes(bytes) };
}
