import { addMicros, asEpochMicros, type Clock, type EpochMicros, microsPerSecond } from "@portolan/kernel";
import type { JsonWebKeySet, TrustedIssuer } from "./trusted-issuer.ts";

/** Gets a published key set; the address is the configured one. Rejects when it cannot be had in its time. */
export type FetchJwks = (uri: string) => Promise<JsonWebKeySet>;

/** Keys as an issuer published them, and when. */
export interface KnownKeys {
  readonly keys: JsonWebKeySet;
  readonly fetchedAt: EpochMicros;
}

/** Keeps the last good keys over a restart, so that an issuer's outage together with ours locks nobody out. */
export interface KeyMemory {
  load(uri: string): Promise<KnownKeys | undefined>;
  save(uri: string, known: KnownKeys): Promise<void>;
}

export interface IssuerKeys {
  /** The issuer's keys, from the set in place or from memory, fetched when old. `undefined`: none to be had. */
  keysOf(issuer: TrustedIssuer): Promise<JsonWebKeySet | undefined>;
  /** Called when a token names a key that `keysOf` did not have: fetches again unless it was just tried. */
  refetch(issuer: TrustedIssuer): Promise<JsonWebKeySet | undefined>;
  /** The last good keys, as far as they still count; asks nobody, and so waits for nobody. */
  lastKnown(issuer: TrustedIssuer): Promise<KnownKeys | undefined>;
  /** Asks each issuer that was not asked within the last minute, all at once, each in its own time. */
  refresh(issuers: readonly TrustedIssuer[]): Promise<void>;
  /** Of the addresses that the last refresh named: how the last attempt ended, and when good keys came. Asks nobody. */
  asked(): readonly AskedAddress[];
}

export interface AskedAddress {
  readonly uri: string;
  /** True while the last attempt brought nothing. */
  readonly isAway: boolean;
  /** Absent: there are no keys that count. */
  readonly fetchedAt?: EpochMicros;
}

/** A rotation at the issuer is seen this late at most, even when old keys still verify. */
const freshSeconds = 600;
/** An unreachable issuer's last keys are used for this long: its outage must not become ours. */
export const staleSeconds = 86_400;
/** Tokens with made-up key ids cause one request in this time at most, and so does the regular refresh. */
const cooldownSeconds = 60;

interface Entry {
  known?: KnownKeys;
  /** When a token made us ask. */
  triedAt?: EpochMicros;
  /** When the regular refresh asked; on its own, so that it does not keep a key made a moment ago from being seen. */
  refreshedAt?: EpochMicros;
  pending?: Promise<void>;
  /** How the last attempt ended; absent before the first. */
  isAway?: boolean;
  restored?: Promise<void>;
}

export function createIssuerKeys(
  clock: Clock,
  fetchJwks: FetchJwks | undefined,
  memory?: KeyMemory,
): IssuerKeys {
  const entryOf = createEntries(memory);
  const named = new Map<string, Entry>();
  const fetching = createFetching(clock, fetchJwks, memory);
  const usable = ({ known }: Entry): KnownKeys | undefined =>
    known && clock.now() < after(known.fetchedAt, staleSeconds) ? known : undefined;

  return {
    async keysOf(issuer) {
      if (issuer.jwks || issuer.jwksUri === undefined) return issuer.jwks;
      const entry = await entryOf(issuer.jwksUri);
      const fresh = entry.known && clock.now() < after(entry.known.fetchedAt, freshSeconds);
      if (!fresh) await fetching.forToken(entry, issuer.jwksUri);
      return usable(entry)?.keys;
    },
    async refetch(issuer) {
      if (issuer.jwks || issuer.jwksUri === undefined) return issuer.jwks;
      const entry = await entryOf(issuer.jwksUri);
      await fetching.forToken(entry, issuer.jwksUri);
      return usable(entry)?.keys;
    },
    async lastKnown(issuer) {
      if (issuer.jwks) return { keys: issuer.jwks, fetchedAt: clock.now() };
      return issuer.jwksUri === undefined ? undefined : usable(await entryOf(issuer.jwksUri));
    },
    async refresh(issuers) {
      const uris = new Set(issuers.flatMap(({ jwks, jwksUri }) => (jwks ? [] : (jwksUri ?? []))));
      for (const uri of named.keys()) if (!uris.has(uri)) named.delete(uri);
      const ask = async (uri: string): Promise<void> => {
        const entry = await entryOf(uri);
        named.set(uri, entry);
        await fetching.regularly(entry, uri);
      };
      await Promise.all([...uris].map(ask));
    },
    asked: () =>
      [...named].map(([uri, entry]) => {
        const known = usable(entry);
        return { uri, isAway: entry.isAway === true, ...(known ? { fetchedAt: known.fetchedAt } : {}) };
      }),
  };
}

/** One entry per address; what was kept of it is read once, before anything else is decided about it. */
function createEntries(memory: KeyMemory | undefined): (uri: string) => Promise<Entry> {
  const entries = new Map<string, Entry>();

  async function restore(entry: Entry, uri: string): Promise<void> {
    const kept = await memory?.load(uri);
    if (kept && entry.known === undefined) entry.known = kept;
  }

  return async (uri) => {
    const entry = entries.get(uri) ?? {};
    entries.set(uri, entry);
    entry.restored ??= restore(entry, uri).catch((error: unknown) => {
      delete entry.restored;
      throw error;
    });
    await entry.restored;
    return entry;
  };
}

function createFetching(clock: Clock, fetchJwks: FetchJwks | undefined, memory: KeyMemory | undefined) {
  async function load(entry: Entry, uri: string, fetcher: FetchJwks): Promise<void> {
    let isHere = false;
    try {
      entry.known = { keys: await fetcher(uri), fetchedAt: clock.now() };
      isHere = true;
      await memory?.save(uri, entry.known);
    } catch {
      // The last keys stay in use until they are too old; the caller is told by their absence.
    } finally {
      entry.isAway = !isHere;
      delete entry.pending;
    }
  }

  function fetchInto(entry: Entry, uri: string): Promise<void> {
    if (!fetchJwks) return Promise.resolve();
    entry.pending ??= load(entry, uri, fetchJwks);
    return entry.pending;
  }

  const isRecent = (at: EpochMicros | undefined): boolean =>
    at !== undefined && clock.now() < after(at, cooldownSeconds);

  return {
    async forToken(entry: Entry, uri: string): Promise<void> {
      if (entry.pending) return entry.pending;
      if (isRecent(entry.triedAt)) return;
      entry.triedAt = clock.now();
      await fetchInto(entry, uri);
    },
    async regularly(entry: Entry, uri: string): Promise<void> {
      if (isRecent(entry.triedAt) || isRecent(entry.refreshedAt)) return;
      entry.refreshedAt = clock.now();
      await fetchInto(entry, uri);
    },
  };
}

function after(instant: EpochMicros, seconds: number): EpochMicros {
  return addMicros(asEpochMicros(instant), seconds * microsPerSecond);
}
