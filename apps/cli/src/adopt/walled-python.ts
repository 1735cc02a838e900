import { constants } from "node:fs";
import { chmod, copyFile, lstat, mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdoptionErrorCode, WalledOutput, WalledPrograms, WalledTask } from "@portolan/adoption";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import {
  ensureEnvironment,
  findIsolation,
  findPython,
  type Isolation,
  pythonMinors,
  runProgram,
} from "@portolan/training";

export interface WalledPythonOptions {
  /** The state folder: environments are kept in it, and nothing in it is shown to a program. */
  readonly home: string;
  /** By Python's minor version: what the environment is built from. */
  readonly locks: Readonly<Record<string, string>>;
  /** What pip may see. */
  readonly installEnvironment: Readonly<Record<string, string>>;
  /** By default the best that this machine permits. */
  readonly isolation?: Isolation;
  /** Told before it is looked for, and built where it is not there. */
  readonly onBuild: () => void;
  /** An environment that is there already, instead. */
  readonly environment?: PythonEnvironment;
}

export interface PythonEnvironment {
  readonly interpreter: string;
  /** Its folder, and the Python below it. */
  readonly readable: readonly string[];
}

const gib = 2 ** 30;
/** Bounds for what is hostile or a mistake; a notebook and an ordinary estimator take seconds. */
const limits = {
  threads: 1,
  memoryLimitBytes: 4 * gib,
  diskLimitBytes: 2 * gib,
  cpuSeconds: 120,
  timeoutMs: 240_000,
  graceMs: 1,
};

/** Runs programs as trainers are run: behind the same walls, in environments of the same kind. */
export function walledPython(options: WalledPythonOptions): WalledPrograms {
  return {
    async run(task, use) {
      const isolation = options.isolation ?? (await findIsolation());
      if (task.needs === "libraries" && !(isolation.level === "namespaces" && isolation.networkBlocked))
        throw notIsolated();
      const folder = await mkdtemp(join(tmpdir(), "portolan-adopt-"));
      try {
        return await use(await runIn(folder, task, isolation, options));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

async function runIn(
  folder: string,
  task: WalledTask,
  isolation: Isolation,
  options: WalledPythonOptions,
): Promise<WalledOutput> {
  const run = join(folder, "run");
  await mkdir(run);
  await chmod(folder, 0o711);
  const given = {
    code: join(run, "program.py"),
    input: join(run, "input"),
    params: join(run, "params.json"),
  };
  await copyFile(task.program, given.code);
  if ("path" in task.input) await copyFile(task.input.path, given.input, constants.COPYFILE_FICLONE);
  else await writeFile(given.input, task.input.text);
  await writeFile(given.params, JSON.stringify({ params: task.params }));
  for (const path of Object.values(given)) await chmod(path, 0o444);
  const python = await pythonFor(task, options);
  try {
    const { output } = await runProgram({
      ...limits,
      interpreter: python.interpreter,
      code: given.code,
      trainingSet: given.input,
      paramsFile: given.params,
      folder: run,
      readable: python.readable,
      hidden: [options.home],
      isolation,
      signal: new AbortController().signal,
    });
    return outputOf(output);
  } catch (cause) {
    if (!isPortolanError(cause)) throw cause;
    throw new PortolanError<AdoptionErrorCode>("adoption.reading_failed", {
      detail: `the program that examines it did not come to its end: ${cause.detail ?? cause.code}`,
      mend: "The file is too large or nested for it, or was made to end it.",
      cause,
    });
  }
}

async function pythonFor(
  { needs }: WalledTask,
  { home, locks, installEnvironment, onBuild, environment }: WalledPythonOptions,
): Promise<PythonEnvironment> {
  if (environment && needs === "libraries") return environment;
  const locked = pythonMinors.filter((minor) => locks[minor] !== undefined);
  const candidates = ["python3", ...pythonMinors.map((minor) => `python${minor}`)];
  const python = await findPython(candidates, needs === "bare" ? pythonMinors : locked, installEnvironment);
  if (needs === "bare") return { interpreter: python.path, readable: [python.prefix] };
  onBuild();
  const environments = { folder: join(home, "envs"), installEnvironment };
  const built = await ensureEnvironment(environments, locks[python.minor] ?? "", python);
  return { interpreter: built.interpreter, readable: [built.folder, python.prefix] };
}

/** The program has ended with all that it started; what it left may be links, pipes or too much all the same. */
function outputOf(folder: string): WalledOutput {
  return {
    async read(name, mostBytes) {
      const path = join(folder, name);
      const found = await lstat(path).catch(() => undefined);
      if (!found?.isFile() || found.size > mostBytes) return undefined;
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        return await file.readFile();
      } finally {
        await file.close();
      }
    },
  };
}

function notIsolated(): PortolanError<AdoptionErrorCode> {
  return new PortolanError("adoption.not_isolated", {
    detail:
      "opening a pickle runs whatever is in it, and this machine has no walls that keep it from files and network",
    mend: "Adopt the notebook or script instead; or use Linux, as root or where users may make namespaces (portolan doctor says whether).",
  });
}
