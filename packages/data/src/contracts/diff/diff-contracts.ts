import type { DataContract } from "../contract-model.ts";
import { breaking, type ContractChange, compatible, same } from "./contract-change.ts";
import { diffColumns } from "./diff-columns.ts";
import { diffRelationships } from "./diff-relationships.ts";
import { diffBatchRules, diffRowRules } from "./diff-rules.ts";

export interface ContractDiff {
  readonly changes: readonly ContractChange[];
  readonly breaking: boolean;
  /** What the version number has to grow by, after Semantic Versioning. */
  readonly demands: "major" | "minor" | "patch" | "none";
  /** Whether it grew by that much; absent where a version is none of Semantic Versioning. */
  readonly versioned?: boolean;
}

/** What changed from one version of a contract to the next, classified (docs/spec/data-contracts.md D18). Pure. */
export function diffContracts(before: DataContract, after: DataContract): ContractDiff {
  const changes = [
    ...diffTable(before, after),
    ...diffColumns(before, after),
    ...diffRowRules(before, after),
    ...diffBatchRules(before, after),
    ...diffRelationships(before, after),
    ...diffLevels(before, after),
    ...diffWords(before, after),
  ];
  const demands = demandOf(changes);
  const versioned = grewBy(before.version, after.version, demands);
  return {
    changes,
    breaking: demands === "major",
    demands,
    ...(versioned === undefined ? {} : { versioned }),
  };
}

function demandOf(changes: readonly ContractChange[]): ContractDiff["demands"] {
  if (changes.some((change) => change.kind === "breaking")) return "major";
  if (changes.some((change) => change.affects !== "nobody")) return "minor";
  return changes.length > 0 ? "patch" : "none";
}

const tableReasons = {
  id: "it is another contract: its datasets are others",
  eventTime: "rows are ordered, and their age is judged, by another time",
  primaryKey: "rows are told apart by another key",
} as const;

function diffTable(before: DataContract, after: DataContract): ContractChange[] {
  const changes: ContractChange[] = [];
  for (const [path, reason] of Object.entries(tableReasons)) {
    const sides = {
      before: before[path as keyof typeof tableReasons],
      after: after[path as keyof typeof tableReasons],
    };
    if (!same(sides.before, sides.after)) changes.push(breaking("consumer", path, reason, sides));
  }
  for (const [file, digest] of Object.entries(after.references)) {
    const was = before.references[file];
    if (was !== undefined && was !== digest)
      changes.push(
        breaking(
          "consumer",
          `references.${file}`,
          "the table says other things: the same row may mean another instant",
          { before: was, after: digest },
        ),
      );
  }
  return changes;
}

/** Levels of which less is stricter; the first reason is that of a stricter one, and whom it breaks. */
const levelReasons = {
  freshnessMs: [
    "producer",
    "batches must be fresher: those that passed may be refused",
    "batches may be older",
  ],
  futureSkewMs: [
    "producer",
    "events may be less far ahead: those that passed may be kept out",
    "events may be further ahead",
  ],
  maxBadShare: [
    "producer",
    "fewer bad rows are allowed: batches that passed may be refused",
    "more bad rows are allowed",
  ],
  retentionMs: [
    "consumer",
    "data is kept for less time: who reads old data finds it gone",
    "data is kept for longer",
  ],
} as const;

function diffLevels(before: DataContract, after: DataContract): ContractChange[] {
  return Object.entries(levelReasons).flatMap(([path, [affects, stricter, looser]]) => {
    const was = before[path as keyof typeof levelReasons];
    const is = after[path as keyof typeof levelReasons];
    if (was === is) return [];
    const sides = { before: was, after: is };
    return is !== undefined && (was === undefined || is < was)
      ? [breaking(affects, path, stricter, sides)]
      : [compatible("consumer", path, looser, sides)];
  });
}

const words = ["name", "status", "table", "team", "roles", "support", "servers", "levels"] as const;

/** People, places and words: no row is judged by them. */
function diffWords(before: DataContract, after: DataContract): ContractChange[] {
  return words
    .filter((path) => !same(before[path], after[path]))
    .map((path) =>
      compatible("nobody", path, "no row is judged by it", { before: before[path], after: after[path] }),
    );
}

function grewBy(before: string, after: string, demands: ContractDiff["demands"]): boolean | undefined {
  const [a, b] = [before, after].map((text) => /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number));
  if (!a || !b) return undefined;
  if (demands === "none") return true;
  const [major = 0, minor = 0, patch = 0] = b.map((part, index) => part - (a[index] ?? 0));
  if (major !== 0) return major > 0;
  // Before 1.0.0 the minor number counts what breaks.
  if (demands === "major") return a[0] === 0 && minor > 0;
  if (minor !== 0) return minor > 0;
  return demands === "patch" && patch > 0;
}
