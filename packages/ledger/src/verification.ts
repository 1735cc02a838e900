import type { SigningKey } from "@portolan/kernel";
import { formatVerifier, type NoteVerifier, parseVerifier, sameHash, toHex } from "@portolan/merkle";
import { judgeCheckpoint, ledgerVerifier, originOf, type TimedCheckpoint } from "./checkpoints.ts";
import { CopyComparison, maxDifferingLeaves } from "./comparison.ts";
import type { CopyLeaf, Finding } from "./findings.ts";
import { LeafReader, type LogCopy } from "./leaf-reader.ts";
import { type CopyStanding, readingPart, walkRoots } from "./root-walk.ts";

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
  readonly checkpoints: AsyncIterable<string> | Iterable<string>;
  readonly keys: readonly SigningKey[];
  /** Verifier keys that the caller trusts; without them the log's own keys are believed. */
  readonly trust?: readonly string[];
  /** Checkpoints that the caller kept from earlier: a log rolled back behind one of them is found out. */
  readonly known?: readonly string[];
  /** Findings that reading already made. */
  readonly findings?: readonly Finding[];
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Judges copies of one log against its signed checkpoints. Copies are read in parts and once when all is well, so the
 * memory that it takes does not grow with the log. The first copy that gives all signed roots is the sound one, and
 * every difference of the others from it is named; when none does, each copy's stretch between the last root it gives
 * and the first it does not.
 */
export async function judgeLog(input: VerificationInput): Promise<VerificationReport> {
  const { checkpoints, keys, findings } = await judgeCheckpoints(input);
  findings.unshift(...(input.findings ?? []));
  const standings = await walkRoots(input.copies, checkpoints, input.onProgress ?? (() => undefined));
  const size = checkpoints.at(-1)?.size ?? 0;
  findings.push(...(await judgeCopies(standings, size)));
  const rows = standings.find(({ copy }) => copy.name === "rows")?.leaves ?? 0;
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
    keys: keys.flatMap((key) => verifierText(input.organisation, key)),
    keysFrom: input.trust === undefined ? "log" : "caller",
    findings,
  };
}

/** The checkpoints that count, in order of size; the keys that signed them; and what is wrong with the others. */
async function judgeCheckpoints(input: VerificationInput) {
  const findings: Finding[] = [];
  const keys = trustedKeys(input);
  const good = new Map<string, TimedCheckpoint>();
  const expired: { readonly size: number; readonly reason: string }[] = [];
  const usedKeys = new Set<string>();
  const take = (note: string): void => {
    const verdict = judgeCheckpoint(note, input.organisation, keys);
    if (verdict.kind === "good") {
      const { size, at, root } = verdict.checkpoint;
      good.set(`${size} ${at} ${toHex(root)}`, verdict.checkpoint);
      usedKeys.add(verdict.keyId);
    } else if (verdict.kind === "expired") {
      expired.push({ size: verdict.checkpoint.size, reason: verdict.reason });
    } else findings.push({ kind: "checkpoint", copy: "checkpoints", detail: verdict.reason });
  };
  for await (const note of input.checkpoints) take(note);
  for (const note of new Set(input.known)) take(note);
  const checkpoints = [...good.values()].toSorted((a, b) => a.size - b.size || a.at - b.at);
  findings.push(...contradictions(checkpoints));
  const size = checkpoints.at(-1)?.size ?? 0;
  // What a revoked key signed proves nothing, and need not: a later checkpoint covers the same leaves.
  for (const lost of expired.filter((checkpoint) => checkpoint.size > size)) {
    findings.push({ kind: "checkpoint", copy: "checkpoints", index: lost.size, detail: lost.reason });
  }
  return { checkpoints, findings, keys: keys.filter((key) => usedKeys.has(key.id)) };
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

async function judgeCopies(standings: readonly CopyStanding[], size: number): Promise<Finding[]> {
  const findings = standings.flatMap(({ copy, leaves, brokeOff }): Finding[] =>
    brokeOff === undefined ? [] : [{ kind: "malformed", copy: copy.name, index: leaves, detail: brokeOff }],
  );
  const sound = standings.findIndex((standing) => standing.broken === undefined);
  if (sound < 0) {
    const stretches = standings.map(({ copy, broken }): Finding => {
      const [from, to] = broken ?? [0, size];
      const detail = `the copy departs from the signed history between index ${from} and ${to - 1}, and no other copy at hand is sound`;
      return { kind: "diverged", copy: copy.name, index: from, detail };
    });
    return [...findings, ...stretches];
  }
  if (standings.every((standing) => standing.isClean && standing.leaves === size)) return findings;
  return [...findings, ...(await nameDifferences(standings, sound, size))];
}

/** Reads all copies once more and holds each against the sound one, leaf by leaf. */
async function nameDifferences(
  standings: readonly CopyStanding[],
  soundAt: number,
  size: number,
): Promise<Finding[]> {
  const readers = standings.map(({ copy }) => new LeafReader(copy, size));
  const comparisons = standings.map(({ copy }) => new CopyComparison(copy.name, { mayBeLonger: true }));
  for (let at = 0; at < size; at += readingPart) {
    const count = Math.min(readingPart, size - at);
    const parts = await Promise.all(readers.map((reader) => reader.next(count)));
    const reference = withIds(parts[soundAt] ?? [], parts);
    for (const [i, { leaves, brokeOff }] of standings.entries()) {
      // Of a copy that breaks off that alone is said, not that everything after it is missing.
      const readable = brokeOff === undefined ? reference : reference.slice(0, Math.max(0, leaves - at));
      comparisons[i]?.take(readable, parts[i] ?? []);
    }
  }
  for (const [i, comparison] of comparisons.entries()) {
    // What was inserted pushed as many signed rows beyond the last signed place.
    const rest = await readers[i]?.next(maxDifferingLeaves);
    comparison.take([], rest ?? []);
  }
  return comparisons.flatMap((comparison) => comparison.end());
}

/** Tile hashes carry no ids: another copy that has the same leaf at the same place names it. */
function withIds(sound: readonly CopyLeaf[], parts: readonly (readonly CopyLeaf[])[]): readonly CopyLeaf[] {
  return sound.map((leaf, i) => {
    if (leaf.id !== undefined) return leaf;
    const named = parts.find((part) => part[i]?.hash === leaf.hash && part[i]?.id !== undefined);
    const id = named?.[i]?.id;
    return id === undefined ? leaf : { ...leaf, id };
  });
}
