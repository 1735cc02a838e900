import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { WriterReply, WriterRequest } from "./messages.ts";

const program = fileURLToPath(new URL("./writer-child.ts", import.meta.url));

/** A request without the number of its call. */
type Asked = WriterRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, "call">
    : never
  : never;
type Done = Extract<WriterReply, { kind: "done" }>;

interface Call {
  readonly resolve: (reply: Done) => void;
  readonly reject: (error: Error) => void;
  readonly next: () => void;
}

/** The writer's process, from its owner's side: there from the first request on, and again from the next one on after it died. */
export class WriterProcess {
  readonly #folder: string;
  readonly #onDied: (how: string) => void;
  readonly #calls = new Map<number, Call>();
  #child: ChildProcess | undefined;
  #last = 0;

  constructor(folder: string, onDied: (how: string) => void) {
    this.#folder = folder;
    this.#onDied = onDied;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * @param next called whenever the writer wants another page of this call
   * @throws PortolanError what the write was refused with, or `features.online_unavailable` when the process ended
   */
  ask(asked: Asked, next: (call: number) => void = () => undefined): Promise<Done> {
    const { promise, resolve, reject } = Promise.withResolvers<Done>();
    const call = (this.#last += 1);
    this.#calls.set(call, { resolve, reject, next: () => next(call) });
    this.tell({ ...asked, call });
    return promise.finally(() => this.#calls.delete(call));
  }

  tell(request: WriterRequest): void {
    this.#running().send(request, (error) => {
      if (error) this.#calls.get(request.call)?.reject(gone(messageOf(error)));
    });
  }

  /** Ends the process; what is under way is refused. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child) {
      const { promise, resolve } = Promise.withResolvers<void>();
      child.once("exit", () => resolve());
      child.disconnect();
      await promise;
    }
    this.#refuseAll("it was closed");
  }

  #running(): ChildProcess {
    if (this.#child) return this.#child;
    const child = fork(program, [this.#folder], {
      // What is in the owner's environment is none of its business.
      env: { TZ: "UTC" },
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child = child;
    child.on("message", (message) => this.#hear(message as WriterReply));
    child.once("error", (error) => this.#ended(child, messageOf(error)));
    child.once("exit", (code, signal) => this.#ended(child, signal ?? `exit code ${code}`));
    return child;
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#onDied(how);
    this.#refuseAll(how);
  }

  #refuseAll(how: string): void {
    for (const { reject } of this.#calls.values()) reject(gone(how));
  }

  #hear(reply: WriterReply): void {
    const call = this.#calls.get(reply.call);
    if (reply.kind === "next") call?.next();
    else if (reply.kind === "done") call?.resolve(reply);
    else call?.reject(faultOf(reply));
  }
}

function faultOf({ code, detail, mend }: Extract<WriterReply, { kind: "failed" }>): Error {
  if (code === undefined) return new Error(detail);
  return new PortolanError(code, { detail, ...(mend === undefined ? {} : { mend }) });
}

function gone(how: string): PortolanError {
  return new PortolanError("features.online_unavailable", {
    detail: `The writer of the online store ended: ${how}.`,
    mend: "Start the materialisation again: it goes on from where the store is.",
  });
}
