import { timingSafeEqual } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { signInFailed } from "./provider.ts";

/** Where the browser comes back to: a server on this machine's loopback address, for one sign-in (RFC 8252). */
export interface Callback extends AsyncDisposable {
  readonly redirectUri: string;
  /** What the provider let the browser bring, once something came that belongs to this sign-in. */
  readonly answer: Promise<URLSearchParams>;
}

const headers = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'",
  "referrer-policy": "no-referrer",
  connection: "close",
};

/**
 * Anything that does not name `state` is refused and forgotten: a page that guesses the port ends no sign-in.
 *
 * @param port 0 takes a free one
 * @throws PortolanError `cli.sign_in_failed` where the port is taken; `answer` rejects so after `limitMs`
 */
export async function openCallback(state: string, port: number, limitMs: number): Promise<Callback> {
  const { promise: answer, resolve, reject } = Promise.withResolvers<URLSearchParams>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (request.method !== "GET" || url.pathname !== "/callback")
      return say(response, 404, "Nothing is here.");
    if (!isOwn(url.searchParams, state))
      return say(response, 400, "This answer belongs to no sign-in that waits here.");
    const isRefused = url.searchParams.has("error");
    say(
      response,
      200,
      isRefused ? "The sign-in was refused." : "You are signed in once the command line says so.",
    );
    resolve(url.searchParams);
  });
  await new Promise<void>((listening, failed) => {
    server.once("error", (cause) =>
      failed(signInFailed(`port ${port} cannot be listened on`, "Give another one with --port.", cause)),
    );
    server.listen(port, "127.0.0.1", listening);
  });
  const timer = setTimeout(
    () => reject(signInFailed(`nobody signed in within ${limitMs / 1000} seconds`, "Try again.")),
    limitMs,
  );
  answer.catch(() => undefined);
  const address = server.address() as AddressInfo;
  return {
    redirectUri: `http://127.0.0.1:${address.port}/callback`,
    answer,
    [Symbol.asyncDispose]: async () => {
      clearTimeout(timer);
      await new Promise((closed) => server.close(closed));
    },
  };
}

function isOwn(answer: URLSearchParams, state: string): boolean {
  const given = Buffer.from(answer.get("state") ?? "");
  const wanted = Buffer.from(state);
  const isOnce = [...new Set(answer.keys())].every((name) => answer.getAll(name).length === 1);
  return isOnce && given.length === wanted.length && timingSafeEqual(given, wanted);
}

function say(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, headers)
    .end(`<!doctype html><title>Portolan</title><p>${text} You may close this page.</p>`);
}
