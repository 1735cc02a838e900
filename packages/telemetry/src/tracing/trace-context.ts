import { randomFillSync } from "node:crypto";

/** Where a request stands in a trace (W3C Trace Context, level 1). Ids are lower-case hex. */
export interface TraceContext {
  readonly traceId: string;
  /** Our own span. */
  readonly spanId: string;
  /** The caller's span; absent where the trace begins here. */
  readonly parentSpanId?: string;
  /** Whether its spans are kept whatever comes of the request. */
  readonly isSampled: boolean;
  /** What other tracing systems said on the way, to be passed on as it came. */
  readonly tracestate?: string;
}

/** What a request to another service carries of its trace. */
export interface TraceHeaders {
  readonly traceparent: string;
  readonly tracestate?: string;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Reads `traceparent`. What is not well-formed starts no trace of the caller's, as the standard says.
 * @returns `undefined` for a header that is absent or not understood
 */
export function parseTraceparent(
  header: string | undefined,
): { readonly traceId: string; readonly parentSpanId: string; readonly isSampled: boolean } | undefined {
  const match = header === undefined || header.length > 200 ? null : form.exec(header);
  const [, version = "", traceId = "", parentSpanId = "", flags = "", rest] = match ?? [];
  if (!match || version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return undefined;
  return { traceId, parentSpanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The standard's bounds: what is longer, or of more members, is dropped as a whole. */
const longestState = 512;
const mostMembers = 32;
const member =
  /^(?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * `tracestate` as it goes on: unchanged, or not at all when it is not what the standard says.
 * @param header its fields, joined by commas where there were several
 */
export function parseTracestate(header: string | undefined): string | undefined {
  if (header === undefined || header.length > longestState) return undefined;
  const members = header.split(",").map((one) => one.trim());
  const stated = members.filter((one) => one !== "");
  if (stated.length === 0 || stated.length > mostMembers) return undefined;
  const keys = new Set(stated.map((one) => one.slice(0, one.indexOf("="))));
  return keys.size === stated.length && stated.every((one) => member.test(one)) ? header : undefined;
}

/** What a request to another service carries, so that its spans hang below ours. */
function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/** A request to another service as a span of its own, below the given one. */
export function beginHop(traced: TraceContext): { readonly spanId: string; readonly headers: TraceHeaders } {
  const spanId = randomHex(8);
  const { tracestate } = traced;
  const traceparent = formatTraceparent({ ...traced, spanId });
  return { spanId, headers: { traceparent, ...(tracestate === undefined ? {} : { tracestate }) } };
}

/** For whoever makes no spans: the caller's context goes on as it came. `undefined` when there is none that is understood. */
export function passOn(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceHeaders | undefined {
  if (traceparent === undefined || !parseTraceparent(traceparent)) return undefined;
  const state = parseTracestate(tracestate);
  return { traceparent, ...(state === undefined ? {} : { tracestate: state }) };
}

/**
 * Decides at arrival whether a request's spans are kept: as its caller decided, else by chance.
 * @param share of the requests without a caller's decision that are kept, 0 to 1
 * @param tracestate the caller's, to be passed on
 */
export function beginTrace(
  traceparent: string | undefined,
  share: number,
  tracestate?: string,
): TraceContext {
  const parent = parseTraceparent(traceparent);
  const spanId = randomHex(8);
  if (parent) {
    // Without a traceparent that is understood it says nothing, and is dropped.
    const state = parseTracestate(tracestate);
    return { ...parent, spanId, ...(state === undefined ? {} : { tracestate: state }) };
  }
  return { traceId: randomHex(16), spanId, isSampled: Math.random() < share };
}

const pool = Buffer.alloc(4096);
let used = pool.length;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const text = pool.toString("hex", used, used + bytes);
  used += bytes;
  // All zeros means "no id"; a chance of 2^-64 that costs nothing to exclude.
  return /^0+$/.test(text) ? randomHex(bytes) : text;
}
