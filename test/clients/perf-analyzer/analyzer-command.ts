import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runCommand } from "../../../tools/run-command.ts";
import { newerLibraries } from "./newer-libraries.ts";

const root = resolve(import.meta.dirname, "../../..");
const cache = join(root, ".cache/clients");
const lock = join(import.meta.dirname, "requirements.lock");

/** perf_analyzer's binary wants a C library of 2.38 (Debian 13, Ubuntu 24.04): an older Debian gets one beside its own. Undefined where it cannot run. */
export async function analyzerCommand(): Promise<string[] | undefined> {
  if (process.arch !== "x64" || process.platform !== "linux") return undefined;
  const isNewEnough = hasLibrary(2, 38);
  const libraries = isNewEnough ? undefined : await newerLibraries(join(cache, "glibc-of-trixie"));
  if (!isNewEnough && libraries === undefined) {
    if (process.env["CI"] === "true")
      throw new Error(
        "CI=true, the C library is older than 2.38, and apt has no Debian archive with a newer one",
      );
    return undefined;
  }
  const program = join(await install(), "perf_analyzer/bin/perf_analyzer");
  const loader =
    libraries === undefined ? [] : [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries];
  const command = [...loader, program];
  const [first = "", ...rest] = command;
  const { exitCode, output } = await runCommand(first, [...rest, "--version"], { cwd: root });
  if (exitCode !== 0) throw new Error(`perf_analyzer does not run: ${output}`);
  return command;
}

function hasLibrary(major: number, minor: number): boolean {
  const report = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  const [haveMajor = 0, haveMinor = 0] = (report.header.glibcVersionRuntime ?? "").split(".").map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/** Its files alone, for the platform that they are made for: pip refuses them to a machine with an older library. */
async function install(): Promise<string> {
  const key = createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 16);
  const folder = join(cache, `perf-analyzer-${key}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
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
