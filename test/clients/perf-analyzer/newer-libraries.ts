import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommand } from "../../../tools/run-command.ts";

/** Debian's release that has glibc 2.41, and the packages that a C++ program needs of it. */
const release = "trixie";
const packages = ["libc6", "libstdc++6", "libgcc-s1"];
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * A folder with a newer Debian's C and C++ libraries and their loader, from the archive that this machine's apt is set to use and checked by its
 * keyring; nothing of the machine changes. Undefined where there is no such archive.
 * @param folder where they are kept
 */
export async function newerLibraries(folder: string): Promise<string | undefined> {
  const libraries = join(folder, "usr/lib/x86_64-linux-gnu");
  if (existsSync(libraries)) return libraries;
  const archive = await debianArchive();
  if (archive === undefined || !existsSync(keyring)) return undefined;
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}.`);
  try {
    await download(archive, partial);
    await rename(join(partial, "root"), folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return libraries;
}

/** As one line or as a paragraph, which are the two forms of apt's sources. */
const sourceForms = [/^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?\s/m, /^URIs:\s*(\S+\/debian)\/?\s*$/m];

async function debianArchive(): Promise<string | undefined> {
  const folder = "/etc/apt/sources.list.d";
  const names = await readdir(folder).catch((): string[] => []);
  const files = names.filter((name) => /\.(?:list|sources)$/.test(name)).map((name) => join(folder, name));
  for (const file of ["/etc/apt/sources.list", ...files]) {
    const text = await readFile(file, "utf8").catch(() => "");
    for (const form of sourceForms) {
      const address = form.exec(text)?.[1];
      if (address !== undefined) return address;
    }
  }
  return undefined;
}

/** Into `root` of the folder, by an apt whose state lies in the folder too. */
async function download(archive: string, folder: string): Promise<void> {
  for (const name of ["lists/partial", "cache/archives/partial", "debs", "root"])
    await mkdir(join(folder, name), { recursive: true });
  const sources = join(folder, "sources.list");
  await writeFile(sources, `deb [signed-by=${keyring}] ${archive} ${release} main\n`);
  const settings = {
    "Dir::State::lists": join(folder, "lists"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(folder, "cache"),
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    // The folder belongs to who runs this, and apt would hand the download to a user of its own.
    "APT::Sandbox::User": "root",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const debs = join(folder, "debs");
  await must("apt-get", [...options, "-q", "update"], debs);
  await must("apt-get", [...options, "-q", "download", ...packages], debs);
  for (const file of await readdir(debs)) await must("dpkg-deb", ["-x", file, join(folder, "root")], debs);
}

async function must(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { exitCode, output } = await runCommand(program, args, { cwd });
  if (exitCode !== 0) throw new Error(`${program} ended with ${exitCode}: ${output.slice(-2000)}`);
}
