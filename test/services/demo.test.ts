import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { runCommand } from "../../tools/run-command.ts";
import { expectDeployed, expectWholeRoad } from "./demo-result.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "portolan offline "));
chmodSync(folder, 0o755); // as root, so that the account PostgreSQL runs under can reach what is in here
const bundle = join(folder, "portolan.tar");
const checkout = join(folder, "repository");
/** Where both demos are walked: empty before the first. */
const work = join(folder, "empty");
afterAll(async () => {
  // A demo that a time limit cut off runs on; who ends it is outside of the namespace.
  if (running?.exitCode === null) {
    running.kill();
    await runCommand(join(root, "portolan"), ["down"], { cwd: work });
  }
  rmSync(folder, { recursive: true, force: true });
});

/** There is one at a time. */
let running: ChildProcess | undefined;

const isRoot = process.getuid?.() === 0;
/** A new network namespace: loopback is down and nothing else is there. */
const isolated = isRoot ? ["--net"] : ["--map-root-user", "--net"];

function canIsolate(): boolean {
  try {
    execFileSync("unshare", [...isolated, "true"], { stdio: "ignore" });
    return true;
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return false;
  }
}

const python = (asks: string): string =>
  execFileSync("python3", ["-c", `import sys; print(${asks})`], { encoding: "utf8" }).trim();

/** What POSIX and Debian's base system give, with Python, and nothing of Node. */
function bareTools(): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const names =
    "sh env awk tar gzip cksum tr sed cat uname dirname readlink mkdir touch flock mv rm cp cut sha512sum sleep tail unshare";
  for (const name of names.split(" ")) {
    symlinkSync(
      execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(),
      join(bin, name),
    );
  }
  symlinkSync(python("sys.executable"), join(bin, "python3"));
  return bin;
}

/** Brings the namespace's loopback up (SIOCSIFFLAGS, IFF_UP), then becomes the command. */
const withLoopback = `
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execvp(sys.argv[1], sys.argv[1:])`;

interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

function offline(args: readonly string[], path: string, cwd: string): Promise<Ran> {
  const command = ["env", "-i", `PATH=${path}`, `HOME=${folder}`, ...args];
  return run("unshare", [...isolated, python("sys.executable"), "-c", withLoopback, ...command], { cwd });
}

function run(program: string, args: readonly string[], { cwd }: { readonly cwd: string }): Promise<Ran> {
  // One that hangs says how far it came.
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], timeout: 840_000 });
  running = child;
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code) => done({ exitCode: code ?? -1, out, err }));
  });
}

async function demo(...more: string[]): Promise<string[]> {
  const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
  return ["--json", "demo", "--exit", ...ports, ...more];
}

/** In one line, which is what CI repeats at its end. */
function told({ out, err }: Ran): string {
  return `${err} ${out}`.replaceAll(/\s+/g, " ").slice(-2000);
}

describe.skipIf(!canIsolate())("one file, on a machine without Node and without network", () => {
  let path: string;

  beforeAll(async () => {
    path = bareTools();
    const made = await runCommand(process.execPath, [join(root, "tools/bundle.ts"), bundle], { cwd: root });
    expect(made.output).toContain("MB");
    await runCommand("tar", ["-xf", bundle, "-C", folder, "repository"], { cwd: folder });
  }, 600_000);

  test("the namespace is what it claims: loopback answers, everything else is out of reach", async () => {
    const asks = `
      require("net").createServer().listen(0, "127.0.0.1", async () => {
        const far = await fetch("http://192.0.2.1").then(() => "reached", () => "out of reach");
        console.log(far);
        process.exit();
      });`;
    expect(await offline([process.execPath, "-e", asks], path, folder)).toMatchObject({
      exitCode: 0,
      out: "out of reach\n",
    });
  });

  test("installs Portolan", async () => {
    const installed = await offline(
      [join(checkout, "portolan"), "--offline", bundle, "dev", "help"],
      path,
      folder,
    );
    expect(installed, installed.err).toMatchObject({
      exitCode: 0,
      out: expect.stringContaining("./portolan dev check"),
    });
  }, 300_000);

  // PostgreSQL in a namespace needs an account to run under, which only root can map.
  test.skipIf(!isRoot)(
    "walks the whole demo in an empty folder, data and training included",
    async () => {
      mkdirSync(work);
      // Installed by now: what a trainer's walls are built with (mount, chmod, …) is the base system's own.
      const whole = `${path}:/usr/sbin:/usr/bin:/sbin:/bin`;
      const command = [join(checkout, "portolan"), "--offline", bundle, ...(await demo())];
      const ran = await offline(command, whole, work);
      expect(ran.exitCode, told(ran)).toBe(0);
      expectWholeRoad(ran.out);
    },
    900_000,
  );
});

// Until its endpoint is deployed: what comes after that was walked above.
test("the launcher of a checkout walks the demo again where it was walked before, as far as it is told", async () => {
  mkdirSync(work, { recursive: true });
  const ran = await run(join(root, "portolan"), await demo("--steps", "8"), { cwd: work });
  expect(ran.exitCode, told(ran)).toBe(0);
  expectDeployed(ran.out);
}, 900_000);
