import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chown,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { Binaries } from "./binaries.ts";
import { isReachable, ownAccountName, type RunAs } from "./run-as.ts";

const run = promisify(execFile);

/** Name of the database and of the role that owns it. */
export const databaseName = "portolan";

/**
 * Makes sure that `<folder>/data` is an initialised data folder of this user and version; resolves to its path.
 * Initialisation happens under another name and is renamed into place, so a crash in it leaves no half cluster.
 *
 * @throws PortolanError `database.engine_mismatch` when another major version wrote the data.
 */
export async function prepareDataFolder(folder: string, binaries: Binaries, user: RunAs): Promise<string> {
  const home = await reachableFolder(folder, user);
  await removeLeftovers(home);
  const data = join(home, "data");
  const version = await readFile(join(data, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined) await initialise(home, data, binaries, user);
  else if (Number.parseInt(version, 10) !== binaries.major) {
    throw new PortolanError("database.engine_mismatch", {
      detail: `${data} was written by PostgreSQL ${version.trim()}, this Portolan brings ${binaries.major}`,
      mend: "Back up with the Portolan that wrote it, then restore with this one into an empty PORTOLAN_HOME.",
    });
  }
  await writeAccess(data, user);
  return data;
}

/**
 * The folder itself, or, when the unprivileged user cannot go down to it (root's home is closed to others), a
 * folder under /var/lib that a link in its place points to.
 */
async function reachableFolder(folder: string, user: RunAs): Promise<string> {
  await mkdir(dirname(folder), { recursive: true });
  const linked = await readlink(folder).catch(() => undefined);
  if (linked !== undefined) return ownedFolder(linked, user);
  if (await isReachable(dirname(folder), user)) return ownedFolder(folder, user);
  const elsewhere = join("/var/lib", `portolan-${randomBytes(6).toString("hex")}`);
  await ownedFolder(elsewhere, user);
  await rm(folder, { recursive: true, force: true });
  await symlink(elsewhere, folder);
  return elsewhere;
}

async function ownedFolder(folder: string, user: RunAs): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (user.switched && (await lstat(folder)).uid !== user.uid) {
    await chown(folder, user.uid, user.gid);
    for (const name of await readdir(folder, { recursive: true })) {
      await lchown(join(folder, name), user.uid, user.gid);
    }
  }
  return folder;
}

async function removeLeftovers(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (name.startsWith("initdb-")) await rm(join(home, name), { recursive: true, force: true });
  }
}

async function initialise(home: string, data: string, binaries: Binaries, user: RunAs): Promise<void> {
  const partial = join(home, `initdb-${randomBytes(4).toString("hex")}`);
  const options = [
    "-D",
    partial,
    "-U",
    databaseName,
    "--encoding=UTF8",
    "--no-instructions",
    // Sorting and case rules that no system library can change under an index.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--auth-local=peer",
    "--auth-host=reject",
  ];
  try {
    await run(binaries.initdb, options, {
      cwd: "/",
      env: { ...binaries.env },
      ...(user.switched ? { uid: user.uid, gid: user.gid } : {}),
    });
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw initFault(error, data);
  }
  await rename(partial, data);
}

function initFault(error: unknown, data: string): PortolanError {
  const output = error instanceof Error && "stderr" in error ? String(error.stderr) : messageOf(error);
  if (/No space left on device/.test(output)) {
    return new PortolanError("database.disk_full", {
      detail: `there is no room to initialise PostgreSQL in ${data} (it needs about 60 MB)`,
      mend: "Free space on that disk, or set PORTOLAN_HOME to another one.",
      cause: error,
    });
  }
  return new PortolanError("database.start_failed", {
    detail: `initdb failed: ${output.trim().split("\n").at(-1) ?? ""}`,
    mend: "Run `portolan doctor`; DATABASE_URL works with any PostgreSQL 15 or later.",
    cause: error,
  });
}

/** Only the account that Portolan runs under may connect, over the socket, by the kernel's word for who it is. */
async function writeAccess(data: string, user: RunAs): Promise<void> {
  const files = {
    "pg_hba.conf": `local all ${databaseName} peer map=portolan\n`,
    "pg_ident.conf": `portolan "${ownAccountName()}" ${databaseName}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(data, name);
    if ((await readFile(path, "utf8").catch(() => "")) === text) continue;
    await writeFile(path, text, { mode: 0o600 });
    if (user.switched) await chown(path, user.uid, user.gid);
  }
}
