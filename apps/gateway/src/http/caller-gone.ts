import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

export interface CallerGone {
  /** Aborted when the caller's connection, or its stream, ends. */
  readonly signal: AbortSignal;
  /** Stops watching. */
  end(): void;
}

/** Watches whether the caller is still there: no server elsewhere works for one that has left. */
export function watchCaller(request: IncomingMessage): CallerGone {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  const source =
    request.httpVersionMajor === 2 ? (request as unknown as Http2ServerRequest).stream : request.socket;
  source.once("close", leave);
  if (source.destroyed) leave();
  return { signal: gone.signal, end: () => void source.off("close", leave) };
}
