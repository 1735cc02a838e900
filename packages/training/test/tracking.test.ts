import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type CallContext, newId, type Secret, systemClock } from "@portolan/kernel";
import { aCall, openTestDatabase, type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { trackingMigrations } from "@portolan/tracking";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { trainingMigrations } from "../src/index.ts";
import { findIsolation, type Isolation } from "../src/isolation.ts";
import { insertRun, updateRun } from "../src/store.ts";
import { openRunTracking } from "./tracking-fixture.ts";
import { fakeTrainer, requirePython, type Trial, trial } from "./trainer-fixture.ts";

const python = await requirePython();
const best = await findIsolation();
const isRoot = process.getuid?.() === 0;
const program = fileURLToPath(new URL("./tracking_trainer.py", import.meta.url));

let base: string;
let db: TestDatabase;
let call: CallContext;
let tracking: ReturnType<typeof openRunTracking>;
let server: Server;
let port = 0;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), "portolan-tracking-"));
  await chmod(base, 0o711);
  db = await openTestDatabase({ migrations: [trainingMigrations, trackingMigrations].map(alone) });
  const authorizer = testAuthorizer({ engineer: ["*"] });
  tracking = openRunTracking({ uow: db.uow, authorizer, clock: systemClock });
  call = aCall({ roles: ["engineer"] });
  server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  port = typeof address === "object" && address ? address.port : 0;
});
afterAll(async () => {
  server.close();
  await tracking.close();
  await db.close();
  await rm(base, { recursive: true, force: true });
});

/** Without the packages that a whole installation has beside them. */
function alone<T extends object>(set: T): T & { readonly after: readonly string[] } {
  return { ...set, after: [] };
}

async function aRun(): Promise<string> {
  const id = newId("trainingRun", systemClock.now());
  const request = {
    environment: "dev",
    trainingSetId: "ts",
    code: "c",
    locks: {},
    params: {},
    seed: 1,
  } as const;
  await db.uow.write(call, async (tx) => {
    const organisationId = call.actor.organisationId;
    await insertRun(tx.sql, { id, organisationId, request, startedBy: call.actor.id, now: tx.now });
    await updateRun(tx.sql, id, "running", tx.now);
  });
  return id;
}

interface Wishes {
  readonly source?: string;
  readonly interpreter?: string;
  /** Of an interpreter that lies in none of the machine's. */
  readonly environment?: string;
  readonly [param: string]: string | undefined;
}

interface Tracked {
  readonly one: Trial;
  readonly runId: string;
  readonly token: Secret;
  readonly folder: string;
  readonly close: () => Promise<void>;
}

async function start(
  folder: string,
  isolation: Isolation,
  { source = program, interpreter, environment, ...params }: Wishes = {},
): Promise<Tracked> {
  if (!python) throw new Error("skipped");
  const runId = await aRun();
  const code = join(folder, "train.py");
  await mkdir(folder, { recursive: true });
  await writeFile(code, await readFile(source), { mode: 0o644 });
  const socket = join(folder, "tracking.sock");
  const attempt = { runId, environment: "dev", lifetimeMs: 60_000 } as const;
  const { token, close } = await tracking.open(call, attempt, socket);
  const address = { runId, socket, token, python: python.path };
  const more = {
    code,
    isolation,
    tracking: address,
    ...(interpreter === undefined ? {} : { interpreter }),
    ...(environment === undefined ? {} : { readable: [environment, python.prefix] }),
  };
  const one = await trial(python, folder, { port, ...params }, more);
  return { one, runId, token, folder, close };
}

/** The attempt ends with the trainer, as in a training job. */
async function runWhole({ one, close }: Pick<Tracked, "one" | "close">): Promise<void> {
  try {
    await one.run();
  } finally {
    await close();
  }
}

/** One that every account may run: that of these tests may lie where only its owner reaches it. */
const systemPython = ["/usr/bin/python3"].find((path) => existsSync(path));
const asUser: Isolation = { level: "namespaces", ownAccount: false, networkBlocked: true };
const levels: [string, Isolation, boolean][] = [
  ["in namespaces under an account of its own", { ...asUser, ownAccount: true }, isRoot],
  ["in the namespaces of an ordinary user", asUser, best.level === "namespaces"],
  [
    "under an account of its own alone",
    { level: "account", ownAccount: true, networkBlocked: best.networkBlocked },
    isRoot && systemPython !== undefined,
  ],
  [
    "with its network cut alone",
    { level: "none", ownAccount: false, networkBlocked: true },
    best.networkBlocked,
  ],
  ["without isolation", { level: "none", ownAccount: false, networkBlocked: false }, true],
];

