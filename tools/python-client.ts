import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type FolderLock, lockFolder } from "@portolan/database/embedded";
import { isPortolanError } from "@portolan/kernel";
import { runCommand } from "./run-command.ts";

const root = resolve(import.meta.dirname, "..");

async function must(program: string, args: readonly string[], doing: string): Promise<void> {
  const { exitCode, output } = await runCommand(program, args, { cwd: root });
  if (exitCode !== 0) throw new Error(`${doing} ended with ${exitCode}:\n${output.slice(-2_000)}`);
}

/**
 * The Python of a foreign client's environment, built from `test/clients/<client>/requirements.lock` (hashes
 * required) and kept in `.cache/clients/` under the digest of that file and of the interpreter's version.
 * Undefined on a laptop without Python 3; with CI=true that throws.
 */
export async function pythonClient(client: string): Promise<string | undefined> {
  const lock = join(root, "test/clients", client, "requirements.lock");
  const version = await runCommand("python3", ["--version"], { cwd: root }).catch(() => undefined);
  if (version?.exitCode !== 0) {
    if (process.env["CI"] === "true") throw new Error("CI=true and there is no python3");
    return undefined;
  }
  const key = createHash("sha256")
    .update(readFileSync(lock))
    .update(version.output)
    .digest("hex")
    .slice(0, 16);
  const folder = join(root, ".cache/clients", `${client}-${key}`);
  const python = join(folder, "bin/python");
  // A marker, not the folder itself: a virtual environment cannot be renamed into place, its scripts name it.
  const complete = join(folder, ".complete");
  if (existsSync(complete)) return python;
  await mkdir(join(folder, ".."), { recursive: true });
  const held = await exclusively(folder);
  try {
    if (!existsSync(complete)) await build(client, { folder, python, lock, complete, key });
  } finally {
    await held.release();
  }
  return python;
}

/** Files that share an environment run side by side: one builds it, the others wait. */
async function exclusively(folder: string): Promise<FolderLock> {
  for (;;) {
    try {
      return await lockFolder(folder);
    } catch (error) {
      if (!isPortolanError(error) || error.code !== "database.locked") throw error;
    }
    await sleep(200);
  }
}

interface ClientEnvironment {
  readonly folder: string;
  readonly python: string;
  readonly lock: string;
  readonly complete: string;
  readonly key: string;
}

async function build(
  client: string,
  { folder, python, lock, complete, key }: ClientEnvironment,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await must("python3", ["-m", "venv", folder], `creating the environment of ${client}`);
  await must(
    python,
    [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "--require-hashes",
      "--no-deps",
      "-r",
      lock,
    ],
    `installing ${client}`,
  );
  await writeFile(`${complete}.new`, key);
  await rename(`${complete}.new`, complete);
}
