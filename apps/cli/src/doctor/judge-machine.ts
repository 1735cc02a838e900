import type { Isolation } from "@portolan/training";
import { bad, type Finding, good, warning } from "./report.ts";

const gibibyte = 1024 ** 3;

/** Dataset, environment, database and log of the demo together, with room to spare. */
const neededDiskBytes = 3 * gibibyte;
/** Below this the trainer and PostgreSQL compete; measured peaks are in `bench/`. */
const comfortableMemoryBytes = 2 * gibibyte;

function atLeast(version: string, wanted: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}

function inGibibytes(bytes: number): string {
  return `${(bytes / gibibyte).toFixed(1)} GiB`;
}

export function judgeNode(version: string): Finding {
  if (atLeast(version, [24, 12])) return good("node", `Node ${version}`);
  return bad(
    "node",
    `Node ${version} cannot run TypeScript`,
    "Start Portolan with ./portolan, which brings its own Node.",
  );
}

/** ONNX Runtime's npm package carries programs for some platforms only (none for Intel Macs, none for musl). */
export function judgeOnnxRuntime(problem: string | undefined, platform: string): Finding {
  if (problem === undefined) return good("onnx", `ONNX Runtime runs on ${platform}`);
  return bad(
    "onnx",
    `ONNX Runtime does not run on ${platform}: ${problem}`,
    "Models are served on Linux with glibc (x64, arm64) or on a Mac with Apple silicon; the other commands work here.",
  );
}

/** `version` is undefined where npm did not answer. */
export function judgeNpm(version: string | undefined): Finding {
  if (version !== undefined) return good("npm", `npm ${version}`);
  return warning(
    "npm",
    "no npm on PATH",
    "Nothing to do once installed; to update Portolan, install Node with npm.",
  );
}

/** What a candidate interpreter said about itself. */
export interface PythonFacts {
  readonly command: string;
  readonly version: string;
  readonly hasVenv: boolean;
  readonly hasEnsurepip: boolean;
}

const newestLockedMinor = 14;

/** The first usable interpreter wins; without one everything but training works. */
export function judgePython(candidates: readonly PythonFacts[]): Finding {
  const models = "training needs it; importing a model (portolan model import) and serving do not";
  const fits = candidates.filter(({ version }) => {
    const minor = Number(version.split(".")[1]);
    return atLeast(version, [3, 10]) && version.startsWith("3.") && minor <= newestLockedMinor;
  });
  const usable = fits.find(({ hasVenv, hasEnsurepip }) => hasVenv && hasEnsurepip);
  if (usable !== undefined)
    return good("python", `Python ${usable.version} (${usable.command}) with venv and ensurepip`);
  const [incomplete] = fits;
  if (incomplete !== undefined) {
    const missing = incomplete.hasVenv ? "ensurepip" : "venv";
    const minor = incomplete.version.split(".").slice(0, 2).join(".");
    return warning(
      "python",
      `Python ${incomplete.version} lacks ${missing}; ${models}`,
      `Install it: apt-get install python${minor}-venv (Debian, Ubuntu) or a complete Python.`,
    );
  }
  const [other] = candidates;
  const found = other === undefined ? "no Python" : `only Python ${other.version}`;
  return warning(
    "python",
    `${found} on PATH; ${models}`,
    `Install Python 3.10 to 3.${newestLockedMinor} with venv.`,
  );
}

export function judgePort(port: number, taken: boolean): Finding {
  if (!taken) return good(`port-${port}`, `port ${port} is free`);
  return bad(
    `port-${port}`,
    `port ${port} on 127.0.0.1 is in use`,
    "Stop what listens there (portolan down, if it is Portolan), or choose other ports for portolan up.",
  );
}

/** `problem` is the system's message, undefined when a file could be written, read and removed. */
export function judgeFolder(folder: string, problem: string | undefined): Finding {
  if (problem === undefined) return good("folder", `${folder} is writable`);
  return bad(
    "folder",
    `${folder} is not writable: ${problem}`,
    "Choose a writable folder: PORTOLAN_HOME=<folder> or --home <folder>.",
  );
}

export function judgeDisk(freeBytes: number): Finding {
  if (freeBytes >= neededDiskBytes) return good("disk", `${inGibibytes(freeBytes)} free`);
  return bad(
    "disk",
    `${inGibibytes(freeBytes)} free, the demo needs ${inGibibytes(neededDiskBytes)}`,
    "Free some space, or set PORTOLAN_HOME to a larger disk.",
  );
}

export function judgeMemory(totalBytes: number): Finding {
  if (totalBytes >= comfortableMemoryBytes) return good("memory", `${inGibibytes(totalBytes)} of memory`);
  return warning(
    "memory",
    `${inGibibytes(totalBytes)} of memory is tight`,
    `Give it ${inGibibytes(comfortableMemoryBytes)}, or train elsewhere and import the model.`,
  );
}

export function judgePostgres(embedded: boolean, platform: string, databaseUrl: boolean): Finding {
  if (databaseUrl) return good("postgres", "DATABASE_URL names a server");
  if (embedded) return good("postgres", `PostgreSQL for ${platform} is installed with the packages`);
  return warning(
    "postgres",
    `npm carries no PostgreSQL for ${platform}; PGlite stands in, which does not fsync`,
    "For more than a trial set DATABASE_URL to PostgreSQL 15 or later.",
  );
}

/** What keeps a trainer, a program that somebody uploaded, from the server's keys and processes. */
export function judgeIsolation({ level, networkBlocked }: Isolation): Finding {
  const network = networkBlocked ? "no network" : "with the network of this machine";
  switch (level) {
    case "namespaces":
      return good("isolation", "trainers see their own files and processes only, and no network");
    case "account":
      return networkBlocked
        ? good("isolation", `trainers run under an account of their own, ${network}`)
        : warning("isolation", `trainers run under an account of their own, ${network}`, namespacesMend);
    case "none":
      return warning(
        "isolation",
        `trainers run with Portolan's own rights, ${network}: they could read its keys. Use cases under a regulation are not trained here`,
        `Train only what you trust, start Portolan as root, or: ${namespacesMend}`,
      );
  }
}

const namespacesMend =
  "Permit user namespaces (Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0), in a container CAP_SYS_ADMIN; util-linux must be installed.";

/** PostgreSQL refuses root and looks its user up; `account` is whom it would run as, undefined where there is none. */
export function judgeUser(uid: number | undefined, account: string | undefined): Finding {
  if (uid === undefined) return good("user", "no user ids on this platform");
  if (uid !== 0 && account !== undefined) return good("user", `${account} (uid ${uid})`);
  if (uid !== 0) {
    return bad(
      "user",
      `uid ${uid} has no account on this machine, and PostgreSQL looks its user up`,
      "Give the uid an account (a line in /etc/passwd), or set DATABASE_URL.",
    );
  }
  if (account !== undefined) return good("user", `root; PostgreSQL runs as ${account}`);
  return bad(
    "user",
    "root, and /etc/passwd names no other account for PostgreSQL",
    "Start Portolan as an ordinary user, or set DATABASE_URL.",
  );
}
