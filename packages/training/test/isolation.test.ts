import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findIsolation, type Isolation } from "../src/isolation.ts";
import type { Python } from "../src/python.ts";
import { requirePython, type Trial, trial } from "./trainer-fixture.ts";

const python = await requirePython();
const hostile = fileURLToPath(new URL("./hostile_trainer.py", import.meta.url));
const greedy = fileURLToPath(new URL("./greedy_trainer.py", import.meta.url));
const best = await findIsolation();
const isRoot = process.getuid?.() === 0;
const none: Isolation = { level: "none", ownAccount: false, networkBlocked: false };
/** What an ordinary user gets. Root can try it too: its trainer then has root's number and none of its rights. */
const asUser: Isolation = { level: "namespaces", ownAccount: false, networkBlocked: true };

/** A state folder as an installation has it, a server to attack, and what answers at a socket and a port. */
let base: string;
let home: string;
let server: ChildProcess;
const listeners: Server[] = [];
let port = 0;
let params: Record<string, string | number>;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "portolan-isolation-test-"));
  await chmod(base, 0o711);
  home = join(base, "home");
  for (const name of ["keys", "postgres", "objects"])
    await mkdir(join(home, name), { recursive: true, mode: 0o700 });
  await chmod(home, 0o711);
  await mkdir(join(base, "elsewhere"), { mode: 0o700 });
  await writeFile(join(base, "elsewhere", "notes"), "of somebody", { mode: 0o600 });
  await mkdir(join(home, "work", "run_other"), { recursive: true });
  await mkdir(join(home, "envs", "key"), { recursive: true });
  await writeFile(join(home, "keys", "ledger.pem"), "a private key", { mode: 0o600 });
  await writeFile(join(home, "work", "run_other", "params.json"), "{}", { mode: 0o600 });
  await writeFile(join(home, "objects", "other"), "another data set");
  port = await listen(0);
  await listen(join(home, "postgres", "socket"));
});
afterAll(async () => {
  for (const listener of listeners) listener.close();
  server.kill("SIGKILL");
  await rm(base, { recursive: true, force: true });
});
beforeEach(async () => {
  server?.kill("SIGKILL");
  await writeFile(join(home, "envs", "key", "library.py"), "# installed\n");
  server = spawn("sleep", ["600"], { env: { PATH: "/usr/bin:/bin", SERVER_SECRET: "hunter2" } });
  params = {
    home,
    key: join(home, "keys", "ledger.pem"),
    otherRun: join(home, "work", "run_other", "params.json"),
    otherObject: join(home, "objects", "other"),
    server: server.pid ?? 0,
    socket: join(home, "postgres", "socket"),
    port,
    environmentFile: join(home, "envs", "key", "library.py"),
    privateFile: join(base, "elsewhere", "notes"),
  };
});

async function listen(where: number | string): Promise<number> {
  const listener = createServer((socket) => socket.destroy());
  listeners.push(listener);
  await new Promise<void>((resolve) =>
    typeof where === "number"
      ? listener.listen(where, "127.0.0.1", resolve)
      : listener.listen(where, resolve),
  );
  const address = listener.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function attack(python: Python, name: string, isolation: Isolation): Promise<Attack> {
  const folder = join(home, "work", name);
  const mark = `hostile-${process.pid}-${name}`;
  const daemonMark = join(folder, "scratch", "daemon");
  const one = await trial(
    python,
    folder,
    { ...params, mark, daemonMark },
    {
      code: await copyOf(hostile, folder),
      readable: [python.prefix, join(home, "envs", "key")],
      hidden: [home],
      isolation,
    },
  );
  await one.run();
  const log = await one.log();
  const { found, readable } = JSON.parse(log.trim().split("\n").at(-1) ?? "") as Attack;
  return { found, readable, daemonsLeft: await processesMarked(mark), serverLives: await livesOn(server) };
}

interface Attack {
  readonly found: Readonly<Record<string, boolean>>;
  readonly readable: Readonly<Record<string, boolean>>;
  readonly daemonsLeft: readonly number[];
  readonly serverLives: boolean;
}

/** As the caller of `runTrainer` lays it into the run's folder. */
async function copyOf(program: string, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const code = join(folder, "train.py");
  await writeFile(code, await readFile(program), { mode: 0o644 });
  return code;
}

async function processesMarked(mark: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (environment.includes(`PORTOLAN_HOSTILE=${mark}`)) found.push(Number(pid));
  }
  return found;
}

/** A signal takes a moment to arrive. */
async function livesOn(child: ChildProcess): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return child.exitCode === null && child.signalCode === null;
}

const succeeded = ({ found }: Attack): string[] => Object.keys(found).filter((name) => found[name] === true);

