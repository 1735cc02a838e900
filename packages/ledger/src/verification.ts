import type { SigningKey } from "@portolan/kernel";
import {
  CompactTree,
  formatVerifier,
  hashFromHex,
  type NoteVerifier,
  parseVerifier,
  sameHash,
} from "@portolan/merkle";
import { judgeCheckpoint, ledgerVerifier, originOf, type TimedCheckpoint } from "./checkpoints.ts";
import { type CopyLeaf, compareCopy, type Finding } from "./comparison.ts";

/** One copy of the log: the SQL rows, the tile hashes or the entry bundles. */
export interface LogCopy {
  readonly name: "rows" | "tiles" | "bundles";
  readonly leaves: readonly CopyLeaf[];
}

export interface VerificationReport {
  /** True when every row is the signed one at its place, and every checkpoint counts and agrees. */
  readonly verified: boolean;
  readonly organisation: string;
  /** Leaves under the newest checkpoint that counts: the part that is proved. */
  readonly provedRows: number;
  /** Rows after the newest checkpoint: not yet signed, so nothing is said of them. */
  readonly unsignedRows: number;
  readonly checkpoints: number;
  /** Keys whose signatures were relied on, as note verifier keys; compare them with those you know. */
  readonly keys: readonly string[];
  /** Where the keys came from: `caller` (known before) or `log` (brought along with what they prove). */
  readonly keysFrom: "caller" | "log";
  readonly findings: readonly Finding[];
}

export interface VerificationInput {
  readonly organisation: string;
  readonly copies: readonly LogCopy[];
  /** Notes of all checkpoints at hand. */
  readonly checkpoints: readonly string[];
  readonly keys: readonly SigningKey[];
  /** Verifier keys that the caller trusts; without them the log's own keys are believed. */
  readonly trust?: readonly string[];
  /** Checkpoints that the caller kept from earlier: a log rolled back behind one of them is found out. */
  readonly known?: readonly string[];
  /** Findings that reading already made. */
  readonly findings?: readonly Finding[];
}

/**
 * Judges copies of one log against its signed checkpoints. Pure. The first copy that gives all signed roots is
 * the sound one, and every difference of the others from it is named; when none does, each copy's stretch between
 * the last root it gives and the first it does not.
 */
export function judgeLog(input: VerificationInput): VerificationReport {
  const findings: Finding[] = [...(input.findings ?? [])];
  const keys = trustedKeys(input);
  const good: TimedCheckpoint[] = [];
  const expired: { readonly size: number; readonly reason: string }[] = [];
  const usedKeys = new Set<string>();
  for (const note of new Set([...input.checkpoints, ...(input.known ?? [])])) {
    const verdict = judgeCheckpoint(note, input.organisation, keys);
    if (verdict.kind === "good") {
      good.push(verdict.checkpoint);
      usedKeys.add(verdict.keyId);
    } else if (verdict.kind === "expired") {
      expired.push({ size: verdict.checkpoint.size, reason: verdict.reason });
    } else findings.push({ kind: "checkpoint", copy: "checkpoints", detail: verdict.reason });
  }
  const checkpoints = good.toSorted((a, b) => a.size - b.size || a.at - b.at);
  findings.push(...contradictions(checkpoints));
  const size = checkpoints.at(-1)?.size ?? 0;
  // What a revoked key signed proves nothing, and need not: a later checkpoint covers the same leaves.
  for (const lost of expired.filter((checkpoint) => checkpoint.size > size)) {
    findings.push({ kind: "checkpoint", copy: "checkpoints", index: lost.size, detail: lost.reason });
  }
  findings.push(...judgeCopies(input.copies, checkpoints, size));
  const rows = input.copies.find((copy) => copy.name === "rows")?.leaves.length ?? 0;
  if (checkpoints.length === 0 && rows > 0) {
    findings.push({
      kind: "checkpoint",
      copy: "checkpoints",
      detail: "no checkpoint that counts: nothing is proved",
    });
  }
  return {
    verified: findings.length === 0,
    organisation: input.organisation,
    provedRows: size,
    unsignedRows: Math.max(0, rows - size),
    checkpoints: checkpoints.length,
    keys: keys.filter((key) => usedKeys.has(key.id)).flatMap((key) => verifierText(input.organisation, key)),
    keysFrom: input.trust === undefined ? "log" : "caller",
    findings,
  };
}

