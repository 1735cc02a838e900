import { parseApiKey } from "@portolan/identity/policy";
import { type Clock, digestBytes, type Logger, messageOf, microsPerDay, Secret } from "@portolan/kernel";
import { Compile, Type } from "@portolan/typebox";
import type { ControlCredential } from "./control-client.ts";
import type { DiskCache } from "./snapshot/disk-cache.ts";

export interface CredentialDeps {
  readonly controlUrl: string;
  /** What the operator gave. */
  readonly given: Secret | undefined;
  readonly cache: Pick<DiskCache, "readJson" | "writeJson">;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface GatewayCredential extends ControlCredential {
  /** Renews the API key when two thirds of its life are over; at once and without effect before. */
  renewWhenDue(): Promise<void>;
  start(): void;
  close(): Promise<void>;
}

const file = "credential.json";
const checkEveryMs = 60_000;
const timeoutMs = 10_000;

/** `givenDigest` ties a renewed key to the one that it came from: a new one from the operator supersedes both. */
const storedShape = Compile(Type.Object({ text: Type.String(), givenDigest: Type.String() }));
const keyProperties = {
  name: Type.String(),
  environment: Type.String(),
  scopes: Type.Optional(Type.Array(Type.String())),
  createdAt: Type.Integer(),
  expiresAt: Type.Integer(),
};
const listShape = Compile(
  Type.Object({ items: Type.Array(Type.Object({ id: Type.String(), ...keyProperties })) }),
);
const createdShape = Compile(Type.Object({ text: Type.String() }));
interface KeyLife {
  readonly name: string;
  readonly environment: string;
  readonly scopes?: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

/**
 * The API key that a gateway shows control, renewed by itself. The old key stays good until its own end, so that a death
 * between any two steps costs one unused key and nothing else: what is on disk, or was given, still works.
 */
export function createCredential(deps: CredentialDeps): GatewayCredential {
  const { given, cache, log, clock } = deps;
  const givenDigest = given ? digestBytes(Buffer.from(given.reveal())) : "";
  let renewed = readStored(deps, givenDigest);
  let active = renewed ?? given;
  let life: { readonly of: string; readonly known: KeyLife } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  async function lifeOf(text: string, id: string): Promise<KeyLife | undefined> {
    if (life?.of === id) return life.known;
    const body = await ask(deps.controlUrl, text, "/v1/api-keys");
    const known = listShape.Check(body) ? body.items.find((item) => item.id === id) : undefined;
    if (known) life = { of: id, known };
    return known;
  }

  async function renew(text: string, known: KeyLife): Promise<void> {
    const { name, environment, scopes, createdAt, expiresAt } = known;
    const expiresInDays = Math.max(1, Math.round((expiresAt - createdAt) / microsPerDay));
    const asked = { name, environment, expiresInDays, ...(scopes ? { scopes } : {}) };
    const body = await ask(deps.controlUrl, text, "/v1/api-keys", asked);
    if (!createdShape.Check(body)) throw new Error("control answered without a key");
    // Used before it is kept: a key that control would not take must not replace one that it takes.
    await ask(deps.controlUrl, body.text, "/v1/whoami");
    cache.writeJson(file, { text: body.text, givenDigest });
    renewed = new Secret(body.text);
    active = renewed;
    log.info({ expiresInDays }, "gateway.credential.renewed");
  }

  async function renewWhenDue(): Promise<void> {
    const text = active?.reveal() ?? "";
    const id = parseApiKey(text)?.keyId;
    // A token is renewed by whoever issued it.
    if (id === undefined) return;
    const known = await lifeOf(text, id);
    if (!known || clock.now() < known.createdAt + ((known.expiresAt - known.createdAt) * 2) / 3) return;
    await renew(text, known);
  }

  function check(): void {
    running = renewWhenDue()
      .catch((error: unknown) => {
        // `fetch` says so of a control that is not there, as while everything starts: no fault of the key.
        const level = error instanceof TypeError ? "info" : "warn";
        log[level]({ reason: messageOf(error) }, "gateway.credential.not_renewed");
      })
      .finally(() => {
        timer = setTimeout(check, checkEveryMs).unref();
      });
  }

  return {
    current: () => active,
    refused(used) {
      // Whichever of the two is good is found, also when the operator's was replaced or ours was lost at control.
      if (used === active && renewed && given) active = used === renewed ? given : renewed;
    },
    renewWhenDue,
    start: check,
    async close() {
      await running;
      clearTimeout(timer);
    },
  };
}

function readStored({ cache }: CredentialDeps, givenDigest: string): Secret | undefined {
  const stored = cache.readJson(file);
  return storedShape.Check(stored) && stored.givenDigest === givenDigest
    ? new Secret(stored.text)
    : undefined;
}

/** @throws Error when control does not answer with success */
async function ask(url: string, text: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(new URL(path, url), {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: `Bearer ${text}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: "error",
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`control answered ${response.status} to ${path}`);
  }
  return response.json();
}
