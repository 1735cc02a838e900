import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { earlyMessages, messageOf } from "@portolan/kernel";
import type { RunOutcome, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { loadFailed } from "./errors.ts";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import type { WarmUp } from "./warm-up.ts";

interface Open {
  /** Positive. */
  readonly id: number;
  /** Text lies in the thread's own heap, and may be what filled it before the run began. Numbers lie outside. */
  readonly hasText: boolean;
  readonly settle: (outcome: RunOutcome) => void;
}

/** Old-space bound of a worker's heap; models live outside of it. */
const heapMegabytes = 256;

/** What a thread is given when it starts. */
export interface ThreadStart {
  /** Answers go there: the gateway takes them from it in the middle of a turn of its event loop. */
  readonly answers: MessagePort;
  /** One number: the id of the run that the thread has begun last. */
  readonly begun: Int32Array;
}

/** One worker thread with one model. One run at a time. */
export class ModelThread {
  readonly #worker: Worker;
  readonly #begun: Int32Array;
  readonly measured: WarmUp;
  /** Resolves once the thread is gone. */
  readonly exited: Promise<void>;
  #open: Open | undefined;
  #nextId = 1;
  #isOver = false;

  private constructor(worker: Worker, { answers, begun }: ThreadStart, measured: WarmUp) {
    this.#worker = worker;
    this.#begun = begun;
    this.measured = measured;
    earlyMessages.listen(answers, (message) => this.#receive(message as FromRunner));
    answers.unref();
    // A run that does not end must not keep the process alive.
    worker.unref();
    worker.on("error", (error) => this.#end(messageOf(error)));
    this.exited = new Promise((resolve) => {
      worker.once("exit", () => {
        earlyMessages.drain(answers);
        this.#end("its thread ended");
        resolve();
      });
    });
  }

  /** @throws PortolanError `onnx.load_failed` */
  static async start(model: VerifiedModel): Promise<ModelThread> {
    const bytes = await model.loadBytes();
    const { port1: answers, port2 } = new MessageChannel();
    const begun = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const worker = new Worker(new URL("./worker-main.ts", import.meta.url), {
      workerData: { answers: port2, begun } satisfies ThreadStart,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
      // Nothing of the gateway's environment is a model's business.
      env: {},
    });
    const load: ToRunner = { kind: "load", bytes, signature: model.signature };
    const answer = await new Promise<FromRunner>((resolve) => {
      const failed = (error: unknown): void => resolve({ kind: "load_failed", detail: messageOf(error) });
      worker.once("error", failed);
      answers.once("message", (message: FromRunner) => {
        worker.removeListener("error", failed);
        resolve(message);
      });
      worker.postMessage(load);
    });
    if (answer.kind === "loaded") return new ModelThread(worker, { answers, begun }, answer);
    worker.postMessage({ kind: "close" });
    throw loadFailed(model, answer.kind === "load_failed" ? answer.detail : "its thread gave another answer");
  }

  /** False once the thread has ended. */
  get isAlive(): boolean {
    return !this.#isOver;
  }

  get isIdle(): boolean {
    return this.#open === undefined && !this.#isOver;
  }

  /**
   * Never rejects, and resolves when the run ends, however long that takes. Numbers that the thread had not
   * begun with when it ended are not blamed for that (`byModel: false`).
   */
  run(inputs: readonly Tensor[]): Promise<RunOutcome> {
    if (this.#isOver) return Promise.resolve({ kind: "crashed", detail: "its thread ended", byModel: false });
    return new Promise((settle) => {
      const id = this.#nextId++;
      this.#open = { id, settle, hasText: inputs.some(({ datatype }) => datatype === "BYTES") };
      const message: ToRunner = { kind: "run", id, inputs };
      this.#worker.postMessage(message);
    });
  }

  /** Lets the run that is under way end, and then the thread. */
  close(): Promise<void> {
    this.#worker.postMessage({ kind: "close" });
    return this.exited;
  }

  #receive(message: FromRunner): void {
    if ((message.kind !== "done" && message.kind !== "failed") || this.#open?.id !== message.id) return;
    const { settle } = this.#open;
    this.#open = undefined;
    if (message.kind === "failed") settle({ kind: "failed", detail: message.detail });
    else settle({ kind: "ok", outputs: message.outputs, runMicros: message.runMicros });
  }

  #end(detail: string): void {
    this.#isOver = true;
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const isBegun = open.id === Atomics.load(this.#begun, 0);
    open.settle({ kind: "crashed", detail, byModel: isBegun || open.hasText });
  }
}
