import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { earlyMessages, messageOf } from "@portolan/kernel";
import type { RunOutcome, Tensor, VerifiedModel } from "@portolan/serving/policy";
import { loadFailed } from "./errors.ts";
import type { FromRunner, ToRunner } from "./runner-messages.ts";
import type { WarmUp } from "./warm-up.ts";

interface Open {
  readonly id: number;
  readonly settle: (outcome: RunOutcome) => void;
}

/** Old-space bound of a worker's heap; models live outside of it. */
const heapMegabytes = 256;

/** One worker thread with one model. One run at a time. */
export class ModelThread {
  readonly #worker: Worker;
  readonly measured: WarmUp;
  /** Resolves once the thread is gone. */
  readonly exited: Promise<void>;
  #open: Open | undefined;
  #nextId = 1;
  #isOver = false;

  private constructor(worker: Worker, answers: MessagePort, measured: WarmUp) {
    this.#worker = worker;
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
    const worker = new Worker(new URL("./worker-main.ts", import.meta.url), {
      workerData: port2,
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
    if (answer.kind === "loaded") return new ModelThread(worker, answers, answer);
    worker.postMessage({ kind: "close" });
    throw loadFailed(model, answer.kind === "load_failed" ? answer.detail : "its thread gave another answer");
  }

  get isIdle(): boolean {
    return this.#open === undefined && !this.#isOver;
  }

  /** Never rejects, and resolves when the run ends, however long that takes. */
  run(inputs: readonly Tensor[]): Promise<RunOutcome> {
    if (this.#isOver) return Promise.resolve({ kind: "crashed", detail: "its thread ended", byModel: true });
    return new Promise((settle) => {
      const id = this.#nextId++;
      this.#open = { id, settle };
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
    this.#open?.settle({ kind: "crashed", detail, byModel: true });
    this.#open = undefined;
  }
}
