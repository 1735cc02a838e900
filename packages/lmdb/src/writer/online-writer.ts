import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LogFold, OnlineRecord, OnlineStore, OnlineViewHeader } from "@portolan/features/contract";
import { messageOf, PortolanError } from "@portolan/kernel";
import { openOnlineStore } from "../online-store.ts";
import type { Write, WriterReply, WriterRequest } from "./messages.ts";

const program = fileURLToPath(new URL("./writer-child.ts", import.meta.url));
/** Lines of one message and one transaction: some milliseconds of either process. */
const linesAtOnce = 2_000;

/** A request without the number of its call. */
type Asked = WriterRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, "call">
    : never
  : never;

interface Call {
  readonly resolve: (reply: Extract<WriterReply, { kind: "done" }>) => void;
  readonly reject: (error: Error) => void;
  readonly next: () => void;
}

/**
 * An embedded online store whose writer is a process of its own, so that a fold of a million lines holds up nobody who calls this one. The process is
 * there from the first write on, and ends with this one; one that dies is started anew by the next write, which goes on from where the store is.
 *
 * @param options.onDied told how it ended, when nobody ended it
 */
export function openOnlineWriter(options: {
  readonly folder: string;
  readonly onDied?: (how: string) => void;
}): OnlineStore & { /** Of the writer's process, while it runs. */ pid(): number | undefined } {
  const { folder } = options;
  const calls = new Map<number, Call>();
  let reader: OnlineStore | undefined;
  let child: ChildProcess | undefined;
  let last = 0;

  const read = (): OnlineStore | undefined => {
    if (!reader && existsSync(join(folder, "online.lmdb")))
      reader = openOnlineStore({ folder, readOnly: true });
    return reader;
  };
  const ended = (of: ChildProcess, how: string): void => {
    if (child !== of) return;
    child = undefined;
    options.onDied?.(how);
    for (const { reject } of calls.values()) reject(gone(how));
    calls.clear();
  };
  const running = (): ChildProcess => {
    if (child) return child;
    const started = fork(program, [folder], {
      // What is in the owner's environment is none of its business.
      env: { TZ: "UTC" },
      execArgv: [],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    child = started;
    started.on("message", (message) => hear(calls, message as WriterReply));
    started.once("error", (error) => ended(started, messageOf(error)));
    started.once("exit", (code, signal) => ended(started, signal ?? `exit code ${code}`));
    return started;
  };
  const ask = (asked: Asked, next: (call: number) => void = () => undefined) =>
    new Promise<Extract<WriterReply, { kind: "done" }>>((resolve, reject) => {
      const call = (last += 1);
      calls.set(call, {
        resolve: (reply) => void (calls.delete(call) && resolve(reply)),
        reject: (error) => {
          calls.delete(call);
          reject(error);
        },
        next: () => next(call),
      });
      tell({ ...asked, call });
    });
  const tell = (request: WriterRequest): void => {
    const to = running();
    to.send(request, (error) => {
      if (error) calls.get(request.call)?.reject(gone(messageOf(error)));
    });
  };

  const write = async (one: Write): Promise<unknown> => (await ask({ kind: "write", write: one })).result;

  return {
    read: async (questions, at) =>
      read()?.read(questions, at) ?? questions.map(() => ({ status: "not_found", values: {} }) as const),
    foldPosition: async (view) => read()?.foldPosition(view),
    windowState: async (view) => read()?.windowState(view),
    countEntities: async (view, named) => read()?.countEntities(view, named) ?? 0,
    replace: async (...args) =>
      (await write({ name: "replace", args })) as Awaited<ReturnType<OnlineStore["replace"]>>,
    update: async (...args) => void (await write({ name: "update", args })),
    forgetEntities: async (...args) => (await write({ name: "forgetEntities", args })) as number,
    fold: (header, fold) => foldThere(header, fold, ask, tell),
    pid: () => child?.pid,
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const running = child;
      child = undefined;
      if (running) {
        running.once("exit", () => resolve());
        running.disconnect();
        await promise;
      }
      for (const { reject } of calls.values()) reject(gone("it was closed"));
      calls.clear();
      await reader?.close();
    },
  };
}

/** Brings one page after the other, each when the writer asks for it. */
async function foldThere(
  header: OnlineViewHeader,
  { pages, ...fold }: LogFold,
  ask: (asked: Asked, next: (call: number) => void) => Promise<unknown>,
  tell: (request: WriterRequest) => void,
): Promise<void> {
  const parts = partsOf(pages)[Symbol.asyncIterator]();
  const bring = (call: number): void =>
    void parts.next().then(
      ({ done, value }) => tell(done ? { call, kind: "end" } : { call, kind: "page", page: value }),
      (error: unknown) => tell({ call, kind: "end", failed: messageOf(error) }),
    );
  try {
    await ask({ kind: "fold", header, fold }, bring);
  } finally {
    await parts.return?.(undefined);
  }
}

async function* partsOf(pages: LogFold["pages"]): AsyncGenerator<readonly OnlineRecord[]> {
  for await (const page of pages)
    for (let from = 0; from < page.length; from += linesAtOnce) yield page.slice(from, from + linesAtOnce);
}

function hear(calls: ReadonlyMap<number, Call>, reply: WriterReply): void {
  const call = calls.get(reply.call);
  if (!call) return;
  if (reply.kind === "next") call.next();
  else if (reply.kind === "done") call.resolve(reply);
  else call.reject(faultOf(reply));
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
