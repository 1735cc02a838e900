import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer } from "./answers.ts";

/** How long a caller may leave what it was sent untaken, where the answer does not say. */
const longestStallMs = 30_000;

/**
 * Writes parts as they come; the next is asked for when the caller has taken the last. Leaving early ends the source, and a source that
 * fails ends the response in the middle, so that nobody takes it for whole. A caller that takes nothing for `stallMs` has left. Never rejects.
 */
export async function writeStream(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  // A pipelined response may have no connection yet whose end would close it; those of HTTP/2 have their own end.
  const connection = request.httpVersionMajor === 2 ? response : request.socket;
  const caller = new Caller(response, answer.stallMs ?? longestStallMs);
  const leave = (): void => caller.leave();
  response.once("close", leave);
  connection.once("close", leave);
  try {
    await writeParts(response, answer, caller);
  } catch {
    response.destroy();
  } finally {
    response.off("close", leave);
    connection.off("close", leave);
  }
}

async function writeParts(
  response: ServerResponse,
  { status, headers, contentType, stream }: Answer,
  caller: Caller,
): Promise<void> {
  response.writeHead(status, { ...headers, "content-type": contentType });
  response.flushHeaders();
  for await (const part of stream ?? []) {
    if (caller.hasLeft) break;
    if (response.write(part)) continue;
    await caller.taken();
    if (caller.hasLeft) break;
  }
  if (!caller.hasLeft) response.end();
}

/** Whoever reads a response. Its `destroyed` is not asked: responses of HTTP/2 have none. */
class Caller {
  readonly #response: ServerResponse;
  readonly #stallMs: number;
  #wake: (() => void) | undefined;
  hasLeft = false;

  constructor(response: ServerResponse, stallMs: number) {
    this.#response = response;
    this.#stallMs = stallMs;
  }

  leave(): void {
    this.hasLeft = true;
    this.#wake?.();
  }

  /** Resolves when what was written is taken, or the caller has left; one that is too slow is made to. */
  async taken(): Promise<void> {
    const timer = setTimeout(() => {
      this.leave();
      this.#response.destroy();
    }, this.#stallMs);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#response.once("drain", resolve);
      if (this.hasLeft) resolve();
    });
    clearTimeout(timer);
    if (this.#wake) this.#response.off("drain", this.#wake);
    this.#wake = undefined;
  }
}
