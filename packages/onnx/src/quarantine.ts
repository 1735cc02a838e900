import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "@portolan/kernel";
import {
  afterAnswer,
  afterDeath,
  type DeathCause,
  judgeMarks,
  type Marks,
  noMarks,
  type QuarantineVerdict,
} from "./quarantine-policy.ts";

/** What is held against models, by digest. */
export interface Quarantine {
  died(digest: string, cause: DeathCause): QuarantineVerdict;
  answered(digest: string): void;
  judge(digest: string): QuarantineVerdict;
}

/**
 * Crashes are kept in a file (digest → count), so that a restart does not try such a model again. The file is read
 * anew at every verdict: an operator who removes a digest from it lifts the quarantine, without a restart.
 * Interruptions are forgotten with the process.
 */
export function createQuarantine(file: string, clock: Clock): Quarantine {
  const passing = new Map<string, Marks>();
  const marksOf = (digest: string): Marks => ({
    ...(passing.get(digest) ?? noMarks),
    crashes: readCrashes(file).get(digest) ?? 0,
  });
  return {
    died(digest, cause) {
      const now = clock.now();
      const marks = afterDeath(marksOf(digest), cause, now);
      if (cause === "crash") writeCrashes(file, readCrashes(file).set(digest, marks.crashes));
      else passing.set(digest, marks);
      return judgeMarks(marks, now);
    },
    answered(digest) {
      const marks = passing.get(digest);
      if (marks) passing.set(digest, afterAnswer(marks));
    },
    judge: (digest) => judgeMarks(marksOf(digest), clock.now()),
  };
}

function readCrashes(file: string): Map<string, number> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof value !== "object" || value === null) return new Map();
    return new Map(
      Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
    );
  } catch {
    // Missing on the first start; unreadable means that the counting starts again, which only costs a crash.
    return new Map();
  }
}

function writeCrashes(file: string, crashes: ReadonlyMap<string, number>): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(Object.fromEntries(crashes)));
  renameSync(`${file}.new`, file);
}
