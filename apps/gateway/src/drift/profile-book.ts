import { digestBytes, type Logger, messageOf } from "@portolan/kernel";
import { ReferenceProfile } from "@portolan/monitoring/contract";
import { Compile } from "@portolan/typebox";
import type { ControlClient } from "../control-client.ts";
import type { DiskCache } from "../snapshot/disk-cache.ts";

export interface ProfileBookDeps {
  readonly cache: DiskCache;
  readonly control: Pick<ControlClient, "part">;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

const shape = Compile(ReferenceProfile);
const retryMs = 5000;
const mostKept = 200;

/** Reference profiles by digest: named by a signed snapshot, fetched when first needed, kept on disk. */
export class ProfileBook {
  readonly #deps: ProfileBookDeps;
  readonly #profiles = new Map<string, ReferenceProfile>();
  /** When a profile that could not be had may be asked for again. */
  readonly #notBefore = new Map<string, number>();
  /** Profiles whose absence was logged: an edge without control would say it for days. */
  readonly #missed = new Set<string>();

  constructor(deps: ProfileBookDeps) {
    this.#deps = deps;
  }

  /** The profile, if it is here; one that could not be had is asked for again now and then. */
  get(digest: string): ReferenceProfile | undefined {
    const profile = this.#profiles.get(digest);
    if (!profile) void this.#want(digest);
    return profile;
  }

  /** Fetches what a snapshot names, so that its first request finds it. Resolves when all were tried. */
  async prepare(digests: Iterable<string>): Promise<void> {
    await Promise.all([...new Set(digests)].map((digest) => this.#want(digest)));
  }

  #want(digest: string): Promise<void> {
    const now = this.#deps.nowMs();
    const isKnown = this.#profiles.has(digest);
    if (isKnown || (this.#notBefore.get(digest) ?? Number.NEGATIVE_INFINITY) > now) return Promise.resolve();
    // While it is under way nobody else asks: a fetch takes less, or is given up.
    this.#notBefore.set(digest, now + retryMs);
    return this.#fetch(digest);
  }

  async #fetch(digest: string): Promise<void> {
    const { cache, control, log } = this.#deps;
    try {
      const cached = await cache.read(digest);
      const bytes = cached.kind === "found" ? cached.bytes : await control.part(digest);
      if (digestBytes(bytes) !== digest) throw new Error(`control sent other bytes than ${digest}`);
      const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
      if (!shape.Check(value)) throw new Error(`the profile ${digest} has another form`);
      if (cached.kind !== "found") cache.write(digest, bytes);
      this.#profiles.set(digest, value);
      this.#notBefore.delete(digest);
      this.#missed.delete(digest);
      const [oldest] = this.#profiles.size > mostKept ? this.#profiles.keys() : [];
      if (oldest !== undefined) this.#profiles.delete(oldest);
    } catch (error) {
      if (!this.#missed.has(digest))
        log.warn({ profile: digest, reason: messageOf(error) }, "gateway.drift.profile_unavailable");
      this.#missed.add(digest);
    }
  }
}
