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

/** What a request to another service carries, so that its spans hang below ours. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/**
 * Decides at arrival whether a request's spans are kept: as its caller decided, else by chance.
 * @param share of the requests without a caller's decision that are kept, 0 to 1
 */
export function beginTrace(traceparent: string | undefined, share: number): TraceContext {
  const parent = parseTraceparent(traceparent);
  const spanId = randomHex(8);
  if (parent) return { ...parent, spanId };
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
