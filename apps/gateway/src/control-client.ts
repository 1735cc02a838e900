import { messageOf, type Place, PortolanError, requirePrivateTransport, type Secret } from "@portolan/kernel";
import type { ClockOffset } from "./clock-offset.ts";

/** Control could not be reached or did not answer as it should: a reason to wait, never a verdict on content. */
export class ControlAway extends Error {
  override readonly name = "ControlAway";
}

export interface ControlClient {
  /** A signed snapshot above `after`, `undefined` when there is none within `waitMs`. Not verified yet. */
  latestSnapshot(after: number, waitMs: number): Promise<unknown>;
  part(digest: string): Promise<Uint8Array>;
  /** Organisation and snapshot keys, for the very first start only. */
  trust(): Promise<unknown>;
  /** @param type default `application/octet-stream` */
  post(
    path: string,
    body: Uint8Array,
    signal: AbortSignal,
    type?: string,
  ): Promise<{ status: number; body: unknown }>;
}

const timeoutMs = 10_000;
const maxPartBytes = 2 ** 31;

/** What a gateway says of itself whenever it asks for a snapshot or a part of one. */
export interface StatedPlace extends Place {
  readonly gateway: string;
}

/** Control gives nothing to a gateway whose place it does not know: `serving.gateway_not_declared`. */
const notDeclared = 409;

/** What this gateway shows control: asked for at every request, for it is renewed while we run. */
export interface ControlCredential {
  current(): Secret | undefined;
  /** Control did not accept `used`. */
  refused(used: Secret): void;
}

/** @throws PortolanError `kernel.plain_http_refused` when the credential could be read on its way to `url` */
export function createControlClient(
  url: string,
  credential: ControlCredential,
  place: StatedPlace,
  offset: ClockOffset,
): ControlClient {
  if (credential.current() !== undefined) requirePrivateTransport(url, "CONTROL_URL");
  const send = createSender(url, credential, offset);
  const asking = createAsking(send, place);
  return {
    async latestSnapshot(after, waitMs) {
      const path = "/v1/snapshots/latest";
      const response = await asking.pull(path, `after=${after}&waitMs=${waitMs}&`, waitMs);
      if (response.status === 304 || response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      return readJson(await ok(path, response));
    },
    async part(digest) {
      const path = `/v1/snapshots/parts/${digest}`;
      const response = await ok(path, await asking.pull(path, "", 60_000));
      if (Number(response.headers.get("content-length") ?? 0) > maxPartBytes)
        throw new PortolanError("kernel.bad_request", { detail: `${digest} is larger than any part may be` });
      try {
        return new Uint8Array(await response.arrayBuffer());
      } catch (error) {
        throw new ControlAway(messageOf(error), { cause: error });
      }
    },
    async trust() {
      return readJson(await ok("/v1/snapshots/trust", await asking.get("/v1/snapshots/trust")));
    },
    async post(path, body, signal, type = "application/octet-stream") {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
      const init = { method: "POST", body: Buffer.from(body), signal: limited };
      const response = await send(path, init, type);
      const text = await response.text();
      return { status: response.status, body: parse(text) };
    },
  };
}

type Send = (path: string, init: Omit<RequestInit, "headers">, type?: string) => Promise<Response>;

function createSender(url: string, credential: ControlCredential, offset: ClockOffset): Send {
  return async (path, init, type) => {
    const used = credential.current();
    const headers = {
      ...(used ? { authorization: `Bearer ${used.reveal()}` } : {}),
      ...(type === undefined ? {} : { "content-type": type }),
    };
    const askedAt = offset.now();
    // Nobody sends this credential on to another address.
    const response = await fetch(new URL(path, url), { ...init, headers, redirect: "error" });
    offset.note(response.headers.get("date"), askedAt);
    if (response.status === 401 && used) credential.refused(used);
    return response;
  };
}

/** Requests to control; what it does not answer is a reason to wait. */
function createAsking(send: Send, { gateway, region, owner }: StatedPlace) {
  const stated = new URLSearchParams({ gateway, region, owner }).toString();

  async function ask(path: string, waitMs = 0, put?: string): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs + waitMs);
    try {
      return put === undefined
        ? await send(path, { signal })
        : await send(path, { signal, method: "PUT", body: put }, "application/json");
    } catch (error) {
      throw new ControlAway(messageOf(error), { cause: error });
    }
  }

  async function declare(): Promise<void> {
    const path = `/v1/gateways/${gateway}`;
    const body = JSON.stringify({ region, owner });
    await (await ok(path, await ask(path, 0, body))).body?.cancel();
  }

  return {
    get: (path: string) => ask(path),
    /** States the place; where control does not know it, declares it and asks again. */
    async pull(path: string, query: string, waitMs: number): Promise<Response> {
      const full = `${path}?${query}${stated}`;
      const first = await ask(full, waitMs);
      if (first.status !== notDeclared) return first;
      await first.body?.cancel();
      await declare();
      return ask(full, waitMs);
    },
  };
}

async function ok(path: string, response: Response): Promise<Response> {
  if (response.ok) return response;
  await response.body?.cancel();
  throw new ControlAway(`control answered ${response.status} to ${path}`);
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return (await response.json()) as unknown;
  } catch (error) {
    throw new ControlAway(messageOf(error), { cause: error });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
