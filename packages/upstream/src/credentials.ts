import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Secret } from "@portolan/kernel";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { upstreamFault } from "./errors.ts";

const File = Compile(
  Type.Object(
    {
      origin: Type.String({ maxLength: 300 }),
      headers: Type.Record(
        Type.String({ pattern: "^[A-Za-z0-9-]{1,64}$" }),
        Type.String({ pattern: "^[\\x20-\\x7e]{1,12288}$" }),
      ),
    },
    { additionalProperties: false },
  ),
);

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

/**
 * Reads `<folder>/<name>.json`: `{"origin": "https://triton.example", "headers": {"authorization": "Bearer …"}}`. The origin binds it: whoever may
 * register an upstream chooses its address, and must not get somebody else's credential sent there.
 *
 * @throws PortolanError `upstream.credential_unusable`
 */
export async function readCredential(
  folder: string | undefined,
  name: string,
  origin: string,
): Promise<Credential> {
  if (folder === undefined)
    throw unusable(
      `The upstream needs the credential ${name}, and there is no folder of credentials here.`,
      "Set UPSTREAM_CREDENTIALS.",
    );
  const file = await read(join(folder, `${name}.json`));
  if (!file || Object.keys(file.headers).some((header) => ownHeaders.has(header.toLowerCase())))
    throw unusable(
      `There is no usable file ${name}.json in UPSTREAM_CREDENTIALS.`,
      'Write {"origin": "https://…", "headers": {"authorization": "Bearer …"}} into it.',
    );
  if (URL.parse(file.origin)?.origin !== origin)
    throw unusable(
      `The credential ${name} is for another origin than ${origin}.`,
      "Name the credential of that server, or register the upstream under the origin of its credential.",
    );
  return Object.fromEntries(
    Object.entries(file.headers).map(([header, value]) => [header.toLowerCase(), new Secret(value)]),
  );
}

async function read(path: string) {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    return File.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function unusable(detail: string, mend: string): Error {
  return upstreamFault("upstream.credential_unusable", detail, mend);
}
