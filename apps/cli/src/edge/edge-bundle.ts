import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestBytes, digestHex, messageOf, PortolanError, parseDigest } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";
import type { CliErrorCode } from "../errors.ts";

/** What a bundle says of itself, in `edge.json`. The folder besides: trust, snapshot, objects by digest, and the device's key. */
export const EdgeSettings = Type.Object({
  format: Type.Literal(1),
  gateway: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,40}$", description: "Name of the device's gateway" }),
  environment: Type.String(),
  endpoints: Type.Array(Type.String(), { minItems: 1 }),
  region: Type.String({ description: "Where the device stands, as control was told" }),
  owner: Type.String({ description: "Who owns the device" }),
  controlUrl: Type.String({ description: "Where the log is delivered whenever control can be reached" }),
  snapshotVersion: Type.Integer(),
  createdAt: Type.String({ description: "ISO 8601" }),
  keyExpiresAt: Type.String({
    description: "ISO 8601; the gateway renews its key by itself when it can reach control",
  }),
  maximumAgeMs: Type.Union([Type.Integer(), Type.Null()], {
    description: "Shortest age of the snapshot at which a charter makes an endpoint refuse; null: none does",
  }),
  objects: Type.Array(Type.String(), { description: "Digests of the files under objects" }),
});
export type EdgeSettings = Static<typeof EdgeSettings>;

const shape = Compile(EdgeSettings);

export const bundleFiles = {
  settings: "edge.json",
  trust: "trust.json",
  snapshot: "snapshot.json",
  key: "key",
  objects: "objects",
} as const;

/** Path of an object in a bundle's or a gateway's folder. */
export function objectPath(folder: string, digest: string): string {
  const parsed = parseDigest(digest);
  if (!parsed) throw damaged(folder, `"${digest.slice(0, 80)}" is not a digest`);
  return join(folder, bundleFiles.objects, digestHex(parsed));
}

/** The settings of a bundle whose every object is whole. @throws PortolanError `cli.bad_file` */
export async function readBundle(folder: string): Promise<EdgeSettings> {
  const settings = await readJson(folder, bundleFiles.settings);
  if (!shape.Check(settings)) throw damaged(folder, `${bundleFiles.settings} has another form`);
  for (const digest of settings.objects) {
    const bytes = await read(folder, objectPath(folder, digest));
    if (digestBytes(bytes) !== digest) throw damaged(folder, `the bytes of ${digest} are others`);
  }
  return settings;
}

export async function readJson(folder: string, name: string): Promise<unknown> {
  const bytes = await read(folder, join(folder, name));
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    throw damaged(folder, `${name} is not JSON`);
  }
}

async function read(folder: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw damaged(folder, messageOf(cause));
  }
}

function damaged(folder: string, what: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${folder} is not a whole edge bundle: ${what}`,
    mend: "Copy it again, or make it anew with: portolan edge bundle",
  });
}
