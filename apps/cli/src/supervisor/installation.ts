import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PortolanError, Secret } from "@portolan/kernel";
import { ApiClient } from "../client/api-client.ts";
import { personaToken, readLocalCredential } from "../client/credentials.ts";
import { findOrCreate, type NamedItem } from "../client/directory.ts";
import type { CliErrorCode } from "../errors.ts";

/** Some blocks of any file system: an empty file can be made on a disk that is full. */
const probeBytes = 64 * 1024;

/** Makes the state folder, private to its user. @throws PortolanError `cli.folder_not_writable` */
export async function openHome(home: string): Promise<void> {
  const probe = join(home, "run", "writable");
  try {
    await mkdir(join(home, "run"), { recursive: true, mode: 0o700 });
    await writeFile(probe, Buffer.alloc(probeBytes));
    await writeFile(probe, "");
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.folder_not_writable", {
      detail: `${home} cannot be written (${messageOf(cause)})`,
      mend: "Choose a folder that you may write, with --home or PORTOLAN_HOME, or make room on its disk.",
      cause,
    });
  }
}

/** Control's answer when the first organisation exists. */
const alreadyBootstrapped = "identity.already_bootstrapped";
/** Life of the first key of a machine's own gateway. The gateway renews it by itself while it runs. */
const gatewayKeyDays = 30;

/**
 * Makes, once, the first organisation with its administrator, and the service account and key of this machine's gateway;
 * what exists is kept as long as control accepts it, so that a crash in between costs at most one unused key, and a
 * machine that was off for longer than a key lives gets a new one. Resolves to the gateway's key.
 */
export async function prepareInstallation(home: string, controlUrl: string): Promise<Secret> {
  const known = await readGatewayKey(home);
  if (known && (await isAccepted(controlUrl, known))) return known;
  await bootstrapOnce(controlUrl, await readLocalCredential(home));
  const api = new ApiClient({ url: controlUrl, token: await personaToken(home, controlUrl, "admin") });
  const { items } = await api.json<{ items: readonly NamedItem[] }>({ path: "/v1/organisations" });
  const organisation = items[0];
  if (!organisation)
    throw new PortolanError("kernel.internal", {
      detail: "the first organisation is missing after its bootstrap",
    });
  const gateway = await findOrCreate(api, "/v1/service-accounts", {
    name: "gateway",
    displayName: "Gateway of this machine",
  });
  await api.json({
    path: "/v1/role-bindings",
    body: {
      principal: gateway.id,
      role: "gateway",
      scope: { kind: "organisation", id: organisation.id },
      environments: ["dev", "staging", "production"],
    },
  });
  const { text } = await api.json<{ text: string }>({
    path: "/v1/api-keys",
    body: {
      principal: gateway.id,
      name: "Gateway of this machine",
      environment: "production",
      expiresInDays: gatewayKeyDays,
    },
  });
  await writePrivate(keyFile(home), text);
  return new Secret(text);
}

/** False only when control says so: what keeps it from answering is no reason for a new key. */
async function isAccepted(controlUrl: string, key: Secret): Promise<boolean> {
  try {
    await new ApiClient({ url: controlUrl, token: key.reveal() }).json({ path: "/v1/whoami" });
    return true;
  } catch (error) {
    if (error instanceof PortolanError && error.code === "identity.unauthenticated") return false;
    throw error;
  }
}

async function bootstrapOnce(controlUrl: string, secret: string): Promise<void> {
  try {
    await new ApiClient({ url: controlUrl, token: "" }).json({
      path: "/v1/bootstrap",
      body: {
        secret,
        organisation: { name: "local", displayName: "This machine" },
        administrator: { name: "admin", displayName: "Administrator" },
      },
    });
  } catch (error) {
    if (!(error instanceof PortolanError && error.code === alreadyBootstrapped)) throw error;
  }
}

/** The key that this machine's gateway was last given, if it ever was. */
export async function readGatewayKey(home: string): Promise<Secret | undefined> {
  try {
    return new Secret((await readFile(keyFile(home), "utf8")).trim());
  } catch {
    return undefined;
  }
}

function keyFile(home: string): string {
  return join(home, "gateway-key");
}

async function writePrivate(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, `${text}\n`, { mode: 0o600 });
  await rename(temporary, file);
}