describe.skipIf(python === undefined)("a hostile trainer", () => {
  test("without isolation it gets at everything: the attempts are real ones", async () => {
    if (!python) return;
    const result = await attack(python, "run_none", none);
    try {
      const wanted = Object.keys(result.found).filter((name) => isRoot || name !== "hasPrivileges");
      expect(succeeded(result)).toEqual(wanted);
      expect(result.serverLives).toBe(false);
      expect(result.daemonsLeft).toHaveLength(1);
    } finally {
      for (const pid of result.daemonsLeft) process.kill(pid, "SIGKILL");
    }
  });

  const isolations: [string, Isolation, boolean][] = [
    ["in namespaces under an account of its own", { ...asUser, ownAccount: true }, isRoot],
    ["in the namespaces of an ordinary user", asUser, true],
  ];
  test.each(isolations)("%s it gets at nothing, and leaves nothing behind", async (name, isolation, able) => {
    if (!python || (best.level !== "namespaces" && process.env["CI"] !== "true") || !able) return;
    const result = await attack(python, `run_${name.replaceAll(" ", "_")}`, isolation);
    // It may start processes; they end with it.
    expect(succeeded(result)).toEqual(["startsDaemon"]);
    expect(result).toMatchObject({ daemonsLeft: [], serverLives: true });
    expect(result.readable).toEqual({ trainingSet: true, environment: true });
    expect(await readFile(join(home, "envs", "key", "library.py"), "utf8")).toBe("# installed\n");
  });

  test.skipIf(!isRoot)(
    "an account of its own keeps it from files and processes where there are no namespaces",
    async () => {
      if (!python) return;
      // Such an account reaches only what the modes of the machine's folders let everybody reach.
      const reachable: Python = { ...python, path: "/usr/bin/env", prefix: "/usr" };
      const isolation: Isolation = {
        level: "account",
        ownAccount: true,
        networkBlocked: best.networkBlocked,
      };
      const folder = join(home, "work", "run_account");
      const code = await copyOf(hostile, folder);
      await writeFile(code, accountProbe(params));
      const one = await trial(reachable, folder, params, {
        code,
        interpreter: "/bin/sh",
        hidden: [home],
        isolation,
      });
      await one.run();
      expect((await one.log()).trim().split("\n")).toEqual(["reads its set", "done"]);
      expect(await livesOn(server)).toBe(true);
    },
  );
});

/** In the shell's language: the interpreter of these tests may lie where only its owner reaches it. */
function accountProbe(targets: Readonly<Record<string, string | number>>): string {
  return `
    cat "$PORTOLAN_TRAINING_SET" >/dev/null && echo "reads its set"
    cat "${targets["key"]}" 2>/dev/null && echo "reads the key"
    cat "${targets["otherRun"]}" 2>/dev/null && echo "reads another run"
    cat "${targets["otherObject"]}" 2>/dev/null && echo "reads another object"
    cat "/proc/${targets["server"]}/environ" 2>/dev/null | grep -q hunter2 && echo "reads the environment"
    kill "${targets["server"]}" 2>/dev/null && echo "kills the server"
    echo x 2>/dev/null >>"${targets["environmentFile"]}" && echo "writes the environment"
    echo "{}" >"$PORTOLAN_OUTPUT/metrics.json"; echo model >"$PORTOLAN_OUTPUT/model.onnx"; echo done`.replaceAll(
    /^ +/gm,
    "",
  );
}

describe.skipIf(python === undefined)("a greedy trainer", () => {
  const take = async (name: string, params: Record<string, string | number>, more = {}): Promise<Trial> => {
    if (!python) throw new Error("skipped");
    return trial(python, join(home, "work", name), params, { code: greedy, hidden: [home], ...more });
  };

  test("is ended by the memory of all its processes together, each of which stays below the limit", async () => {
    const params = { mode: "memory", processes: 4, bytes: 100 * 2 ** 20 };
    const one = await take("run_memory", params, { memoryLimitBytes: 250 * 2 ** 20 });
    await expect(one.run()).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: "the trainer used more memory than its limit",
    });
  });

  test.each(["PORTOLAN_OUTPUT", "PORTOLAN_CHECKPOINT", "TMPDIR"])(
    "is ended by the disk that its files in %s take together",
    async (where) => {
      const one = await take(
        `run_disk_${where}`,
        { mode: "disk", files: 40, where },
        { diskLimitBytes: 20 * 2 ** 20 },
      );
      await expect(one.run()).rejects.toMatchObject({
        code: "training.trainer_failed",
        detail: "the trainer used more disk than its limit",
      });
    },
  );

  test.skipIf(best.level !== "namespaces" || !best.ownAccount)(
    "cannot start processes without end",
    async () => {
      const one = await take("run_processes", { mode: "processes" }, { memoryLimitBytes: 2 ** 36 });
      await expect(one.run()).rejects.toMatchObject({
        code: "training.trainer_failed",
        detail: expect.stringContaining("no more processes") as string,
      });
    },
  );
});