describe.skipIf(python === undefined)("a trainer", () => {
  for (const [name, isolation, able] of levels)
    test.skipIf(!able)(`${name} logs to its own run, and its address answers nothing else`, async () => {
      // Longer than the kernel takes for the path of a socket.
      const folder = join(base, `${"deep-".repeat(25)}${levels.findIndex(([one]) => one === name)}`);
      const wishes = isolation.level === "account" && systemPython ? { interpreter: systemPython } : {};
      const { one, runId, token, close } = await start(folder, isolation, wishes);
      await runWhole({ one, close });
      const log = await one.log();
      expect(JSON.parse(log.trim().split("\n").at(-1) ?? "")).toEqual({
        param: 200,
        metric: [200, 200, 200],
        batch: 200,
        own: [{ key: "depth", value: "3" }],
        elsewhere: [404, 404, 404, 404, 404],
        network: !isolation.networkBlocked,
        hasChildren: false,
        tokenInArguments: false,
      });
      expect(log).not.toContain(token.reveal());
      const stored = await db.database.session((session) =>
        session.query("select key, value, step from tracking.latest_metrics where run_id = $1", [runId]),
      );
      expect(stored).toEqual([{ key: "loss", value: 0.2, step: 2 }]);
      expect((await readdir(folder)).filter((file) => file.endsWith(".sock"))).toEqual([]);
    });

  // Where there are no walls around files, its environment reaches whatever the server does.
  for (const [name, isolation, able] of levels.filter(([, { level }]) => level !== "none"))
    test.skipIf(!able)(`${name} has nothing of its environment run outside its walls`, async () => {
      const environment = join(base, `hostile-${levels.findIndex(([one]) => one === name)}`);
      const outside = join(base, `outside-${isolation.level}-${isolation.ownAccount}`);
      const real = isolation.level === "account" ? systemPython : python?.path;
      const interpreter = join(environment, "bin", "python");
      await mkdir(join(environment, "bin"), { recursive: true });
      await writeFile(interpreter, `#!/bin/sh\n(echo >"${outside}") 2>/dev/null\nexec "${real}" "$@"\n`, {
        mode: 0o755,
      });
      const wishes = { source: fakeTrainer, mode: "environment", interpreter, environment };
      const { one, close } = await start(`${environment}-run`, isolation, wishes);
      await runWhole({ one, close });
      // It ran, and had the address that only a raised loopback device gives.
      expect(await one.log()).toContain("MLFLOW_TRACKING_URI");
      expect(existsSync(outside)).toBe(false);
    });

  test("that is told to stop can still log, and what forwards its calls ends with it", async () => {
    const { one, close, folder } = await start(join(base, "stopped"), best, { waits: "yes" });
    const running = runWhole({ one, close });
    await one.saw("waiting");
    one.stop.abort();
    await expect(running).rejects.toMatchObject({ code: "training.interrupted" });
    expect(await one.log()).toContain("last 200");
    expect(await forwardersOf(folder)).toEqual([]);
  });

  test("of the documentation does what its page says, as it stands there", async () => {
    const page = await readFile(fileURLToPath(new URL("../../../docs/training.md", import.meta.url)), "utf8");
    const source = join(base, "documented.py");
    await writeFile(source, /^```python\n(.*?)^```$/ms.exec(page)?.[1] ?? "");
    const documented = await start(join(base, "documented"), best, { source });
    await runWhole(documented);
    const stored = await db.database.session((session) =>
      session.query(
        `select p.key, p.value, m.value as loss from tracking.params p
         join tracking.latest_metrics m on m.run_id = p.run_id where p.run_id = $1`,
        [documented.runId],
      ),
    );
    expect(stored).toEqual([{ key: "rounds", value: "3", loss: 1 / 3 }]);
  });

  test("that never logs runs and fails as it would without an address", async () => {
    const idle = await start(join(base, "idle"), best, { source: fakeTrainer, mode: "environment" });
    await runWhole(idle);
    expect(JSON.parse((await idle.one.log()).split("\n")[0] ?? "")).toMatchObject({
      MLFLOW_RUN_ID: idle.runId,
      MLFLOW_TRACKING_TOKEN: idle.token.reveal(),
      MLFLOW_TRACKING_URI: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
    });
    const failing = await start(join(base, "failing"), best, { source: fakeTrainer, mode: "fail" });
    await expect(runWhole(failing)).rejects.toMatchObject({
      code: "training.trainer_failed",
      detail: expect.stringContaining("no luck today") as string,
    });
  });
});

test.skipIf(python === undefined || !best.networkBlocked)(
  "where there is no loopback address a trainer runs without the variable, and its log says why",
  async () => {
    const forwarder = fileURLToPath(new URL("../src/forward_tracking.py", import.meta.url));
    const says = "import os; print('MLFLOW_TRACKING_URI' in os.environ)";
    const command = [python?.path ?? "", "-I", "-S", forwarder, "none.sock", python?.path ?? "", "-c", says];
    const { stdout, stderr } = await promisify(execFile)("unshare", ["--map-root-user", "--net", ...command]);
    expect(stdout).toBe("False\n");
    expect(stderr).toContain("tracking cannot be reached from here");
  },
);

async function forwardersOf(folder: string): Promise<string[]> {
  const found = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return found.filter((line) => line.includes(join(folder, "forward_tracking.py")));
}
