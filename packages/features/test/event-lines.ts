import { identityKey } from "../src/early/early-line.ts";
import type { EventRecord } from "../src/events/event-record.ts";
import type { Reading } from "./event-world.ts";

export interface Line {
  readonly station: string;
  readonly record: EventRecord;
  readonly id: string;
}

interface Version extends Reading {
  readonly available: number;
  readonly sequence: number;
}

/**
 * The lines of a log, batch by batch, as its definition has them (F31): versions, then the withdrawals that they bring about; with the tombstones, where
 * events are known by their identity.
 */
export function linesOf(batches: readonly (readonly Reading[])[], withTombstones = false): Line[][] {
  const versions = new Map<string, Version[]>();
  let sequence = 0;
  return batches.map((rows) => {
    const first = sequence;
    const fresh = rows
      .filter((row) => row.gone || row.station !== null)
      .map((row): Version => ({ ...row, available: Math.max(row.ts, row.known), sequence: (sequence += 1) }));
    for (const one of fresh) versions.set(one.id, [...(versions.get(one.id) ?? []), one]);
    const lines = fresh.filter(({ gone }) => withTombstones || !gone).map((one) => line(one));
    for (const id of new Set(fresh.map((one) => one.id))) {
      const ordered = (versions.get(id) ?? []).toSorted(
        (one, other) => one.available - other.available || one.sequence - other.sequence,
      );
      for (const [index, next] of ordered.entries()) {
        const one = ordered[index - 1];
        if (!one || one.gone || Math.max(one.sequence, next.sequence) <= first) continue;
        lines.push(line({ ...one, available: next.available, sequence: (sequence += 1) }, one.sequence));
      }
    }
    return lines;
  });
}

function line({ id, station, ts, available, sequence, gone, v, f, c }: Version, withdraws?: number): Line {
  const whole = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value));
  const tenths = f === null || Math.abs(f) > 1e17 ? null : Math.floor(f * 10 + 0.5);
  const high = v !== null && v > 1n ? 1 : null;
  return {
    id: identityKey([id]),
    station: station ?? "",
    // In the order of the view's operands: `v` where it is above 1, v, f, f in tenths (those of 1e300 are no integer of 64 bits), c.
    record: {
      event: ts,
      available,
      sequence,
      ...(withdraws === undefined ? {} : { withdraws }),
      ...(gone ? { isTombstone: true } : {}),
      values: [high, v === null ? null : whole(v), f, tenths, c],
    },
  };
}
