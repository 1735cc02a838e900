import type { OnlineQuestion, OnlineReader, OnlineVector, OnlineViewKey } from "@portolan/features/contract";
import { columnsBy } from "@portolan/features/online-columns";
import { answerOf, keyParts, type StoredHeader } from "@portolan/features/online-values";
import type { EpochMicros } from "@portolan/kernel";
import { type ConnectionOptions, openConnection } from "./connect.ts";
import { fieldsAt, HashEntity } from "./online-entity.ts";
import { byHash, HashFields } from "./online-fields.ts";
import { readValues } from "./online-scripts.ts";
import { type RunScript, scriptRunner } from "./run-script.ts";

/** Entities that one script reads or writes: the server does nothing else meanwhile, and takes 8,000 fields at once. */
export const entitiesAtOnce = 100;

/** Braces keep the keys of a view in one slot of a cluster. */
export function viewKeys({ organisationId, environment, view }: OnlineViewKey) {
  const prefix = `portolan:online:{${organisationId}/${environment}/${view}}:`;
  return {
    header: `${prefix}header`,
    revision: `${prefix}revision`,
    staging: `${prefix}staging`,
    state: `${prefix}state`,
    values: (generation: number) => `${prefix}values:${generation}`,
    /** What the log has of each event, in a view of windows whose early events are online. */
    identities: (generation: number) => `${prefix}identities:${generation}`,
    early: `${prefix}early`,
    /** Counts the writes to early rows and to identities. */
    earlyRevision: `${prefix}early-revision`,
    /** Numbers of the early lines of a definition. */
    lines: (below: string) => `${prefix}lines:${below}`,
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
  /** Counts the writes to what lies beside: early rows, and identities. */
  readonly earlyRevision: string;
  /** Of each field that was asked for its text, undefined where there is none. */
  readonly fields: ReadonlyMap<string, string | undefined>;
}

/** The header of a view and some fields, all of one moment. @throws Error of the client, or when the server says something else */
export async function readView(
  run: RunScript,
  view: OnlineViewKey,
  fields: Iterable<string>,
  parseHeader: (text: string) => StoredHeader = headerOf,
): Promise<ViewState> {
  const keys = viewKeys(view);
  const { values, identities, ordered } = byHash(fields);
  const places = [keys.header, keys.revision, keys.earlyRevision, keys.early];
  const reply = await run(readValues, places, [String(values), String(identities), ...ordered]);
  if (!Array.isArray(reply)) throw new Error("the store answered something else");
  const [header, revision, earlyRevision, ...texts] = reply as (string | null)[];
  return {
    header: typeof header === "string" ? parseHeader(header) : undefined,
    revision: revision ?? "0",
    earlyRevision: earlyRevision ?? "0",
    fields: new Map(ordered.map((field, index) => [field, texts[index] ?? undefined])),
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
  const read = createRead(scriptRunner(connection), options);
  return {
    read,
    readColumns: columnsBy(read),
    close: () => connection.close(),
  };
}

export function createRead(
  run: RunScript,
  { timeoutMs, log }: Pick<RedisReaderOptions, "timeoutMs" | "log">,
): OnlineReader["read"] {
  const parseHeader = headerReader();
  const headers: ReadContext["headers"] = new Map();
  let isAnswering = true;
  const said = (answers: boolean, reason?: unknown): void => {
    if (answers === isAnswering) return;
    isAnswering = answers;
    if (answers) log.info({}, "redis.online.answers");
    else log.warn({ reason: String(reason) }, "redis.online.silent");
  };
  return async (questions, at) => {
    const answers: OnlineVector[] = questions.map(() => unavailable);
    const reads = [...groupByView(questions)].map(async ({ view, asked }) => {
      try {
        const found = await readAnswers(run, view, asked, { at, headers, parseHeader });
        for (const [index, { place }] of asked.entries()) answers[place] = found[index] ?? unavailable;
        said(true);
      } catch (error) {
        said(false, error);
      }
    });
    await inTime(Promise.all(reads), timeoutMs, () => said(false, "it did not answer in time"));
    // What comes later is of no use, and must not change what was answered.
    return [...answers];
  };
}

const unavailable: OnlineVector = { status: "unavailable", values: {} };

interface Asked {
  readonly key: OnlineQuestion["key"];
  /** Its place among the questions. */
  readonly place: number;
}

/** Questions by view, in parts that one script may read. */
function* groupByView(
  questions: readonly OnlineQuestion[],
): Generator<{ readonly view: OnlineViewKey; readonly asked: readonly Asked[] }> {
  const indexed = questions.map((question, place) => ({ ...question, place }));
  for (const group of Map.groupBy(indexed, ({ view }) => viewKeys(view).header + view.digest).values())
    for (let from = 0; from < group.length; from += entitiesAtOnce) {
      const asked = group.slice(from, from + entitiesAtOnce);
      if (asked[0]) yield { view: asked[0].view, asked };
    }
}

interface ReadContext {
  readonly at: EpochMicros;
  /** Of views that were read before: what is asked for then is read at once. */
  readonly headers: Map<string, StoredHeader>;
  readonly parseHeader: (text: string) => StoredHeader;
}

/** Reads until nothing is missing, all of it of one moment. */
async function readAnswers(
  run: RunScript,
  view: OnlineViewKey,
  asked: readonly Asked[],
  { at, headers, parseHeader }: ReadContext,
): Promise<readonly OnlineVector[]> {
  const name = viewKeys(view).header + view.digest;
  const entities = asked.map(({ key }) => fieldOf(key));
  const known = headers.get(name);
  const fields = new Set(entities.flatMap((field) => fieldsAt(field, known, at)));
  for (;;) {
    const state = await readView(run, view, fields, parseHeader);
    if (state.header) headers.set(name, state.header);
    const rows = new HashFields(state.fields);
    const answers = entities.map((field) =>
      answerOf(view, state.header, new HashEntity(field, rows, view.digest), at),
    );
    if (rows.missing.size === 0) return answers;
    for (const field of rows.missing) fields.add(field);
  }
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
