import { addMicros, asEpochMicros, type Clock, type EpochMicros, microsPerSecond } from "@portolan/kernel";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

/** Gets a published key set; the address is the configured one. Rejects when it cannot be had. */
export type FetchJwks = (uri: string) => Promise<JsonWebKeySet>;

export interface IssuerKeys {
  /** The issuer's keys, from the set in place or from memory, fetched when old. `undefined`: none to be had. */
  keysOf(issuer: TrustedIssuer): Promise<JsonWebKeySet | undefined>;
  /** Called when a token names a key that `keysOf` did not have: fetches again unless it was just tried. */
  refetch(issuer: TrustedIssuer): Promise<JsonWebKeySet | undefined>;
}

/** A rotation at the issuer is seen this late at most, even when old keys still verify. */
const freshSeconds = 600;
/** An unreachable issuer's last keys are used for this long: its outage must not become ours. */
const staleSeconds = 86_400;
/** Tokens with made-up key ids cause one request in this time at most. */
const cooldownSeconds = 60;

interface Entry {
  keys?: JsonWebKeySet;
  fetchedAt?: EpochMicros;
  triedAt?: EpochMicros;
  pending?: Promise<void>;
}

export function createIssuerKeys(clock: Clock, fetchJwks: FetchJwks | undefined): IssuerKeys {
  const entries = new Map<string, Entry>();

  function entryOf(uri: string): Entry {
    const known = entries.get(uri);
    if (known) return known;
    const made: Entry = {};
    entries.set(uri, made);
    return made;
  }

  async function load(entry: Entry, uri: string, fetcher: FetchJwks): Promise<void> {
    try {
      entry.keys = await fetcher(uri);
      entry.fetchedAt = clock.now();
    } catch {
      // The last keys stay in use until they are too old; the caller is told by their absence.
    } finally {
      delete entry.pending;
    }
  }

  async function fetchUnlessJustTried(entry: Entry, uri: string): Promise<void> {
    if (!fetchJwks) return;
    if (entry.pending) return entry.pending;
    if (entry.triedAt !== undefined && clock.now() < after(entry.triedAt, cooldownSeconds)) return;
    entry.triedAt = clock.now();
    entry.pending = load(entry, uri, fetchJwks);
    return entry.pending;
  }

  function usable(entry: Entry): JsonWebKeySet | undefined {
    if (entry.fetchedAt === undefined || clock.now() >= after(entry.fetchedAt, staleSeconds))
      return undefined;
    return entry.keys;
  }

  return {
    async keysOf(issuer) {
      if (issuer.jwks) return issuer.jwks;
      if (issuer.jwksUri === undefined) return undefined;
      const entry = entryOf(issuer.jwksUri);
      const fresh = entry.fetchedAt !== undefined && clock.now() < after(entry.fetchedAt, freshSeconds);
      if (!fresh) await fetchUnlessJustTried(entry, issuer.jwksUri);
      return usable(entry);
    },
    async refetch(issuer) {
      if (issuer.jwks || issuer.jwksUri === undefined) return issuer.jwks;
      const entry = entryOf(issuer.jwksUri);
      await fetchUnlessJustTried(entry, issuer.jwksUri);
      return usable(entry);
    },
  };
}

function after(instant: EpochMicros, seconds: number): EpochMicros {
  return addMicros(asEpochMicros(instant), seconds * microsPerSecond);
}
