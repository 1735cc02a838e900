import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Model digests that killed their runners too often. Kept on disk, so that a restart does not try them again. */
export interface Quarantine {
  /** Counts one death by the model's own doing; true when it is one too many. */
  strike(digest: string): boolean;
  holds(digest: string): boolean;
}

/** "A model that kills its runner twice is quarantined": deployed again under the same digest, it stays so. */
const strikesAllowed = 1;

export function createQuarantine(file: string): Quarantine {
  const strikes = read(file);
  return {
    strike(digest) {
      const count = (strikes.get(digest) ?? 0) + 1;
      strikes.set(digest, count);
      write(file, strikes);
      return count > strikesAllowed;
    },
    holds: (digest) => (strikes.get(digest) ?? 0) > strikesAllowed,
  };
}

function read(file: string): Map<string, number> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof value !== "object" || value === null) return new Map();
    return new Map(
      Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
    );
  } catch {
    // Missing on the first start; unreadable means that the counting starts again, which only costs a strike.
    return new Map();
  }
}

function write(file: string, strikes: ReadonlyMap<string, number>): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(Object.fromEntries(strikes)));
  renameSync(`${file}.new`, file);
}
