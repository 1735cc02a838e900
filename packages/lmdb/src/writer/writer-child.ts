import type { OnlineRecord } from "@portolan/features/contract";
import { isPortolanError, messageOf } from "@portolan/kernel";
import { openOnlineStore } from "../online-store.ts";
import type { Write, WriterReply, WriterRequest } from "./messages.ts";

/**
 * The one writer of an embedded online store, a process of its own: `node writer-child.ts <folder>`, told what to write over its IPC channel. It ends
 * with its owner, at whatever place: what is half written is no state that anybody sees.
 */

const [folder = ""] = process.argv.slice(2);
const store = openOnlineStore({
  folder,
  countFailed: (error) => process.stderr.write(`values could not be counted: ${messageOf(error)}\n`),
});
/** Folds under way, waiting for a page. */
const waiting = new Map<number, (request: WriterRequest) => void>();

function say(reply: WriterReply): void {
  process.send?.(reply);
}

/** A transaction of the store, which waits for the disk, takes more lines than a message; fewer while accepted events want their turn in between. */
const linesPerTransaction = { alone: 25_000, besideEarly: 500 };
const besideEarlyMs = 5_000;
let earlyMs = Number.NEGATIVE_INFINITY;

function isFull(lines: number): boolean {
  const isBeside = performance.now() - earlyMs < besideEarlyMs;
  return lines >= (isBeside ? linesPerTransaction.besideEarly : linesPerTransaction.alone);
}

async function* pagesOf(call: number): AsyncGenerator<readonly OnlineRecord[]> {
  let page: OnlineRecord[] = [];
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<WriterRequest>();
    waiting.set(call, resolve);
    say({ call, kind: "next" });
    const answer = await promise;
    if (answer.kind === "end" && answer.failed !== undefined) throw new Error(answer.failed);
    if (answer.kind !== "page") break;
    for (const line of answer.page) {
      page.push(line);
      if (!isFull(page.length)) continue;
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

async function work(request: WriterRequest): Promise<WriterReply> {
  const { call } = request;
  switch (request.kind) {
    case "write":
      return { call, kind: "done", result: await write(request.write) };
    case "fold":
      await store.fold(request.header, { ...request.fold, pages: pagesOf(call) });
      return { call, kind: "done" };
    default:
      throw new Error(`nobody waits for a ${request.kind}`);
  }
}

function write(one: Write): Promise<unknown> {
  switch (one.name) {
    case "replace":
      return store.replace(...one.args);
    case "update":
      return store.update(...one.args);
    case "forgetEntities":
      return store.forgetEntities(...one.args);
    case "accept":
      earlyMs = performance.now();
      return store.early.accept(...one.args);
    case "settle":
      return store.early.settle(...one.args);
  }
}

function failure(call: number, error: unknown): WriterReply {
  if (!isPortolanError(error)) return { call, kind: "failed", detail: messageOf(error) };
  const { code, detail = code, mend } = error;
  return { call, kind: "failed", code, detail, ...(mend === undefined ? {} : { mend }) };
}

process.on("message", (message) => {
  const request = message as WriterRequest;
  const { call } = request;
  const resume = waiting.get(call);
  if (resume) {
    waiting.delete(call);
    resume(request);
    return;
  }
  void work(request)
    .catch((error: unknown) => failure(call, error))
    .then(say);
});
process.on("disconnect", () => process.exit(0));
