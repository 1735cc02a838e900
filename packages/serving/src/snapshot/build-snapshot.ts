import { canonicalBytes, digestBytes, type Environment, type JsonValue } from "@portolan/kernel";
import { groupByPlacement } from "./placed-parts.ts";
import type { KeysPart, Route, SignedSnapshot, SnapshotManifest, SnapshotPart } from "./schema.ts";
import { snapshotFormat } from "./schema.ts";
import { supplementsOf, withoutSupplements } from "./supplements.ts";

/** What goes into one snapshot of one organisation. */
export interface SnapshotContent {
  readonly organisationId: string;
  readonly routes: readonly Route[];
  /** Identity's grants by environment, opaque here. */
  readonly grants: readonly { readonly environment: Environment; readonly grants: JsonValue }[];
  readonly keys: KeysPart["keys"];
}

export interface BuiltParts {
  readonly parts: readonly SnapshotPart[];
  readonly bytes: ReadonlyMap<string, Uint8Array>;
}

/** Canonical parts: the same content gives the same digests, so that nothing is published twice. Pure. */
export function buildParts(content: SnapshotContent): BuiltParts {
  const bytes = new Map<string, Uint8Array>();
  const part = (
    kind: SnapshotPart["kind"],
    value: JsonValue,
    more: Pick<SnapshotPart, "environment" | "placement"> = {},
  ): SnapshotPart => {
    const encoded = canonicalBytes(value);
    const digest = digestBytes(encoded);
    bytes.set(digest, encoded);
    return { kind, digest, sizeBytes: encoded.length, ...more };
  };
  const parts = content.grants.flatMap(({ environment, grants }) => {
    const routes = content.routes
      .filter((route) => route.environment === environment)
      .toSorted((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
    const placed = groupByPlacement(routes).map((group) =>
      part(
        "routes",
        { routes: group.routes.map(withoutSupplements) },
        { environment, ...(group.placement ? { placement: group.placement } : {}) },
      ),
    );
    return [...placed, part("identity", grants, { environment })];
  });
  const known = groupByPlacement(content.routes).flatMap(({ placement, routes }) =>
    supplementsOf(routes).map((one) => part("routes", one, placement ? { placement } : {})),
  );
  const keys = content.keys.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  parts.push(...known, part("keys", { keys: keys.map((key) => ({ ...key })) }));
  return { parts, bytes };
}

export type SignBytes = (
  bytes: Uint8Array,
) => Promise<{ readonly keyId: string; readonly signature: Uint8Array }>;

/** A signed snapshot with the bytes of its parts. */
export async function buildSnapshot(
  content: SnapshotContent,
  version: number,
  createdAt: number,
  sign: SignBytes,
): Promise<{
  readonly signed: SignedSnapshot;
  readonly manifest: SnapshotManifest;
  readonly built: BuiltParts;
}> {
  const built = buildParts(content);
  const manifest: SnapshotManifest = {
    format: snapshotFormat,
    organisationId: content.organisationId,
    version,
    createdAt,
    parts: [...built.parts],
  };
  const payload = canonicalBytes(manifest);
  const { keyId, signature } = await sign(payload);
  const signed = {
    payload: Buffer.from(payload).toString("base64"),
    keyId,
    signature: Buffer.from(signature).toString("base64"),
  };
  return { signed, manifest, built };
}
