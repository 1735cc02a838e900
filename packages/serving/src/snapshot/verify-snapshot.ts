import { createPublicKey, verify } from "node:crypto";
import { canonicalJson, digestBytes, type JsonValue, keyCounts, type SigningKey } from "@portolan/kernel";
import type { Static, TSchema } from "@portolan/typebox";
import { describeMisfit, fitTo, type Misfit } from "./misfit.ts";
import {
  KeysPart,
  RoutesPart,
  SignedSnapshot,
  type SnapshotAge,
  SnapshotManifest,
  type SnapshotPart,
} from "./schema.ts";

export type SnapshotVerdict =
  | { readonly kind: "accepted"; readonly manifest: SnapshotManifest }
  | { readonly kind: "current"; readonly manifest: SnapshotManifest }
  | { readonly kind: "refused"; readonly reason: SnapshotRefusal; readonly detail: string };

export type SnapshotRefusal =
  | "malformed"
  | "unknown_key"
  | "bad_signature"
  | "wrong_organisation"
  | "rollback"
  | "fork";

export interface SnapshotExpectation {
  /** Keys of purpose `snapshot` that this gateway trusts: its anchors and those that accepted snapshots brought. */
  readonly keys: readonly SigningKey[];
  readonly organisationId: string;
  /** The snapshot that is being served, if any. */
  readonly current?: SnapshotManifest;
}

const fitEnvelope = fitTo(SignedSnapshot);
const fitManifest = fitTo(SnapshotManifest);

/** A manifest is a few hundred bytes; its parts are what grows. */
const maxPayloadBase64 = 400_000;

/**
 * Decides whether a snapshot may replace the current one. Pure. A revoked key counts for nothing here, not even for
 * what it signed before: whoever stole it can write any date.
 */
export function verifySnapshot(envelope: unknown, expected: SnapshotExpectation): SnapshotVerdict {
  const read = readEnvelope(envelope);
  if (read.kind === "bad") return refused("malformed", read.detail);
  const { signed, bytes, manifest } = read.value;
  const key = expected.keys.find((known) => known.id === signed.keyId && known.purpose === "snapshot");
  if (!key || key.revokedAt !== undefined || key.algorithm !== "ed25519")
    return refused("unknown_key", `The key ${signed.keyId.slice(0, 40)} is not trusted for snapshots.`);
  if (!keyCounts(key, manifest.createdAt as SigningKey["validFrom"]))
    return refused("unknown_key", `The key ${key.id} was not valid when this snapshot was made.`);
  if (!verifyBytes(bytes, key, signed.signature))
    return refused("bad_signature", "The snapshot's signature does not match its manifest.");
  if (manifest.organisationId !== expected.organisationId)
    return refused("wrong_organisation", `The snapshot is for ${manifest.organisationId}.`);
  return judgeVersion(manifest, expected.current);
}

function judgeVersion(manifest: SnapshotManifest, current: SnapshotManifest | undefined): SnapshotVerdict {
  if (!current || manifest.version > current.version) return { kind: "accepted", manifest };
  if (manifest.version < current.version)
    return refused(
      "rollback",
      `Version ${manifest.version} is older than ${current.version}, which is being served.`,
    );
  if (canonicalJson(manifest) === canonicalJson(current)) return { kind: "current", manifest };
  return refused("fork", `Another snapshot of version ${manifest.version} is being served.`);
}

/** Form and size alone: whose it is, and whether the signature holds, is not looked at. Pure. */
export function readEnvelope(envelope: unknown): PartVerdict<{
  readonly signed: SignedSnapshot;
  /** What is signed. */
  readonly bytes: Uint8Array;
  readonly manifest: SnapshotManifest;
}> {
  const outer = fitEnvelope(envelope);
  if (outer.kind === "misfit") return misfits("The snapshot's envelope", outer.misfit);
  const signed = outer.value;
  if (signed.payload.length > maxPayloadBase64)
    return {
      kind: "bad",
      detail: `The snapshot's manifest takes ${signed.payload.length} characters; at most ${maxPayloadBase64} are read.`,
    };
  const bytes = Buffer.from(signed.payload, "base64");
  const inner = fitManifest(parseJson(bytes));
  if (inner.kind === "misfit") return misfits("The snapshot's manifest", inner.misfit);
  return { kind: "part", value: { signed, bytes, manifest: inner.value } };
}

function verifyBytes(bytes: Uint8Array, key: SigningKey, signature: string): boolean {
  try {
    return verify(null, bytes, createPublicKey(key.publicKeyPem), Buffer.from(signature, "base64"));
  } catch {
    return false;
  }
}

function refused(reason: SnapshotRefusal, detail: string): SnapshotVerdict {
  return { kind: "refused", reason, detail };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/** The parsed part, or one sentence on what is wrong with its bytes. */
export type PartVerdict<T> =
  | { readonly kind: "part"; readonly value: T }
  | { readonly kind: "bad"; readonly detail: string; readonly misfit?: Misfit };

/** Reads parts that a schema describes; what it says of a bad one names the place in it. */
export function partReader<Schema extends TSchema>(
  schema: Schema,
): (bytes: Uint8Array, part: SnapshotPart) => PartVerdict<Static<Schema>> {
  const fit = fitTo(schema);
  return (bytes, part) => {
    const json = checkedJson(bytes, part);
    if (json.kind === "bad") return json;
    const read = fit(json.value);
    return read.kind === "fits"
      ? { kind: "part", value: read.value }
      : misfits(`The ${part.kind} part ${part.digest}`, read.misfit);
  };
}

export const readRoutesPart = partReader(RoutesPart);
export const readKeysPart = partReader(KeysPart);

function misfits(what: string, misfit: Misfit): { kind: "bad"; detail: string; misfit: Misfit } {
  return { kind: "bad", detail: `${what} does not fit its schema: ${describeMisfit(misfit)}.`, misfit };
}

/** A part's JSON after its digest was checked; the caller knows its form. */
export function checkedJson(bytes: Uint8Array, part: SnapshotPart): PartVerdict<JsonValue> {
  if (digestBytes(bytes) !== part.digest)
    return { kind: "bad", detail: `The bytes of the ${part.kind} part do not match ${part.digest}.` };
  const value = parseJson(bytes);
  return value === undefined
    ? { kind: "bad", detail: `The ${part.kind} part ${part.digest} is not JSON.` }
    : { kind: "part", value: value as JsonValue };
}

/** Whether a route of a snapshot of that age may still be answered for. Pure. */
export function judgeSnapshotAge(bound: SnapshotAge | null, ageMs: number): "fresh" | "old" | "expired" {
  if (bound === null || ageMs <= bound.maximumMs) return "fresh";
  return bound.beyond === "refuse" ? "expired" : "old";
}
