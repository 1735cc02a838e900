import { type ChildProcess, execFile, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { enableCompileCache } from "node:module";
import { createServer, type Server } from "node:net";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compiledModulesFor } from "../src/compiled-modules.ts";
import { leastPriority, niceCommand, spawnWalledNode, watchMemory } from "../src/index.ts";
import { findWalls, type View, type Walls, walledCommand } from "../src/walls.ts";
import type { Attempt } from "./curious-child.ts";

const entry = fileURLToPath(new URL("./curious-child.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sandbox-"));
const given = join(folder, "given.txt");
const secret = join(folder, "secret.txt");
const work = join(folder, "work");
mkdirSync(work);
writeFileSync(given, "given");
writeFileSync(secret, "secret");
const view: View = { readable: [given], writable: [work], cwd: work };

/** What the machine that runs these tests permits; what it does not permit cannot be tested on it. */
const walls: Walls = await findWalls({ keepsAccount: true }, view, ["true"]);
const isWalled = walls.level === "namespaces";
const isRoot = process.getuid?.() === 0;

let listener: Server;
let port = 0;
beforeAll(async () => {
  listener = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  port = typeof address === "object" && address ? address.port : 0;
});
afterAll(() => {
  listener.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly result?: string;
  readonly error?: string;
}

function ask(child: ChildProcess, attempt: Attempt): Promise<Answer> {
  return new Promise((resolve) => {
    child.once("message", (answer: Answer) => resolve(answer));
    child.once("exit", (code, signal) => resolve({ error: `ended: ${signal ?? code}` }));
    child.send(attempt, () => undefined);
  });
}

function start(
  over: { readonly keepsAccount?: boolean; readonly niceness?: number } = {},
): Promise<ChildProcess> {
  return spawnWalledNode({
    entry,
    readable: [given],
    writable: [work],
    ...over,
    keepsAccount: over.keepsAccount ?? true,
    dataBytes: 2 ** 31,
    heapMegabytes: 128,
    env: { TZ: "UTC" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
}

/** Without Node's own permissions, which bind no native code: what a program finds that does as it likes. */
function shell(script: string, on: Walls = walls, seen: View = view): Promise<string> {
  const [command = "", ...args] = walledCommand(on, seen, ["sh", "-c", script]);
  return new Promise((resolve) => {
    execFile(command, args, { env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" } }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.trim()),
    );
  });
}

describe("on every machine", () => {
  test("a child has no environment of ours, reads what it was given, and starts no second program", async () => {
    const child = await start();
    try {
      const names = (await ask(child, { kind: "environment" })).result?.split(" ") ?? [];
      const known = ["NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "OLDPWD", "PATH", "PWD", "TZ"];
      expect(names.filter((name) => !known.includes(name))).toEqual([]);
      expect((await ask(child, { kind: "read", path: given })).result).toBe("given");
      expect((await ask(child, { kind: "write", path: join(work, "out.txt") })).result).toBe("written");
      expect(readFileSync(join(work, "out.txt"), "utf8")).toBe("was here");
      expect((await ask(child, { kind: "read", path: secret })).error).toMatch(/has been restricted|ENOENT/);
      expect((await ask(child, { kind: "write", path: given })).error).toMatch(/has been restricted|EROFS/);
      expect((await ask(child, { kind: "execute", path: "/bin/true" })).error).toContain(
        "has been restricted",
      );
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("it steps back behind others from its first moment on, where that is asked, and not otherwise", async () => {
    for (const niceness of [undefined, 7, 19]) {
      const child = await start(niceness === undefined ? {} : { niceness });
      expect((await ask(child, { kind: "niceness" })).result).toBe(String(getPriority() + (niceness ?? 0)));
      child.kill("SIGKILL");
    }
  });

  test.runIf(process.platform === "linux")(
    "who is the last of all is in the idle class of the kernel",
    () => {
      const statOf = (niceness: number): string[] => {
        const [command = "", ...args] = niceCommand(niceness);
        const { stdout } = spawnSync(command, [...args, "cat", "/proc/self/stat"], { encoding: "utf8" });
        return stdout.slice(stdout.lastIndexOf(")")).split(" ");
      };
      // Fields 19 and 41 of proc_pid_stat(5), counted from the name, which is the second.
      const [nice, policy] = [17, 39];
      expect([statOf(7)[nice], statOf(7)[policy]]).toEqual([String(getPriority() + 7), "0"]);
      // A container may forbid it: then nice has to do.
      const isAllowed = niceCommand(leastPriority).includes("--idle");
      expect([statOf(leastPriority)[nice], statOf(leastPriority)[policy]]).toEqual([
        "19",
        isAllowed ? "5" : "0",
      ]);
    },
  );

  test("a fault ends it with a signal, and memory beyond the bound is noticed", async () => {
    const faulty = await start();
    expect((await ask(faulty, { kind: "abort" })).error).toMatch(
      /ended: (SIGABRT|SIGSEGV|SIGILL|SIGTRAP|13\d)/,
    );
    const greedy = await start();
    let beyond = false;
    const watch = watchMemory(greedy, 400 * 2 ** 20, () => {
      beyond = true;
      greedy.kill("SIGKILL");
    });
    const { error } = await ask(greedy, { kind: "grow" });
    clearInterval(watch);
    // Either the watch came first or the kernel's own limit did.
    expect(beyond || error !== undefined).toBe(true);
    expect(error).toBeDefined();
  });
});

describe.skipIf(!isWalled)("in namespaces, whatever the program does", () => {
  test("there is no file but the given ones, the system's and the writable folder", async () => {
    expect(await shell(`cat ${given}`)).toBe("given");
    expect(await shell(`cat ${secret}`)).toContain("No such file");
    expect(await shell("cat /etc/passwd")).toContain("No such file");
    expect(await shell("ls -d /root /home /run /var /boot /opt 2>/dev/null")).toBe("");
    expect(await shell(`echo x > ${given}`)).toMatch(/Read-only/);
    expect(await shell("touch /usr/bin/x /here")).toMatch(/Read-only.*\n.*Read-only/);
    expect(await shell("echo x > out2 && cat out2")).toBe("x");
  });

  test("what is shown may lie in a folder of the system, and behind one of its links", async () => {
    const seen = { ...view, readable: [given, "/usr/bin", "/bin/sh", "/lib"] };
    const said = await shell(
      `cat ${given} && echo x > out3 && cat out3 && ls -d /lib && touch /usr/bin/x`,
      walls,
      seen,
    );
    expect(said).toMatch(/^givenx\n\/lib\n.*Read-only/);
  });

  test("there is no network, not even to this machine, and no other process", async () => {
    const child = await start();
    try {
      expect((await ask(child, { kind: "connect", port })).error).toMatch(
        /ENETUNREACH|ECONNREFUSED|EHOSTUNREACH/,
      );
    } finally {
      child.kill("SIGKILL");
    }
    expect(await shell(`kill -0 ${process.pid} && echo alive`)).not.toContain("alive");
    expect((await shell("grep -c : /proc/net/dev")).trim()).toBe("1"); // lo, which is down
  });

  test("it has no privileges and can gain none", async () => {
    const status = await shell("cat /proc/self/status");
    for (const set of ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"])
      expect(status).toMatch(new RegExp(`${set}:\\s+0{16}\\n`));
    expect(status).toMatch(/NoNewPrivs:\s+1\n/);
    expect(await shell("mount -t tmpfs none /usr 2>&1; umount /usr 2>&1; ls /usr")).toContain("bin");
  });

  test("it gets no descriptor of ours and a session of its own, and ends with the process that started it", async () => {
    const child = await start();
    await ask(child, { kind: "environment" });
    const [inner = ""] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
    expect(readFileSync(`/proc/${inner}/stat`, "latin1").split(" ")[5]).toBe(String(child.pid));
    for (const fd of ["0", "1", "2"]) expect(readlinkSync(`/proc/${inner}/fd/${fd}`)).toBe("/dev/null");
    child.kill("SIGKILL");
    const isGone = (): boolean => {
      try {
        return / [ZX] /.test(readFileSync(`/proc/${inner}/stat`, "latin1"));
      } catch {
        return true;
      }
    };
    for (let i = 0; i < 400 && !isGone(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(isGone()).toBe(true);
  });

  test.skipIf(!isRoot)(
    "a server that is root gives a child that needs no files another account",
    async () => {
      const child = await start({ keepsAccount: false });
      try {
        await ask(child, { kind: "environment" });
        const [inner = ""] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
        expect(statSync(`/proc/${inner}`).uid).not.toBe(0);
      } finally {
        child.kill("SIGKILL");
      }
    },
  );
});

describe.skipIf(walls.level === "none")("modules that this process compiled", () => {
  enableCompileCache(join(folder, "compiled"));
  test.each([true, false])(
    "are read by a later child (keeps its account: %s), which cannot write there",
    async (keepsAccount) => {
      const of = async (attempt: Attempt): Promise<Answer> => {
        const child = await start({ keepsAccount });
        try {
          return await ask(child, attempt);
        } finally {
          child.kill("SIGKILL");
        }
      };
      let place = await of({ kind: "compiled" });
      for (let i = 0; i < 200 && place.result === "compiles for itself"; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        place = await of({ kind: "compiled" });
      }
      const compiled = place.result ?? "";
      expect(compiled.startsWith(join(folder, "compiled/walled/curious-child-"))).toBe(true);
      const [module = ""] = readdirSync(compiled);
      const before = readFileSync(join(compiled, module));
      expect((await of({ kind: "write", path: join(compiled, module) })).error).toMatch(/EROFS|EACCES/);
      expect((await of({ kind: "write", path: join(compiled, "new") })).error).toMatch(/EROFS|EACCES/);
      expect(readFileSync(join(compiled, module))).toEqual(before);
    },
  );
});

test("a cache that cannot be written to leaves every child to compile for itself", async () => {
  const other = fileURLToPath(new URL("../src/watch-memory.ts", import.meta.url));
  const place = join(folder, "compiled/walled");
  rmSync(place, { recursive: true, force: true });
  writeFileSync(place, "in the way");
  expect(compiledModulesFor(other, 1)).toBeUndefined();
  expect(compiledModulesFor(other, 1)).toBeUndefined();
});

test("in CI the walls are the best ones, so that the tests above ran", () => {
  expect(process.env["CI"] === "true" && !isWalled).toBe(false);
});
