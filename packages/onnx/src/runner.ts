import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  endingSignal,
  lastWords,
  spawnWalledNode,
  type Walls,
  wallsFor,
  watchMemory,
} from "@portolan/sandbox";
import type { RunOutcome, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { afterArrivals } from "./engine.ts";
import { loadFailed } from "./errors.ts";
import { causeOfExit, type DeathCause } from "./quarantine-policy.ts";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import type { WarmUp } from "./warm-up.ts";

const entry = fileURLToPath(new URL("./runner-main.ts", import.meta.url));

/** What keeps runners from the rest of this machine. */
export function findRunnerWalls(): Promise<Walls> {
  return wallsFor({ entry, keepsAccount: false });
}

export interface RunnerOptions {
  /** Loading and warm-up together. */
  readonly loadTimeoutMs: number;
  /** Resident memory beyond which the runner is killed. */
  readonly memoryBytes: number;
}

/** How a runner ended. */
export interface Death {
  readonly cause: DeathCause;
  readonly detail: string;
}

interface Waiting {
  readonly inputs: readonly Tensor[];
  readonly timeoutMs: number;
  readonly settle: (outcome: RunOutcome) => void;
  readonly deadline: { cancel(): void };
  settled: boolean;
}

interface Running {
  readonly id: number;
  readonly request: Waiting;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  /** Kills the process: armed at the run's own start, so that time spent waiting is never held against the model. */
  readonly kill: { cancel(): void };
}

/** What Node and its threads map for writing before a model is loaded (0.65 GiB), with room to breathe. */
const ownDataBytes = 2 ** 30;

/** Requests that may wait for one runner; beyond it the answer is at once that there is no room. */
const maxWaiting = 1024;

/** One child process with one model. It is ended by SIGKILL: nothing else stops native code in an endless loop. */
export class Runner {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  #running: Running | undefined;
  #nextId = 1;
  #death: Death | undefined;
  /** Resolves once the process is gone. */
  readonly exited: Promise<Death>;
  readonly measured: WarmUp;

  private constructor(child: ChildProcess, measured: WarmUp, exited: Promise<Death>) {
    this.#child = child;
    this.measured = measured;
    this.exited = exited.then((death) => this.#bury(death));
    child.on("message", (message: FromRunner) => this.#receive(message));
  }

  /** @throws PortolanError `onnx.load_failed` when the model cannot be loaded and warmed up in time. */
  static async start(model: VerifiedModel, bytes: Uint8Array, options: RunnerOptions): Promise<Runner> {
    const child = await spawnWalledNode({
      entry,
      // The model comes over the pipe: there is no file that a runner needs, nor an account that could open one.
      readable: [],
      writable: [],
      keepsAccount: false,
      dataBytes: options.memoryBytes + ownDataBytes,
      heapMegabytes: 256,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const said = lastWords(child);
    let excess: Death | undefined;
    const watch = watchMemory(child, options.memoryBytes, () => {
      excess = { cause: "crash", detail: `it took more than ${options.memoryBytes} bytes of memory` };
      child.kill("SIGKILL");
    });
    const exited = new Promise<Death>((resolve) => {
      // Once its standard error has ended too, which says what the code alone does not.
      child.once("close", (code, told) => {
        const signal = endingSignal(code, told, said());
        const how = signal ? `killed by ${signal}` : `exit code ${code ?? 0}`;
        resolve(excess ?? { cause: causeOfExit(signal), detail: how });
      });
      child.once("error", (error) => resolve({ cause: "outside", detail: error.message }));
    });
    void exited.then(() => clearInterval(watch));
    const answer = await firstAnswer(
      child,
      exited,
      { kind: "load", bytes, signature: model.signature },
      options,
    );
    if (answer.kind === "loaded") return new Runner(child, answer, exited);
    child.kill("SIGKILL");
    throw loadFailed(model, answer.detail);
  }

  /** False from the moment that the process is being killed. */
  get isAlive(): boolean {
    return this.#death === undefined;
  }

  /**
   * Never rejects. The caller is answered at its deadline; the process is killed once this very run has taken
   * `timeoutMs`, and whatever waits behind it is answered as crashed, by no doing of its own.
   */
  run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    if (this.#death !== undefined) return Promise.resolve(notBegun(this.#death));
    if (this.#waiting.length >= maxWaiting)
      return Promise.resolve({ kind: "unavailable", detail: "Too many requests wait for this model." });
    return new Promise((settle) => {
      const request: Waiting = {
        inputs,
        timeoutMs,
        settle,
        settled: false,
        deadline: afterArrivals(timeoutMs, () => this.#expire(request)),
      };
      this.#waiting.push(request);
      this.#dispatch();
    });
  }

  /** Ends the process; `cause` says whose doing that is. The first reason counts. */
  kill(cause: DeathCause, detail: string): void {
    this.#death ??= { cause, detail };
    this.#child.kill("SIGKILL");
  }

  #killLate(): void {
    this.kill("deadline", "it did not answer in time");
  }

  #dispatch(): void {
    while (!this.#running && this.#death === undefined) {
      const request = this.#waiting.shift();
      if (!request) return;
      // A request past its deadline is not run.
      if (request.settled) continue;
      const id = this.#nextId++;
      const kill = afterArrivals(request.timeoutMs, () => this.#killLate());
      this.#running = { id, request, kill, startedMs: performance.now() };
      this.#child.send({ kind: "run", id, inputs: request.inputs } satisfies ToRunner, (error) => {
        if (error) this.#child.kill("SIGKILL"); // Its own exit says why; if it lives, it is deaf.
      });
    }
  }

  /** Answers the caller. A run that began when the request came has had its time as well, and is killed at once. */
  #expire(request: Waiting): void {
    const running = this.#running;
    const isOver =
      running?.request === request && performance.now() - running.startedMs >= request.timeoutMs - 1;
    if (isOver) this.#killLate();
    settleOnce(request, { kind: "timeout" });
  }

  #receive(message: FromRunner): void {
    const running = this.#running;
    if ((message.kind !== "done" && message.kind !== "failed") || running?.id !== message.id) return;
    running.kill.cancel();
    this.#running = undefined;
    if (message.kind === "failed") settleOnce(running.request, { kind: "failed", detail: message.detail });
    else settleOnce(running.request, { kind: "ok", outputs: message.outputs, runMicros: message.runMicros });
    this.#dispatch();
  }

  #bury(death: Death): Death {
    this.#death ??= death;
    this.#running?.kill.cancel();
    if (this.#running) settleOnce(this.#running.request, crashed(this.#death));
    for (const request of this.#waiting) settleOnce(request, notBegun(this.#death));
    return this.#death;
  }
}

function crashed({ cause, detail }: Death): RunOutcome {
  return { kind: "crashed", detail, byModel: cause !== "outside" };
}

/** For what waited behind the run under which the process died: whatever that was, it was not this. */
function notBegun({ detail }: Death): RunOutcome {
  return { kind: "crashed", detail, byModel: false };
}

function settleOnce(request: Waiting, outcome: RunOutcome): void {
  if (request.settled) return;
  request.settled = true;
  request.deadline.cancel();
  request.settle(outcome);
}

type LoadAnswer = Extract<FromRunner, { kind: "loaded" | "load_failed" }>;

async function firstAnswer(
  child: ChildProcess,
  exited: Promise<Death>,
  load: ToRunner,
  options: RunnerOptions,
): Promise<LoadAnswer> {
  let timer: NodeJS.Timeout | undefined;
  const answer = new Promise<LoadAnswer>((resolve) => {
    child.once("message", (message: FromRunner) => {
      if (message.kind === "loaded" || message.kind === "load_failed") resolve(message);
    });
    timer = setTimeout(
      () => resolve({ kind: "load_failed", detail: `it was not warm after ${options.loadTimeoutMs} ms` }),
      options.loadTimeoutMs,
    );
    child.send(load, (error) => {
      if (error) resolve({ kind: "load_failed", detail: error.message });
    });
  });
  const death = exited.then(
    ({ detail }): LoadAnswer => ({ kind: "load_failed", detail: `its runner died: ${detail}` }),
  );
  try {
    return await Promise.race([answer, death]);
  } finally {
    clearTimeout(timer);
  }
}
