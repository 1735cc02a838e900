import type { TSchema } from "@portolan/typebox";
import type { BuiltParts } from "./build-snapshot.ts";
import type { PartRefusal } from "./refusals.ts";
import type { SignedSnapshot, SnapshotManifest } from "./schema.ts";
import { partReader, readEnvelope, readKeysPart, readRoutesPart } from "./verify-snapshot.ts";

/** Finds the first part that gateways would not read, with the place in it. */
export type FindPartRefusal = (
  built: BuiltParts,
  published: SnapshotManifest | undefined,
) => PartRefusal | undefined;

/**
 * Reads parts as gateways will, before anything is signed; those that are published already are not read again. The
 * function that it gives is pure.
 *
 * @param grants identity's schema of its parts, which are opaque here
 */
export function partRefusals(grants: TSchema): FindPartRefusal {
  const readers = { routes: readRoutesPart, identity: partReader(grants), keys: readKeysPart };
  return ({ parts, bytes }, published) => {
    const known = new Set(published?.parts.map(({ digest }) => digest));
    for (const part of parts) {
      if (known.has(part.digest)) continue;
      const read = readers[part.kind](bytes.get(part.digest) ?? new Uint8Array(), part);
      if (read.kind === "part") continue;
      const { path, problem } = read.misfit ?? { path: "", problem: "is no JSON" };
      const where = part.environment === undefined ? {} : { environment: part.environment };
      return { part: part.kind, ...where, path, problem, instead: "last_good" };
    }
    return undefined;
  };
}

/** The same of the signed manifest: its form, and its size, which grows with its parts. Pure. */
export function findEnvelopeRefusal(signed: SignedSnapshot): PartRefusal | undefined {
  const read = readEnvelope(signed);
  if (read.kind === "part") return undefined;
  const { path, problem } = read.misfit ?? { path: "", problem: "is larger than gateways read" };
  return { part: "manifest", path, problem, instead: "last_good" };
}
