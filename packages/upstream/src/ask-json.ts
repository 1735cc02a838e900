import type { Connection } from "./connection.ts";

/** Documents about a model are small; a larger one is no such document. */
const mostBytes = 1024 * 1024;

export interface JsonAnswer {
  readonly status: number;
  /** `undefined` when the body is no JSON, or too long. */
  readonly body: unknown;
}

/** One question, answered within `timeoutMs`. Rejects when nothing is answered. */
export async function askJson(connection: Connection, path: string, timeoutMs: number): Promise<JsonAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { accept: "application/json" };
  const { statusCode, body } = await connection.check({ method: "GET", path, headers, signal });
  return { status: statusCode, body: parse(await readBounded(body, mostBytes)) };
}

/** @returns `undefined` for a body that is longer */
export async function readBounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop early ends the body, and with it the connection.
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function parse(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(bytes ?? []).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