/** The keys, cut down to those the caller trusts when it says which. */
function trustedKeys(input: VerificationInput): readonly SigningKey[] {
  if (input.trust === undefined) return input.keys;
  const trusted = input.trust.flatMap((text): NoteVerifier[] => {
    const verifier = parseVerifier(text);
    return verifier === undefined ? [] : [verifier];
  });
  return input.keys.filter((key) => {
    const verifier = ledgerVerifier(originOf(input.organisation), key);
    return verifier !== undefined && trusted.some((known) => sameHash(known.publicKey, verifier.publicKey));
  });
}

function verifierText(organisation: string, key: SigningKey): string[] {
  const verifier = ledgerVerifier(originOf(organisation), key);
  return verifier === undefined ? [] : [formatVerifier(verifier)];
}

/** Two signed roots for one size are a fork, whatever the copies say. */
function contradictions(checkpoints: readonly TimedCheckpoint[]): Finding[] {
  const findings: Finding[] = [];
  checkpoints.forEach((checkpoint, i) => {
    const earlier = checkpoints[i - 1];
    if (earlier?.size === checkpoint.size && !sameHash(earlier.root, checkpoint.root)) {
      const detail = `two roots were signed for ${checkpoint.size} leaves: the log was forked`;
      findings.push({ kind: "checkpoint", copy: "checkpoints", index: checkpoint.size, detail });
    }
    if (earlier !== undefined && checkpoint.at < earlier.at) {
      const detail = `the checkpoint of ${checkpoint.size} leaves was signed before the one of ${earlier.size}`;
      findings.push({ kind: "checkpoint", copy: "checkpoints", index: checkpoint.size, detail });
    }
  });
  return findings;
}

function judgeCopies(
  copies: readonly LogCopy[],
  checkpoints: readonly TimedCheckpoint[],
  size: number,
): Finding[] {
  const breaks = copies.map((copy) => firstBreak(copy.leaves, checkpoints));
  const soundAt = breaks.indexOf(undefined);
  const sound = copies[soundAt];
  if (sound === undefined) {
    return copies.flatMap((copy, i): Finding[] => {
      const [from, to] = breaks[i] ?? [0, size];
      const detail = `the copy departs from the signed history between index ${from} and ${to - 1}, and no other copy at hand is sound`;
      return [{ kind: "diverged", copy: copy.name, index: from, detail }];
    });
  }
  const reference = withIds(sound.leaves.slice(0, size), copies);
  return copies.flatMap((copy) =>
    compareCopy(copy.name, reference, provedPart(copy.leaves, reference, size)),
  );
}

/**
 * What of a copy stands for the proved leaves: its first `size`, and whatever of the signed history it has beyond
 * (after an insertion). The rest is not signed yet.
 */
function provedPart(
  leaves: readonly CopyLeaf[],
  reference: readonly CopyLeaf[],
  size: number,
): readonly CopyLeaf[] {
  if (leaves.length <= size) return leaves;
  const signed = new Set(reference.map((leaf) => leaf.hash));
  let end = leaves.length;
  while (end > size && !signed.has(leaves[end - 1]?.hash ?? "")) end--;
  return leaves.slice(0, end);
}

/** Tile hashes carry no ids: another copy that has the same leaf at the same place names it. */
function withIds(leaves: readonly CopyLeaf[], copies: readonly LogCopy[]): readonly CopyLeaf[] {
  return leaves.map((leaf, i) => {
    if (leaf.id !== undefined) return leaf;
    const named = copies.find(
      (copy) => copy.leaves[i]?.hash === leaf.hash && copy.leaves[i]?.id !== undefined,
    );
    const id = named?.leaves[i]?.id;
    return id === undefined ? leaf : { ...leaf, id };
  });
}

/** The stretch [from, to) in which a copy first departs from the signed roots; `undefined` when it gives them all. */
function firstBreak(
  leaves: readonly CopyLeaf[],
  checkpoints: readonly TimedCheckpoint[],
): readonly [number, number] | undefined {
  const tree = new CompactTree();
  let soundTo = 0;
  for (const checkpoint of checkpoints) {
    while (tree.size < checkpoint.size) {
      const hash = hashFromHex(leaves[tree.size]?.hash ?? "");
      if (hash === undefined) return [soundTo, checkpoint.size];
      tree.append(hash);
    }
    if (!sameHash(tree.root(), checkpoint.root)) return [soundTo, checkpoint.size];
    soundTo = checkpoint.size;
  }
  return undefined;
}
