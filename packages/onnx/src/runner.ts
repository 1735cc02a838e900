import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PortolanError } from "@portolan/kernel";
import type { RunOutcome, Tensor, VerifiedModel } from "@portolan/serving/policy";
import type { OnnxErrorCode } from "./errors.ts";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import { watchMemory } from "./watch-memory.ts";

const entry = fileURLToPath(new URL("./runner-main.ts", import.meta.url));

export interface RunnerOptions {
  /** Loading and warm-up together. */
  readonly loadTimeoutMs: number;
  /** Resident memory beyond which the runner is killed. */
  readonly memoryBytes: number;
}

interface Waiting {
  readonly inputs: readonly Tensor[];
  readonly timeoutMs: number;
  readonly settle: (outcome: RunOutcome) => void;
  readonly deadline: NodeJS.Timeout;
  settled: boolean;
}

interface Running {
  readonly id: number;
  readonly request: Waiting;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  /** Kills the process: armed at the run's own start, so that time spent waiting is never held against the model. */
  readonly kill: NodeJS.Timeout;
}

/** Requests that may wait for one runner; beyond it the answer is at once that there is no room. */
const maxWaiting = 1024;

const late = "it did not answer in time";

/** One child process with one model. It is ended by SIGKILL: nothing else stops native code in an endless loop. */
export class Runner {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  #running: Running | undefined;
  #nextId = 1;
  #death: string | undefined;
  /** Resolves with the reason once the process is gone. */
  readonly exited: Promise<string>;
  readonly warmUpMicros: number;

  private constructor(child: ChildProcess, warmUpMicros: number, exited: Promise<string>) {
    this.#child = child;
    this.warmUpMicros = warmUpMicros;
    this.exited = exited.then((reason) => this.#bury(reason));
    child.on("message", (message: FromRunner) => this.#receive(message));
  }

  /** @throws PortolanError `onnx.load_failed` when the model cannot be loaded and warmed up in time. */
  static async start(model: VerifiedModel, bytes: Uint8Array, options: RunnerOptions): Promise<Runner> {
    const child = fork(entry, [], {
      serialization: "advanced",
      // A runner inherits neither secrets nor a terminal.
      env: {},
      execArgv: ["--max-old-space-size=256"],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const exited = new Promise<string>((resolve) => {
      child.once("exit", (code, signal) =>
        resolve(signal ? `killed by ${signal}` : `exit code ${code ?? 0}`),
      );
      child.once("error", (error) => resolve(error.message));
    });
    const watch = watchMemory(child, options.memoryBytes);
    void exited.then(() => clearInterval(watch));
    const answer = await firstAnswer(
      child,
      exited,
      { kind: "load", bytes, signature: model.signature },
      options,
    );
    if (answer.kind === "loaded") return new Runner(child, answer.warmUpMicros, exited);
    child.kill("SIGKILL");
    throw new PortolanError<OnnxErrorCode>("onnx.load_failed", {
      detail: `${model.label}: ${answer.detail}`,
      mend: "Run the model once with onnxruntime where it was made, and export it again.",
    });
  }

  /** False from the moment that the process is being killed. */
  get isAlive(): boolean {
    return this.#death === undefined;
  }

  /**
   * Never rejects. The caller is answered at its deadline; the process is killed once this very run has taken
   * `timeoutMs`, and whatever waits behind it is answered as crashed.
   */
  run(inputs: readonly Tensor[], timeoutMs: number): Promise<RunOutcome> {
    if (this.#death !== undefined) return Promise.resolve({ kind: "crashed", detail: this.#death });
    if (this.#waiting.length >= maxWaiting)
      return Promise.resolve({ kind: "unavailable", detail: "Too many requests wait for this model." });
    return new Promise((settle) => {
      const request: Waiting = {
        inputs,
        timeoutMs,
        settle,
        settled: false,
        deadline: setTimeout(() => this.#expire(request), timeoutMs),
      };
      this.#waiting.push(request);
      this.#dispatch();
    });
  }

  kill(reason: string): void {
    this.#death ??= reason;
    this.#child.kill("SIGKILL");
  }

  #dispatch(): void {
    while (!this.#running && this.#death === undefined) {
      const request = this.#waiting.shift();
      if (!request) return;
      // A request past its deadline is not run.
      if (request.settled) continue;
      const id = this.#nextId++;
      const kill = setTimeout(() => this.kill(late), request.timeoutMs);
      this.#running = { id, request, kill, startedMs: performance.now() };
      this.#child.send({ kind: "run", id, inputs: request.inputs } satisfies ToRunner, (error) => {
        if (error) this.kill(error.message);
      });
    }
  }

  /** Answers the caller. A run that began when the request came has had its time as well, and is killed at once. */
  #expire(request: Waiting): void {
    const running = this.#running;
    const isOver =
      running?.request === request && performance.now() - running.startedMs >= request.timeoutMs - 1;
    if (isOver) this.kill(late);
    settleOnce(request, { kind: "timeout" });
  }

  #receive(message: FromRunner): void {
    const running = this.#running;
    if ((message.kind !== "done" && message.kind !== "failed") || running?.id !== message.id) return;
    clearTimeout(running.kill);
    this.#running = undefined;
    if (message.kind === "failed") settleOnce(running.request, { kind: "failed", detail: message.detail });
    else settleOnce(running.request, { kind: "ok", outputs: message.outputs, runMicros: message.runMicros });
    this.#dispatch();
  }

  #bury(reason: string): string {
    this.#death ??= reason;
    if (this.#running) clearTimeout(this.#running.kill);
    const left = [...(this.#running ? [this.#running.request] : []), ...this.#waiting];
    for (const request of left) settleOnce(request, { kind: "crashed", detail: this.#death });
    return this.#death;
  }
}

function settleOnce(request: Waiting, outcome: RunOutcome): void {
  if (request.settled) return;
  request.settled = true;
  clearTimeout(request.deadline);
  request.settle(outcome);
}

type LoadAnswer = Extract<FromRunner, { kind: "loaded" | "load_failed" }>;

async function firstAnswer(
  child: ChildProcess,
  exited: Promise<string>,
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
    (reason): LoadAnswer => ({ kind: "load_failed", detail: `its runner died: ${reason}` }),
  );
  try {
    return await Promise.race([answer, death]);
  } finally {
    clearTimeout(timer);
  }
}
