import { guardedLookup, hostOf } from "@portolan/kernel";
import { RetryBudget } from "@portolan/serving/policy";
import { Pool } from "undici";
import { requireAllowed, type UpstreamAccess } from "./access.ts";
import type { CredentialUse } from "./credentials.ts";
import { HeldCredential } from "./held-credential.ts";

export interface UpstreamAddress {
  readonly url: string;
  readonly credential?: string;
}

export interface UpstreamRequest {
  readonly method: "GET" | "POST";
  /** Below the base address, with its slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  /** What may be sent a second time; absent: this connection's own budget. */
  readonly retries?: RetryBudget | undefined;
}

/** Requests under way at once, per upstream model and gateway process. */
export const mostConnections = 128;
/** What callers beyond that hear: waiting behind streams would say nothing about the server. */
export const tooMany = "As many requests are at the upstream as this gateway sends at once.";
/** Of checks, which must not wait for requests. */
const checkConnections = 2;
/** Answers beyond it are given up: no record takes more (docs/spec/prediction-log.md, P2), and what is not recorded is not answered. */
export const mostAnswerBytes = 16 * 1024 * 1024;
const connectMs = 2000;

/**
 * Kept-alive connections to one origin. Redirects are not followed, names are resolved under the operator's rules at every
 * connection, and the credential goes to its own origin alone.
 */
export class Connection {
  readonly #pool: Pool;
  readonly #checks: Pool;
  readonly #base: string;
  readonly #credential: HeldCredential;
  readonly #retries = new RetryBudget();

  /**
   * @param use for whom its credential is to be used; absent: for nobody
   * @throws PortolanError `upstream.address_refused`
   */
  constructor(address: UpstreamAddress, access: UpstreamAccess, use: CredentialUse | undefined) {
    const url = requireAllowed(access, address);
    this.#base = url.pathname.replace(/\/+$/, "");
    this.#credential = new HeldCredential(access, address.credential, url.origin, use);
    const options = {
      pipelining: 1,
      keepAliveTimeout: 30_000,
      // Deadlines are each request's own.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: mostAnswerBytes,
      connect: { timeout: connectMs, lookup: guardedLookup(access.rules, hostOf(url)) },
    };
    this.#pool = new Pool(url.origin, { ...options, connections: mostConnections });
    this.#checks = new Pool(url.origin, { ...options, connections: checkConnections });
  }

  /**
   * Reads the credential anew, as its file may have been exchanged.
   * @throws PortolanError `upstream.credential_unusable`
   */
  renewCredential(): Promise<void> {
    return this.#credential.renew();
  }

  /**
   * Rejects as undici does: nothing was answered. Sent a second time where the connection broke before any answer, as one does that was
   * kept for too long; as often as its budget allows.
   */
  request(asked: UpstreamRequest) {
    return this.#ask(this.#pool, asked);
  }

  /** The same beside the requests: however many there are, a server that is well is not taken to be away. */
  check(asked: UpstreamRequest) {
    return this.#ask(this.#checks, asked);
  }

  async #ask(pool: Pool, asked: UpstreamRequest) {
    const { retries = this.#retries } = asked;
    retries.earn();
    try {
      return await this.#send(pool, asked);
    } catch (error) {
      if (!isBroken(error) || asked.signal.aborted || !retries.spend(performance.now())) throw error;
      return this.#send(pool, asked);
    }
  }

  #send(pool: Pool, { method, path, headers = {}, body, signal }: UpstreamRequest) {
    return pool.request({
      method,
      path: this.#base + path,
      headers: { ...headers, ...this.#credential.reveal() },
      body: body ?? null,
      signal,
    });
  }

  /** Open requests end first. */
  async close(): Promise<void> {
    await Promise.all([this.#pool.close(), this.#checks.close()]);
  }

  async destroy(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#checks.destroy()]);
  }
}

/** The connection ended before any answer came. */
function isBroken(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}
