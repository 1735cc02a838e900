import { type Clock, type EpochMicros, type Id, newId, type Sql, systemActor } from "@portolan/kernel";
import { writeRow } from "./recorder.ts";
import { addToTallies, closedTallies, deleteTally, type Tally } from "./tally-store.ts";

/** A refused call of nobody in particular. */
export interface AnonymousDenial {
  /** The organisation whose log keeps it: the one addressed, or the platform's. */
  readonly organisationId: string;
  /** Where it came from, e.g. an IP address. */
  readonly source: string;
  /** Error code; low-cardinality. */
  readonly reason: string;
}

export interface DenialTally {
  /** Resolves when the count is durable. Under a flood, calls share one write. */
  add(denial: AnonymousDenial): Promise<void>;
}

const minuteMicros = 60_000_000;
/** Distinct source and reason pairs counted by name per organisation and minute; the rest is counted together. */
const maxSources = 256;
const otherSources = "other";

/**
 * Counts refusals per source, reason and minute. One write is under way at a time and takes along everything that
 * arrived meanwhile, so a flood costs a few statements per second, however many calls it has.
 */
export function createDenialTally(deps: { readonly sql: Sql; readonly clock: Clock }): DenialTally {
  let waiting = new Map<string, Tally>();
  let flushing: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const named = new Set<string>();
  let namedMinute = -1;

  const flush = async (): Promise<void> => {
    const batch = [...waiting.values()];
    waiting = new Map();
    next = undefined;
    flushing = addToTallies(deps.sql, batch);
    await flushing;
  };
  return {
    add: (denial) => {
      const now = deps.clock.now();
      const minute = Math.floor(now / minuteMicros);
      if (minute !== namedMinute) {
        namedMinute = minute;
        named.clear();
      }
      const source = boundedSource(named, denial);
      const key = JSON.stringify([denial.organisationId, minute, source, denial.reason]);
      const seen = waiting.get(key);
      waiting.set(key, {
        organisationId: denial.organisationId,
        source,
        reason: denial.reason,
        minute,
        denials: (seen?.denials ?? 0) + 1,
        firstAt: seen?.firstAt ?? now,
        lastAt: now,
      });
      next ??= (flushing ?? Promise.resolve()).then(flush, flush);
      return next;
    },
  };
}

function boundedSource(named: Set<string>, denial: AnonymousDenial): string {
  const key = JSON.stringify([denial.organisationId, denial.source, denial.reason]);
  if (named.has(key)) return denial.source;
  if (named.size >= maxSources) return otherSources;
  named.add(key);
  return denial.source;
}

/** Turns the tallies of minutes that are over into rows of class `denied`, each in one transaction with its removal. */
export async function flushTallies(deps: { readonly sql: Sql; readonly clock: Clock }): Promise<void> {
  const now = deps.clock.now();
  for (const tally of await closedTallies(deps.sql, Math.floor(now / minuteMicros))) {
    await deps.sql
      .transaction()
      .setIsolationLevel("read committed")
      .execute(async (trx) => {
        const closed = await deleteTally(trx, tally);
        if (closed === undefined) return; // another process wrote it
        await writeTallyRow(trx, closed, now);
      });
  }
}

async function writeTallyRow(sql: Sql, tally: Tally, now: EpochMicros): Promise<void> {
  const actor = systemActor("ledger", tally.organisationId as Id<"organisation">);
  const call = { actor, requestId: newId("request", now) };
  await writeRow({ sql, call, now }, "denied", {
    event: "ledger.calls.denied",
    subject: tally.source,
    detail: {
      reason: tally.reason,
      denials: tally.denials,
      minute: tally.minute,
      firstAt: tally.firstAt,
      lastAt: tally.lastAt,
    },
  });
}
