import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runCommand } from "../../tools/run-command.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "portolan offline "));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A new network namespace: loopback is down and nothing else is there. */
const isolated = process.getuid?.() === 0 ? ["--net"] : ["--map-root-user", "--net"];

function canIsolate(): boolean {
  try {
    execFileSync("unshare", [...isolated, "true"], { stdio: "ignore" });
    return true;
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return false;
  }
}

/** What POSIX and Debian's base system give, and nothing of Node. */
function bareTools(): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const names =
    "sh env awk tar gzip cksum tr sed cat uname dirname readlink mkdir touch flock mv rm cp cut sha512sum sleep tail";
  for (const name of names.split(" ")) {
    symlinkSync(
      execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(),
      join(bin, name),
    );
  }
  return bin;
}

function offline(program: string, args: readonly string[], path: string) {
  const env = { PATH: path, HOME: folder };
  return runCommand(
    "unshare",
    [...isolated, "env", "-i", ...Object.entries(env).map((pair) => pair.join("=")), program, ...args],
    {
      cwd: join(folder, "repository"),
    },
  );
}

test.skipIf(!canIsolate())(
  "one file installs Portolan and the trainer's environment on a machine without Node and without network",
  async () => {
    const bundle = join(folder, "portolan.tar");
    const made = await runCommand(process.execPath, [join(root, "tools/bundle.ts"), bundle], { cwd: root });
    expect(made.output).toContain("MB");
    await runCommand("tar", ["-xf", bundle, "-C", folder, "repository"], { cwd: folder });

    // The namespace is what it claims: a fetch from inside it fails.
    const fetched = await offline(
      process.execPath,
      ["-e", "fetch('http://192.0.2.1').then(() => process.exit(0), () => process.exit(9))"],
      "/bin",
    );
    expect(fetched.exitCode).toBe(9);

    const installed = await offline("./portolan", ["--offline", bundle, "dev", "help"], bareTools());
    expect(installed).toMatchObject({ exitCode: 0, output: expect.stringContaining("./portolan dev check") });

    const unpacked = readdirSync(join(folder, "repository/.toolchain")).find((name) =>
      name.startsWith("bundle-"),
    );
    const wheels = join(folder, "repository/.toolchain", unpacked ?? "", "wheels");
    const python = execFileSync("python3", ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"], {
      encoding: "utf8",
    }).trim();
    const lock = `examples/flight-delays/training/requirements-${python}.lock`;
    const own = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], {
      encoding: "utf8",
    }).trim();
    expect((await offline(own, ["-m", "venv", "env"], "/usr/bin:/bin")).exitCode).toBe(0);
    const pip = [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--require-hashes",
      "--no-index",
      "--find-links",
      wheels,
      "-r",
      lock,
    ];
    const wheelsInstalled = await offline("env/bin/python", pip, "/usr/bin:/bin");
    expect(wheelsInstalled.exitCode, wheelsInstalled.output).toBe(0);
  },
  600_000,
);
