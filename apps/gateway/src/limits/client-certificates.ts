import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { TLSSocket } from "node:tls";
import { judgeSvid, type SpiffeId, spiffeIssuer } from "@portolan/identity/policy";
import { type Clock, type Logger, messageOf } from "@portolan/kernel";

export interface ClientCertificatesOptions {
  /** PEM of the authorities of the trust domain. Read again when it changes. */
  readonly bundleFile: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Who a connection's certificate says is calling. */
export type Peer =
  | { readonly kind: "workload"; readonly id: SpiffeId; readonly issuer: string; readonly notAfterMs: number }
  | { readonly kind: "refused"; readonly reason: string };

/** The certificate of a connection: its socket, or what the protocol hands over of it. */
export interface PresentedCertificate {
  /** True when TLS verified its chain. */
  readonly isVerified: boolean;
  readonly raw: Uint8Array;
}

const lookEveryMs = 10_000;

/**
 * X.509-SVIDs of one trust domain. TLS asks every client for a certificate and demands none: a bad one is refused with a record, where a
 * failed handshake would leave none.
 */
export class ClientCertificates {
  readonly #options: ClientCertificatesOptions;
  readonly #peers = new WeakMap<object, Peer>();
  readonly #followers = new Set<(bundle: Buffer) => void>();
  #timer: NodeJS.Timeout | undefined;
  #bundle: Buffer;
  #changedMs: number;

  /** @throws Error when the bundle cannot be read or holds no certificate */
  constructor(options: ClientCertificatesOptions) {
    this.#options = options;
    this.#bundle = readBundle(options.bundleFile);
    this.#changedMs = statSync(options.bundleFile).mtimeMs;
  }

  get bundle(): Buffer {
    return this.#bundle;
  }

  /** Options of a TLS server that asks for client certificates. */
  get tlsOptions() {
    return { ca: this.#bundle, requestCert: true, rejectUnauthorized: false } as const;
  }

  /**
   * Follows the bundle's file.
   * @param apply puts a new bundle into force
   * @returns ends it
   */
  follow(apply: (bundle: Buffer) => void): () => void {
    this.#followers.add(apply);
    this.#timer ??= setInterval(() => {
      if (!this.#reload()) return;
      for (const follower of this.#followers) follower(this.#bundle);
    }, lookEveryMs).unref();
    return () => {
      this.#followers.delete(apply);
      if (this.#followers.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** The peer of a connection; `undefined` when it showed no certificate. Judged once, and its life at every call. */
  peerOf(connection: object): Peer | undefined {
    const known = this.#peers.get(connection) ?? this.#judgeSocket(connection);
    if (!known) return undefined;
    this.#peers.set(connection, known);
    const isOver = known.kind === "workload" && this.#nowMs() >= known.notAfterMs;
    return isOver ? { kind: "refused", reason: "expired" } : known;
  }

  #judgeSocket(connection: object): Peer | undefined {
    if (!(connection instanceof TLSSocket)) return undefined;
    const raw = connection.getPeerX509Certificate()?.raw;
    return raw && this.judge({ raw, isVerified: connection.authorized });
  }

  judge({ raw, isVerified }: PresentedCertificate): Peer {
    if (!isVerified) return { kind: "refused", reason: "chain" };
    const { trustDomain } = this.#options;
    const verdict = judgeSvid(new X509Certificate(raw), trustDomain, this.#nowMs());
    if (verdict.kind === "refused") return verdict;
    const { id, notAfterMs } = verdict;
    return { kind: "workload", id, issuer: spiffeIssuer(trustDomain), notAfterMs };
  }

  #nowMs(): number {
    return this.#options.clock.now() / 1000;
  }

  #reload(): boolean {
    const { bundleFile, log } = this.#options;
    try {
      const { mtimeMs } = statSync(bundleFile);
      if (mtimeMs === this.#changedMs) return false;
      this.#bundle = readBundle(bundleFile);
      this.#changedMs = mtimeMs;
      log.info({}, "gateway.trust_bundle.read");
      return true;
    } catch (error) {
      // Half-written or gone: the last good one stays in force.
      log.warn({ reason: messageOf(error) }, "gateway.trust_bundle.unreadable");
      return false;
    }
  }
}

function readBundle(file: string): Buffer {
  const bytes = readFileSync(file);
  // Throws for anything that is no certificate; TLS would take it without a word and trust nobody.
  new X509Certificate(bytes);
  return bytes;
}
