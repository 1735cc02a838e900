import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../tools/run-command.ts";
import { type PeerName, requirements } from "./requirements.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const cache = join(here, "../../.cache/peers");
const startLimitMs = 90_000;
const infer = "/v2/models/m/infer";

export interface PeerServer {
  readonly name: string;
  readonly url: string;
  readonly body: string;
  readonly child: ChildProcess;
}

export interface PeerOrder {
  readonly name: string;
  readonly environment: PeerName;
  /** Arguments of its Python, the model's file, a free port and an empty folder given. */
  readonly command: (model: string, port: number, folder: string) => Promise<readonly string[]>;
  readonly path: string;
  readonly body: string;
}

const row = Array.from({ length: 30 }, (_, i) => (i / 30).toFixed(3)).join(",");
const v2Body = `{"inputs":[{"name":"x","shape":[1,30],"datatype":"FP32","data":[${row}]}]}`;
/** LitServe and Ray Serve join requests themselves: each brings one row, not a batch of one. */
const oneRow = `{"inputs":[{"name":"x","shape":[30],"datatype":"FP32","data":[${row}]}]}`;

/** The peers with the settings that served them best here. */
export const peers: readonly PeerOrder[] = [
  {
    name: "fastapi",
    environment: "fastapi",
    command: async (model, port) => [join(here, "fastapi_server.py"), model, String(port)],
    path: infer,
    body: v2Body,
  },
  { name: "mlserver", environment: "mlserver", command: mlserver(false), path: infer, body: v2Body },
  { name: "mlserver-batch", environment: "mlserver", command: mlserver(true), path: infer, body: v2Body },
  {
    name: "litserve",
    environment: "litserve",
    command: async (model, port) => [join(here, "litserve_server.py"), model, String(port)],
    path: infer,
    body: oneRow,
  },
  {
    name: "bentoml",
    environment: "bentoml",
    command: async (_model, port) => [
      "-m",
      "bentoml",
      "serve",
      "bentoml_server:Model",
      "--working-dir",
      here,
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
    ],
    path: "/infer",
    body: `{"rows":[[${row}]]}`,
  },
  {
    name: "triton",
    environment: "triton",
    command: async (model, port) => [join(here, "triton_server.py"), model, String(port)],
    path: infer,
    body: v2Body,
  },
  {
    name: "ray",
    environment: "ray",
    command: async (model, port) => [join(here, "ray_server.py"), model, String(port)],
    path: "/",
    body: oneRow,
  },
];

function mlserver(batches: boolean): PeerOrder["command"] {
  return async (model, port, folder) => {
    await copyFile(join(here, "mlserver/runtime.py"), join(folder, "runtime.py"));
    const settings = {
      host: "127.0.0.1",
      http_port: port,
      grpc_port: port + 1,
      parallel_workers: 0,
      metrics_endpoint: null,
      debug: false,
    };
    await writeFile(join(folder, "settings.json"), JSON.stringify(settings));
    const own = {
      name: "m",
      implementation: "runtime.OnnxModel",
      parameters: { uri: model },
      ...(batches ? { max_batch_size: 64, max_batch_time: 0.002 } : {}),
    };
    await writeFile(join(folder, "model-settings.json"), JSON.stringify(own));
    return ["-c", "from mlserver.cli import main; main()", "start", folder];
  };
}

/** The environment's Python; made and filled at first. */
export async function pythonOf(name: PeerName): Promise<string> {
  const folder = join(cache, name);
  const python = join(folder, "bin/python");
  const complete = join(folder, ".complete");
  const wanted = requirements[name].join("\n");
  if (existsSync(complete) && readFileSync(complete, "utf8") === wanted) return python;
  console.error(`installing ${name}, once`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  await must("python3", ["-m", "venv", folder]);
  await must(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    ...requirements[name],
  ]);
  writeFileSync(complete, wanted);
  return python;
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { exitCode, output } = await runCommand(program, args, { cwd: here });
  if (exitCode !== 0)
    throw new Error(`${program} ${args.join(" ")} ended with ${exitCode}:\n${output.slice(-2000)}`);
}

/** Resolves when it answers with 200. */
export async function startPeer(
  { name, environment, command, path, body }: PeerOrder,
  model: string,
  port: number,
  folder: string,
): Promise<PeerServer> {
  const python = await pythonOf(environment);
  await mkdir(folder, { recursive: true });
  const log = openSync(join(folder, "log"), "a");
  const child = spawn(python, await command(model, port, folder), {
    cwd: folder,
    env: {
      ...process.env,
      MODEL: model,
      OMP_NUM_THREADS: "1",
      RAY_USAGE_STATS_ENABLED: "0",
      DO_NOT_TRACK: "1",
      BENTOML_DO_NOT_TRACK: "True",
    },
    stdio: ["ignore", log, log],
  });
  const url = `http://127.0.0.1:${port}${path}`;
  const deadline = performance.now() + startLimitMs;
  let last = "";
  while (performance.now() < deadline && child.exitCode === null) {
    try {
      const response = await fetch(url, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      last = `${response.status} ${(await response.text()).slice(0, 300)}`;
      if (response.ok) return { name, url, body, child };
    } catch (error) {
      last = String(error);
    }
    await sleep(300);
  }
  endPeer(child);
  throw new Error(
    `${name} does not serve (${last}): ${readFileSync(join(folder, "log"), "utf8").slice(-1500)}`,
  );
}

/** With all that it started: some peers give their workers sessions of their own. */
export function endPeer({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  for (const one of treeOf(pid).toReversed()) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** A process and all that it started, by what the kernel says (Linux). */
export function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const line = readFileSync(`/proc/${entry}/stat`, "latin1");
      parents.set(Number(entry), Number(line.slice(line.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}
