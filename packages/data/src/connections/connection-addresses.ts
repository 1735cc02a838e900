import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type ConnectionFile, connectionShapes } from "./connection-file.ts";

/** Where a connection leads, for the names that others know the same system by; no credential is read. */
export type ConnectionAddress =
  | { readonly kind: "kafka"; readonly broker: string }
  | { readonly kind: "postgresql"; readonly host: string; readonly port: number; readonly database: string };

/**
 * The operator's connections of one organisation, by name, whose file says that their address may be published. What is no connection is passed
 * over, as is a folder that is not there.
 */
export async function readConnectionAddresses(
  folder: string,
  organisationId: string,
): Promise<ReadonlyMap<string, ConnectionAddress>> {
  const found = new Map<string, ConnectionAddress>();
  for (const file of await readdir(folder).catch(() => [])) {
    const [, name] = /^([a-z][a-z0-9-]{0,62})\.json$/.exec(file) ?? [];
    const address = name && (await addressIn(join(folder, file), organisationId));
    if (name && address) found.set(name, address);
  }
  return found;
}

async function addressIn(path: string, organisationId: string): Promise<ConnectionAddress | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
  const isPublished = (file: ConnectionFile): boolean =>
    file.organisation === organisationId && file.publishAddress === true;
  if (connectionShapes.kafka.Check(value) && isPublished(value))
    return { kind: "kafka", broker: value.brokers[0] ?? "" };
  if (connectionShapes.postgresql.Check(value) && isPublished(value)) {
    const { host, port = 5432, database } = value;
    return { kind: "postgresql", host, port, database };
  }
  return undefined;
}
