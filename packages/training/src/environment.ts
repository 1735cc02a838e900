import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, PortolanError } from "@portolan/kernel";
import type { TrainingErrorCode } from "./errors.ts";
import { normaliseLock } from "./lock-file.ts";
import { environmentKey, type Python, type PythonMinor } from "./python.ts";

export interface EnvironmentDeps {
  /** Folder of the cached environments. */
  readonly folder: string;
  /** What pip may see: search path, index, proxies. The trainer sees none of it. */
  readonly installEnvironment: Readonly<Record<string, string>>;
}

const probe =
  "import sys, ensurepip, venv; print('%d.%d\\n%d.%d.%d\\n%s\\n%s' % (*sys.version_info[:2], *sys.version_info[:3], sys.executable, sys.base_prefix))";

/**
 * The first Python that there is a lock for and that can build environments.
 *
 * @param candidates commands to try, e.g. `python3.12` or a full path.
 */
export async function findPython(
  candidates: readonly string[],
  locked: readonly PythonMinor[],
  env: Readonly<Record<string, string>>,
): Promise<Python> {
  for (const command of candidates) {
    const tried = await execute(command, ["-c", probe], env).catch(() => undefined);
    const [minor, version, path, prefix] = tried?.code === 0 ? tried.output.trim().split("\n") : [];
    const known = locked.find((candidate) => candidate === minor);
    // Free of links, so that it is whole where only its own folder is shown.
    if (known && version && path && prefix)
      return { path: await realpath(path), prefix: await realpath(prefix), minor: known, version };
  }
  throw new PortolanError<TrainingErrorCode>("training.no_python", {
    detail: `none of ${candidates.join(", ")} is a Python ${locked.join(", ")} with venv and ensurepip`,
    mend: "Install Python 3.10 or newer with its venv package, or import a model with `portolan model import`.",
  });
}

/** The interpreter of the environment for a lock; built once, moved into place whole, shared by all runs. */
export async function ensureEnvironment(
  deps: EnvironmentDeps,
  lock: string,
  python: Python,
): Promise<{
  readonly interpreter: string;
  readonly folder: string;
  readonly key: string;
  readonly built: boolean;
}> {
  const normalised = normaliseLock(lock);
  const key = environmentKey(normalised, python);
  const final = join(deps.folder, key);
  const interpreter = join(final, "bin", "python");
  if (await exists(interpreter)) return { interpreter, folder: final, key, built: false };
  await mkdir(deps.folder, { recursive: true });
  await removeAbandoned(deps.folder);
  const building = await mkdtemp(join(deps.folder, `building-${process.pid}-`));
  try {
    const lockFile = join(building, "requirements.lock");
    await writeFile(lockFile, normalised);
    // Links, not copies: a copied interpreter no longer finds a shared libpython beside its own path.
    await demand(python.path, ["-m", "venv", "--symlinks", building], deps.installEnvironment);
    const install = [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--require-hashes",
      "--no-deps",
      "--only-binary=:all:",
    ];
    await demand(join(building, "bin", "python"), [...install, "-r", lockFile], deps.installEnvironment);
    // Trainers read it under an account of their own, and nobody writes to it any more.
    await demand("chmod", ["-R", "a+rX,go-w", building], deps.installEnvironment);
    await chmod(building, 0o755);
    // Losing a race is fine: the other builder's environment has the same key.
    await rename(building, final).catch(async (error: unknown) => {
      if (!(await exists(interpreter))) throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return { interpreter, folder: final, key, built: true };
}

/** What a builder left that was killed: its process is gone, and no other one finishes its work. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(/^building-([0-9]+)-/.exec(name)?.[1]);
    if (pid > 0 && pid !== process.pid && !isAlive({ pid, started: "" }))
      await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function demand(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const { code, output } = await execute(command, args, env);
  if (code === 0) return;
  throw new PortolanError<TrainingErrorCode>("training.environment_failed", {
    detail: shown(output),
    mend: "Check the lock file and that pip reaches its index; `portolan doctor` says what is missing.",
  });
}

/** What pip says, without the credentials that the address of an index may carry. */
function shown(output: string): string {
  return output
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, "$1")
    .trim()
    .slice(-800);
}

function execute(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer): void => {
      output = `${output}${chunk.toString("utf8")}`.slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
