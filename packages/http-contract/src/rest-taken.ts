import type { IncomingMessage } from "node:http";

/** Connections that are waited for at the same time; the rest is closed as it is. */
const mostLingering = 200;
let lingering = 0;

/** A caller that is still sending reads its refusal within this time, or loses it with its connection. */
const lingerMs = 5000;

/**
 * After an answer to a request whose body was not read to its end, before the connection is closed: resolves when the rest has come in, to be thrown away, or its sender
 * has gone, or has had its time. A connection that is closed with bytes in it that nobody read is reset, and the reset overtakes the answer: a caller that
 * writes before it reads would never learn why.
 */
export async function restTaken(request: IncomingMessage): Promise<void> {
  if (request.closed || lingering >= mostLingering) return;
  lingering++;
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, lingerMs);
    request.once("close", () => {
      clearTimeout(late);
      resolve();
    });
    request.resume();
  });
  lingering--;
}
