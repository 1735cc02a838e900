import { createHash } from "node:crypto";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type CommandResult, runCommand } from "./run-command.ts";
import { repositoryFiles } from "./source-files.ts";

const usage = `portolan bundle <file> [--python 3.10,3.11,…] [--no-python]
  Writes everything an installation fetches into one file: Node, npm, the locked packages (with PostgreSQL and
  the demo's data), the trainer's wheels for the given Python versions (default: python3 of this machine) and
  the repository. Elsewhere, on the same platform and without internet:
    tar -xf <file> repository && cd repository && ./portolan --offline <file> demo`;

const root = resolve(import.meta.dirname, "..");
const lockFolder = "examples/flight-delays/training";

class BundleError extends Error {}

async function must(program: string, args: readonly string[], cwd = root): Promise<string> {
  const result: CommandResult = await runCommand(program, args, { cwd });
  if (result.exitCode !== 0) {
    throw new BundleError(
      `${program} ${args.slice(0, 3).join(" ")} … ended with ${result.exitCode}:\n${result.output.slice(-2_000)}`,
    );
  }
  return result.output;
}

interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  readonly sha512: string;
}

function pinnedPackages(): PinnedPackage[] {
  const lines = readFileSync(join(root, "tools/toolchain.lock"), "utf8").split("\n");
  return lines.flatMap((line) => {
    const [name = "#", version, sha512] = line.split(" ");
    return name.startsWith("#") || version === undefined || sha512 === undefined
      ? []
      : [{ name, version, sha512 }];
  });
}

/** Node for this platform and npm, as the launcher will look for them. */
async function addToolchain(staging: string): Promise<void> {
  const folder = join(staging, "toolchain");
  mkdirSync(folder);
  const platform = `${process.platform}-${process.arch}`;
  const nodes = [`node-${platform}`, `node-bin-${platform}`];
  const wanted = pinnedPackages().filter(({ name }) => name === "npm" || nodes.includes(name));
  if (wanted.length !== 2)
    throw new BundleError(`no Node is pinned for ${platform}, so there is nothing to bundle`);
  for (const { name, version, sha512 } of wanted) {
    await must("npm", ["pack", "--silent", "--pack-destination", folder, `${name}@${version}`]);
    const found = createHash("sha512")
      .update(readFileSync(join(folder, `${name}-${version}.tgz`)))
      .digest("hex");
    if (found !== sha512) throw new BundleError(`${name} ${version} is not the pinned one (SHA-512 differs)`);
  }
}

/** npm's own cache after one installation of the lock: an offline installation checks the same hashes. */
async function addPackages(staging: string, work: string): Promise<void> {
  const source = join(staging, "repository");
  for (const path of repositoryFiles(source)) {
    if (!/(^|\/)package(-lock)?\.json$/.test(path)) continue;
    mkdirSync(join(work, dirname(path)), { recursive: true });
    cpSync(join(source, path), join(work, path));
  }
  cpSync(join(source, ".npmrc"), join(work, ".npmrc"));
  const npm = pinnedPackages().find(({ name }) => name === "npm");
  if (npm === undefined) throw new BundleError("no npm is pinned");
  await must("tar", ["-xzf", join(staging, `toolchain/npm-${npm.version}.tgz`), "-C", work]);
  const cli = join(work, "package/bin/npm-cli.js");
  const cache = join(staging, "npm-cache");
  const flags = [
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
  ];
  await must(process.execPath, [cli, "install", ...flags, "--cache", cache, "--prefix", work], work);
  rmSync(join(cache, "_logs"), { recursive: true, force: true });
  const registry = await must(
    process.execPath,
    [cli, "config", "get", "registry", "--prefix", work, "--loglevel=silent"],
    work,
  );
  writeFileSync(join(staging, "npm-registry"), `${registry.trim().split("\n").at(-1) ?? ""}\n`);
}

async function addWheels(staging: string, versions: readonly string[]): Promise<void> {
  const folder = join(staging, "wheels");
  mkdirSync(folder);
  for (const version of versions) {
    const lock = join(staging, "repository", lockFolder, `requirements-${version}.lock`);
    const target = [
      "--only-binary=:all:",
      "--implementation",
      "cp",
      "--python-version",
      version,
      ...wheelPlatforms(),
    ];
    await must("python3", [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--disable-pip-version-check",
      "--no-deps",
      "--require-hashes",
      ...target,
      "-d",
      folder,
      "-r",
      lock,
    ]);
  }
}

/** On Linux wheels for older systems than this one too; elsewhere pip asks for those of this machine. */
function wheelPlatforms(): string[] {
  if (process.platform !== "linux") return [];
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["_2_17", "_2_27", "_2_28", "2014"].flatMap((glibc) => [
    "--platform",
    `manylinux${glibc}_${machine}`,
  ]);
}

/** What git tracks at HEAD; every file of the folder where this is no git checkout. */
async function addRepository(staging: string): Promise<void> {
  const folder = join(staging, "repository");
  mkdirSync(folder);
  const archive = join(staging, "repository.tar");
  const { exitCode } = await runCommand("git", ["archive", "--output", archive, "HEAD"], { cwd: root }).catch(
    () => ({ exitCode: 1 }),
  );
  if (exitCode === 0) {
    await must("tar", ["-xf", archive, "-C", folder]);
    rmSync(archive);
    return;
  }
  for (const path of [...repositoryFiles(root), ".npmrc"]) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    cpSync(join(root, path), join(folder, path));
  }
}

async function pythonVersions(args: readonly string[]): Promise<string[]> {
  if (args.includes("--no-python")) return [];
  const given = args[args.indexOf("--python") + 1];
  if (args.includes("--python") && given !== undefined) return given.split(",");
  const asked = await must("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).catch(
    () => {
      throw new BundleError(
        "there is no python3 to fetch wheels with; install Python, or bundle with --no-python",
      );
    },
  );
  return [asked.trim()];
}

async function writeBundle(file: string, versions: readonly string[]): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  // Beside the result: the same disk, so that a rename makes it appear whole.
  const folder = mkdtempSync(`${file}.partial-`);
  try {
    const staging = join(folder, "bundle");
    const work = join(folder, "work");
    mkdirSync(staging);
    mkdirSync(work);
    // First: the locks that the rest follows are the ones that travel, not those of an edited working tree.
    await addRepository(staging);
    console.error("portolan bundle: Node and npm");
    await addToolchain(staging);
    console.error("portolan bundle: packages");
    await addPackages(staging, work);
    if (versions.length > 0) console.error(`portolan bundle: wheels for Python ${versions.join(", ")}`);
    await addWheels(staging, versions);
    await must("tar", ["-cf", join(folder, "bundle.tar"), "-C", staging, ...readdirSync(staging)]);
    renameSync(join(folder, "bundle.tar"), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [file] = args;
  if (file === undefined || file.startsWith("-")) {
    console.error(usage);
    return file === "--help" ? 0 : 2;
  }
  try {
    await writeBundle(resolve(file), await pythonVersions(args));
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    console.error(`portolan bundle: ${error.message}`);
    return 1;
  }
  console.log(`${file}: ${Math.round(statSync(file).size / 1e6)} MB`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
