import type { OnlineQuestion, OnlineReader, OnlineVector, OnlineViewKey } from "@portolan/features/contract";
import { answerOf, keyParts, type StoredEntity, type StoredHeader } from "@portolan/features/online-values";
import type { EpochMicros } from "@portolan/kernel";
import { type ConnectionOptions, openConnection } from "./connect.ts";
import { readValues } from "./online-scripts.ts";
import { type RunScript, scriptRunner } from "./run-script.ts";

/** Fields that one script reads or writes: the server does nothing else meanwhile. */
export const fieldsAtOnce = 1000;

/** Braces keep the keys of a view in one slot of a cluster. */
export function viewKeys({ organisationId, environment, view }: OnlineViewKey) {
  const prefix = `portolan:online:{${organisationId}/${environment}/${view}}:`;
  return {
    header: `${prefix}header`,
    revision: `${prefix}revision`,
    staging: `${prefix}staging`,
    values: (generation: number) => `${prefix}values:${generation}`,
  };
}

export function fieldOf(key: OnlineQuestion["key"]): string {
  return JSON.stringify(keyParts(key));
}

export function headerText(header: StoredHeader): string {
  return `${header.generation} ${JSON.stringify(header)}`;
}

export interface ViewState {
  readonly header: StoredHeader | undefined;
  /** Counts the writes to what readers see. */
  readonly revision: string;
  /** In the order of the fields. */
  readonly values: readonly (StoredEntity | undefined)[];
}

/** The header of a view and the values of some fields, all of one moment. @throws Error of the client, or when the server says something else */
export async function readView(
  run: RunScript,
  view: OnlineViewKey,
  fields: readonly string[],
  parseHeader: (text: string) => StoredHeader = headerOf,
): Promise<ViewState> {
  const { header, revision } = viewKeys(view);
  const reply = await run(readValues, [header, revision], fields);
  if (!Array.isArray(reply)) throw new Error("the store answered something else");
  const [headerReply, revisionReply, ...values] = reply as (string | null)[];
  return {
    header: typeof headerReply === "string" ? parseHeader(headerReply) : undefined,
    revision: revisionReply ?? "0",
    values: fields.map((_, index) => {
      const text = values[index];
      return typeof text === "string" ? (JSON.parse(text) as StoredEntity) : undefined;
    }),
  };
}

function headerOf(text: string): StoredHeader {
  return JSON.parse(text.slice(text.indexOf(" ") + 1)) as StoredHeader;
}

/** A view's header seldom changes: it is parsed once. */
function headerReader(): (text: string) => StoredHeader {
  const parsed = new Map<string, StoredHeader>();
  return (text) => {
    const known = parsed.get(text);
    if (known) return known;
    // More texts than views that are served: what is left of older ones goes.
    if (parsed.size >= 1000) parsed.clear();
    const header = headerOf(text);
    parsed.set(text, header);
    return header;
  };
}

export interface RedisReaderOptions extends ConnectionOptions {
  /** Longest wait for the store; after it what was asked is `unavailable`. */
  readonly timeoutMs: number;
}

/** Reads what `openRedisOnlineStore` writes. Waits for no connection. */
export function openRedisOnlineReader(options: RedisReaderOptions): OnlineReader {
  const connection = openConnection(options);
  return {
    read: createRead(scriptRunner(connection), options),
    close: () => connection.close(),
  };
}

export function createRead(
  run: RunScript,
  { timeoutMs, log }: Pick<RedisReaderOptions, "timeoutMs" | "log">,
): OnlineReader["read"] {
  const parseHeader = headerReader();
  let isAnswering = true;
  const said = (answers: boolean, reason?: unknown): void => {
    if (answers === isAnswering) return;
    isAnswering = answers;
    if (answers) log.info({}, "redis.online.answers");
    else log.warn({ reason: String(reason) }, "redis.online.silent");
  };
  return async (questions, at) => {
    const groups = [...groupByView(questions)];
    const reads = groups.map(async ({ view, fields }) => {
      try {
        const found = await readView(run, view, fields, parseHeader);
        said(true);
        return found;
      } catch (error) {
        said(false, error);
        return undefined;
      }
    });
    const states = await inTime(Promise.all(reads), timeoutMs, () =>
      said(false, "it did not answer in time"),
    );
    return answersOf(questions, groups, states, at);
  };
}

interface ViewGroup {
  readonly view: OnlineViewKey;
  readonly fields: readonly string[];
  /** Of each field, its place among the questions. */
  readonly places: readonly number[];
}

/** Questions by view, in parts that one script may read. */
function* groupByView(questions: readonly OnlineQuestion[]): Generator<ViewGroup> {
  const indexed = questions.map((question, place) => ({ ...question, place }));
  for (const group of Map.groupBy(indexed, ({ view }) => viewKeys(view).header + view.digest).values())
    for (let from = 0; from < group.length; from += fieldsAtOnce) {
      const part = group.slice(from, from + fieldsAtOnce);
      const view = part[0]?.view;
      if (view)
        yield { view, fields: part.map(({ key }) => fieldOf(key)), places: part.map(({ place }) => place) };
    }
}

const unavailable: OnlineVector = { status: "unavailable", values: {} };

function answersOf(
  questions: readonly OnlineQuestion[],
  groups: readonly ViewGroup[],
  states: readonly (ViewState | undefined)[] | undefined,
  at: EpochMicros,
): OnlineVector[] {
  const answers: OnlineVector[] = questions.map(() => unavailable);
  for (const [index, { view, places }] of groups.entries()) {
    const state = states?.[index];
    if (!state) continue;
    for (const [field, place] of places.entries())
      answers[place] = answerOf(view, state.header, state.values[field], at);
  }
  return answers;
}

/** What it resolves to, or undefined when that takes longer. */
async function inTime<T>(work: Promise<T>, timeoutMs: number, onLate: () => void): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      onLate();
      resolve(undefined);
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
