import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runCommand } from "../../../tools/run-command.ts";

const root = resolve(import.meta.dirname, "../../..");
const lock = join(import.meta.dirname, "requirements.lock");

/**
 * How to run perf_analyzer here. Its binary wants a C library of 2.38 (Debian 13, Ubuntu 24.04); on an older machine a folder
 * with such libraries may be named in `PERF_ANALYZER_LIBRARIES`. Undefined where it cannot run, also with CI=true: no package
 * of such a machine brings that library, and a test cannot.
 */
export async function analyzerCommand(): Promise<string[] | undefined> {
  const libraries = process.env["PERF_ANALYZER_LIBRARIES"];
  const loader = join(libraries ?? "", "ld-linux-x86-64.so.2");
  const isBrought = libraries !== undefined && existsSync(loader);
  if (!isBrought && !hasLibrary(2, 38)) return undefined;
  const program = join(await install(), "perf_analyzer/bin/perf_analyzer");
  const command = isBrought ? [loader, "--library-path", libraries, program] : [program];
  const [first = "", ...rest] = command;
  const { exitCode, output } = await runCommand(first, [...rest, "--version"], { cwd: root });
  if (exitCode !== 0) throw new Error(`perf_analyzer does not run: ${output}`);
  return command;
}

function hasLibrary(major: number, minor: number): boolean {
  if (process.arch !== "x64") return false;
  const report = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  const [haveMajor = 0, haveMinor = 0] = (report.header.glibcVersionRuntime ?? "").split(".").map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/** Its files alone, for the platform that they are made for: pip refuses them to a machine with an older library. */
async function install(): Promise<string> {
  const key = createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 16);
  const folder = join(root, ".cache/clients", `perf-analyzer-${key}`);
  if (existsSync(folder)) return folder;
  const partial = await mkdtemp(`${folder}.`);
  const platform = ["--platform", "manylinux_2_38_x86_64", "--only-binary", ":all:"];
  const pinned = ["--no-deps", "--require-hashes", "-r", lock];
  const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...platform, ...pinned];
  const { exitCode, output } = await runCommand("python3", [...args, "--target", partial], { cwd: root });
  if (exitCode !== 0) {
    await rm(partial, { recursive: true });
    throw new Error(`installing perf-analyzer ended with ${exitCode}: ${output.slice(-2000)}`);
  }
  await chmod(join(partial, "perf_analyzer/bin/perf_analyzer"), 0o755);
  await rename(partial, folder);
  return folder;
}
