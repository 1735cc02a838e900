import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../../apps/cli/src/supervisor/ports.ts";

/** A Ray cluster of two nodes on this machine. */
export interface RayCluster {
  /** Of its dashboard, which answers the Jobs API. */
  readonly address: string;
  /** What the Jobs API says there. */
  readonly ask: (path: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

/** Ray's own least; the data of these tests are kilobytes. */
const objectStoreBytes = 80_000_000;

/**
 * Ray gives its own servers half a minute or so to come up, which a machine under load does not always do: then it is started anew.
 *
 * @param python of an environment with `ray[default]`
 * @param dashboard the port of its dashboard, a free one
 */
export async function startRayCluster(python: string, dashboard: number, tries = 3): Promise<RayCluster> {
  try {
    return await startOnce(python, dashboard);
  } catch (error) {
    if (tries <= 1) throw error;
    return startRayCluster(python, dashboard, tries - 1);
  }
}

async function startOnce(python: string, dashboard: number): Promise<RayCluster> {
  const port = await portAboveWorkers(dashboard);
  // Short: the sockets of Ray lie below it, and the kernel takes short paths only.
  const folder = await mkdtemp(join(tmpdir(), "ray-"));
  const env = {
    // Jobs run `python3`.
    PATH: [dirname(python), process.env["PATH"]].join(delimiter),
    HOME: folder,
    RAY_USAGE_STATS_ENABLED: "0",
    // By this the processes of the cluster are known, and ended.
    PORTOLAN_TEST_CLUSTER: folder,
  };
  const pids = () => processesWith(`PORTOLAN_TEST_CLUSTER=${folder}`);
  const close = async (): Promise<void> => {
    // What starts others goes on starting them until it is gone itself.
    for (let found = await pids(); found.length > 0; found = await pids()) {
      for (const pid of found) endProcess(pid);
      await delay(50);
    }
    await rm(folder, { recursive: true, force: true });
  };
  const node = [
    "--node-ip-address=127.0.0.1",
    "--num-cpus=4",
    `--object-store-memory=${objectStoreBytes}`,
    "--disable-usage-stats",
  ];
  const start = (...args: string[]) => must(join(dirname(python), "ray"), ["start", ...args, ...node], env);
  try {
    const head = [`--port=${port}`, "--dashboard-host=127.0.0.1", `--dashboard-port=${dashboard}`];
    await start("--head", ...head, `--temp-dir=${folder}/r`);
    await start(`--address=127.0.0.1:${port}`);
  } catch (error) {
    await close();
    throw error;
  }
  const address = `http://127.0.0.1:${dashboard}`;
  return {
    address,
    ask: async (path) => (await fetch(`${address}${path}`)).json(),
    close,
  };
}

/** Ray gives its workers the ports from 10002 to 19999. */
async function portAboveWorkers(taken: number): Promise<number> {
  for (;;) {
    const port = await freePort();
    if (port > 20_000 && port !== taken) return port;
  }
}

function must(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    // Files, not pipes: what stays behind would hold a pipe open, and with it this process.
    const child = spawn(program, [...args], { env, stdio: "ignore", detached: true });
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ${args.join(" ")} ended with ${code}`)),
    );
  });
}

export function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended in between.
  }
}

/**
 * The processes with a setting in their environment, and all that these started: some of Ray's write their title over their environment, and
 * outlive the one that started them.
 */
async function processesWith(setting: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
      const [environment, stat] = [await read("environ"), await read("stat")];
      // proc(5): behind the name in brackets come the state and the parent.
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      return { pid: Number(pid), parent, isIn: environment.split("\0").includes(setting) };
    }),
  );
  const cluster = new Set(found.flatMap(({ pid, isIn }) => (isIn ? [pid] : [])));
  for (let grew = true; grew; ) {
    const more = found.filter(({ pid, parent }) => cluster.has(parent) && !cluster.has(pid));
    for (const { pid } of more) cluster.add(pid);
    grew = more.length > 0;
  }
  return [...cluster].filter((pid) => pid > 1 && pid !== process.pid);
}
