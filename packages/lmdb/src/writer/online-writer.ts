import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LogFold, OnlineRecord, OnlineStore, OnlineViewHeader } from "@portolan/features/contract";
import { columnsWithout } from "@portolan/features/online-columns";
import { messageOf } from "@portolan/kernel";
import { type LmdbOnlineStore, openOnlineStore } from "../online-store.ts";
import type { Write } from "./messages.ts";
import { WriterProcess } from "./writer-process.ts";

/** Lines of one message: some milliseconds of this process. */
const linesAtOnce = 2_000;

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
  const writer = new WriterProcess(folder, (how) => options.onDied?.(how));
  let reader: LmdbOnlineStore | undefined;
  const read = (): LmdbOnlineStore | undefined => {
    if (!reader && existsSync(join(folder, "online.lmdb")))
      reader = openOnlineStore({ folder, readOnly: true });
    return reader;
  };
  const write = async (one: Write): Promise<unknown> =>
    (await writer.ask({ kind: "write", write: one })).result;
  return {
    read: async (questions, at) =>
      read()?.read(questions, at) ?? questions.map(() => ({ status: "not_found", values: {} }) as const),
    readColumns: async (questions, at) =>
      read()?.readColumns(questions, at) ??
      questions.map((question) => columnsWithout(question, "not_found")),
    foldPosition: async (view) => read()?.foldPosition(view),
    windowState: async (view) => read()?.windowState(view),
    valueState: async (view) => read()?.valueState(view),
    countEntities: async (view, named) => read()?.countEntities(view, named) ?? 0,
    textsOf: async function* (view) {
      yield* read()?.textsOf(view) ?? [];
    },
    replace: async (...args) =>
      (await write({ name: "replace", args })) as Awaited<ReturnType<OnlineStore["replace"]>>,
    update: async (...args) => void (await write({ name: "update", args })),
    forgetEntities: async (...args) => (await write({ name: "forgetEntities", args })) as number,
    fold: (header, fold) => foldThere(writer, header, fold),
    early: {
      accept: async (...args) => void (await write({ name: "accept", args })),
      settle: async (...args) => (await write({ name: "settle", args })) as number,
      waiting: async (view) => (await read()?.early.waiting(view)) ?? [],
    },
    pid: () => writer.pid,
    close: async () => {
      await writer.close();
      await reader?.close();
    },
  };
}

/** Brings one page after the other, each when the writer asks for it. */
async function foldThere(
  writer: WriterProcess,
  header: OnlineViewHeader,
  { pages, ...fold }: LogFold,
): Promise<void> {
  const parts = partsOf(pages);
  const bring = async (call: number): Promise<void> => {
    try {
      const { done, value } = await parts.next();
      writer.tell(done ? { call, kind: "end" } : { call, kind: "page", page: value });
    } catch (error) {
      writer.tell({ call, kind: "end", failed: messageOf(error) });
    }
  };
  try {
    await writer.ask({ kind: "fold", header, fold }, (call) => void bring(call));
  } finally {
    await parts.return(undefined);
  }
}

async function* partsOf(pages: LogFold["pages"]): AsyncGenerator<readonly OnlineRecord[], undefined> {
  for await (const page of pages)
    for (let from = 0; from < page.length; from += linesAtOnce) yield page.slice(from, from + linesAtOnce);
  return undefined;
}
