import type { TSchema } from "@portolan/typebox";
import type { BuiltParts } from "./build-snapshot.ts";
import type { PartRefusal } from "./refusals.ts";
import type { SignedSnapshot } from "./schema.ts";
import { isSupplement, readSupplement } from "./supplements.ts";
import { partReader, readEnvelope, readKeysPart, readRoutesPart } from "./verify-snapshot.ts";

/** Finds the first part that gateways would not read, with the place in it. */
export type FindPartRefusal = (organisationId: string, built: BuiltParts) => PartRefusal | undefined;

/**
 * Reads parts as gateways will, before anything is signed. What fitted the last time is not read again by the function that it
 * gives, which remembers it for each organisation. What an older control published is: its schema was another.
 *
 * @param grants identity's schema of its parts, which are opaque here
 */
export function partRefusals(grants: TSchema): FindPartRefusal {
  const readers = { routes: readRoutesPart, identity: partReader(grants), keys: readKeysPart };
  const fitting = new Map<string, ReadonlySet<string>>();
  return (organisationId, { parts, bytes }) => {
    const known = fitting.get(organisationId);
    for (const part of parts) {
      if (known?.has(part.digest)) continue;
      const reader = isSupplement(part) ? readSupplement : readers[part.kind];
      const read = reader(bytes.get(part.digest) ?? new Uint8Array(), part);
      if (read.kind === "part") continue;
      const { path, problem } = read.misfit ?? { path: "", problem: "is no JSON" };
      const where = part.environment === undefined ? {} : { environment: part.environment };
      return { part: part.kind, ...where, path, problem, instead: "last_good" };
    }
    fitting.set(organisationId, new Set(parts.map(({ digest }) => digest)));
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
