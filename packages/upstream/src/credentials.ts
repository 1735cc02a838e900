import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Environment, environments, Secret } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";
import { upstreamFault } from "./errors.ts";

const Ids = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 1000 });
const Shape = Type.Object(
  {
    origin: Type.String({ maxLength: 300 }),
    /** Its id. */
    organisation: Type.String({ minLength: 1, maxLength: 64 }),
    /** Ids; absent: all of the organisation's. */
    useCases: Type.Optional(Ids),
    /** Absent: all. */
    environments: Type.Optional(Type.Array(Type.Enum([...environments]))),
    headers: Type.Record(
      Type.String({ pattern: "^[A-Za-z0-9-]{1,64}$" }),
      Type.String({ pattern: "^[\\x20-\\x7e]{1,12288}$" }),
    ),
  },
  { additionalProperties: false },
);
const File = Compile(Shape);

/** What the connection itself says; no credential may say otherwise. */
const ownHeaders = new Set([
  "host",
  "connection",
  "content-length",
  "content-type",
  "content-encoding",
  "transfer-encoding",
  "inference-header-content-length",
  "te",
  "upgrade",
  "expect",
]);

export type Credential = Readonly<Record<string, Secret>>;

/** For whom a credential is to be used, by ids, and in which environments. */
export interface CredentialUse {
  readonly organisationId: string;
  readonly useCaseId: string;
  /** All of them have to be the credential's. */
  readonly environments: readonly Environment[];
}

/**
 * Reads `<folder>/<name>.json`: `{"organisation": "org_…", "origin": "https://triton.example", "headers": {"authorization": "Bearer …"}}`. Whoever may
 * register an upstream chooses its address and the credential's name, and must neither get somebody else's credential sent there nor spend it.
 * The refusal is the same whether there is no such file or it is another's, so that nobody learns of it.
 *
 * @param use absent: nobody's
 * @throws PortolanError `upstream.credential_unusable`; its cause says why, for the operator's log
 */
export async function readCredential(
  folder: string | undefined,
  name: string,
  origin: string,
  use: CredentialUse | undefined,
): Promise<Credential> {
  const file = folder === undefined ? undefined : await read(join(folder, `${name}.json`));
  if (!file) throw unusable(name, "there is no such file in UPSTREAM_CREDENTIALS, or it is malformed");
  const mismatch = mismatchOf(file, origin, use);
  if (mismatch !== undefined) throw unusable(name, mismatch);
  return Object.fromEntries(
    Object.entries(file.headers).map(([header, value]) => [header.toLowerCase(), new Secret(value)]),
  );
}

function mismatchOf(
  { organisation, useCases, environments: allowed, origin: own, headers }: Static<typeof Shape>,
  origin: string,
  use: CredentialUse | undefined,
): string | undefined {
  if (Object.keys(headers).some((header) => ownHeaders.has(header.toLowerCase())))
    return "it states a header that is the connection's own";
  if (URL.parse(own)?.origin !== origin) return `it is for another origin than ${origin}`;
  if (!use) return "the upstream was registered before credentials had organisations: register it again";
  if (organisation !== use.organisationId) return `it is not for the organisation ${use.organisationId}`;
  if (useCases && !useCases.includes(use.useCaseId)) return `it is not for the use case ${use.useCaseId}`;
  const beyond = allowed && use.environments.find((one) => !allowed.includes(one));
  return beyond && `it is not for ${beyond}`;
}

async function read(path: string): Promise<Static<typeof Shape> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return File.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function unusable(name: string, why: string): Error {
  return upstreamFault(
    "upstream.credential_unusable",
    `The credential ${name} cannot be used for this upstream.`,
    "Have the operator see docs/upstreams.md: its file states origin, organisation, use cases and environments.",
    new Error(why),
  );
}
