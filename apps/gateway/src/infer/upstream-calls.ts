import type { TraceHeaders } from "@portolan/serving/policy";
import { beginHop, type Hop, passOn, type TraceContext } from "@portolan/telemetry";
import type { ActiveRoute } from "../snapshot/serving-state.ts";

/** One request to a server elsewhere, while it is under way. */
export interface UpstreamCall {
  readonly headers: TraceHeaders;
  /** To be called once. @param error why it brought no answer; absent when it did */
  end(error?: string): void;
}

type CallerHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The requests that one request makes to servers elsewhere: each is a span of its own and tells its server so, by W3C Trace Context. Of what
 * the caller said nothing else goes on, no baggage either.
 */
export class UpstreamCalls {
  readonly #traced: TraceContext | undefined;
  readonly #caller: CallerHeaders;
  readonly #hops: Hop[] = [];

  /** @param traced absent where this gateway makes no spans: the caller's context then goes on as it came */
  constructor(traced: TraceContext | undefined, caller: CallerHeaders) {
    this.#traced = traced;
    this.#caller = caller;
  }

  /** Those that are over, in the order of their end; `startMs` and `endMs` on the monotonic clock. */
  get hops(): readonly Hop[] {
    return this.#hops;
  }

  /** @returns `undefined` where the version runs here, or there is no trace to tell of */
  begin({ route }: ActiveRoute): UpstreamCall | undefined {
    const { name, version, upstream } = route.model;
    if (!upstream) return undefined;
    if (!this.#traced) {
      const headers = passOn(textOf(this.#caller["traceparent"]), textOf(this.#caller["tracestate"]));
      return headers && { headers, end: () => undefined };
    }
    const { spanId, headers } = beginHop(this.#traced);
    const startMs = performance.now();
    const attributes = {
      "portolan.model": `${name}/${version}`,
      "portolan.upstream.protocol": upstream.protocol,
      "portolan.upstream.region": upstream.region,
    };
    return {
      headers,
      end: (error) => {
        const call = { spanId, attributes, ...(error === undefined ? {} : { error }) };
        this.#hops.push({ name: "upstream", startMs, endMs: performance.now(), call });
      },
    };
  }
}

/** Those of a request that is traced here or by its caller; `undefined` for all others, which pay nothing for it. */
export function upstreamCallsOf(
  { traced }: { readonly traced?: TraceContext },
  headers: CallerHeaders,
): UpstreamCalls | undefined {
  return traced || headers["traceparent"] !== undefined ? new UpstreamCalls(traced, headers) : undefined;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
