import type { AcceptedRange, EarlyValues, EntityPart, OnlineViewKey } from "@portolan/features/contract";
import { keyParts, type StoredHeader } from "@portolan/features/online-values";
import type { EventVersion } from "@portolan/features/online-windows";
import { dropLine, fieldsOfLine, type LineRow, takeLine } from "./early-rows.ts";
import { earlyFields, identitiesNoted } from "./online-fields.ts";
import { entitiesAtOnce, readView, viewKeys } from "./online-reader.ts";
import { exchangeField, linesBetween, scanEntries } from "./online-scripts.ts";
import { changeEarly, notesVersions, type Writer } from "./online-steps.ts";
import type { RunScript } from "./run-script.ts";

/** Lines that one script names; it takes some fields of each. */
const linesAtOnce = 1_000;

/** Accepted events over what a fold wrote. Not in turn with folds: between two steps of one they have their own. */
export function earlyValues(store: Writer): EarlyValues {
  return {
    accept: async (view, log, lines) => {
      for (let from = 0; from < lines.length; from += entitiesAtOnce) {
        const part = lines.slice(from, from + entitiesAtOnce);
        const ahead = part.flatMap((line) => fieldsOfLine(view, line));
        const takes = (header: StoredHeader | undefined, isNoted: boolean) =>
          header?.digest === view.digest &&
          header.fold?.log === log &&
          // An event that the log has would count twice where it is not known by its identity.
          (isNoted || !notesVersions(header));
        await changeEarly(
          store,
          view,
          [identitiesNoted, ...ahead],
          (header, rows) => takes(header, rows.get(identitiesNoted) !== undefined),
          (rows) => {
            for (const line of part) takeLine(rows, view, line);
          },
        );
      }
    },
    settle: async (view, ranges) => {
      let settled = 0;
      for (const range of ranges)
        for await (const lines of linesOf(store.run, view, range)) {
          await dropLines(store, view, lines);
          settled += lines.length;
        }
      return settled;
    },
    waiting: async (view) => {
      const waiting: { accepted: number; acceptedAt: number }[] = [];
      for await (const lines of linesOf(store.run, view))
        for (const { accepted, row } of lines) waiting.push({ accepted, acceptedAt: row.at });
      return waiting;
    },
  };
}

interface Line {
  readonly accepted: number;
  readonly row: LineRow;
}

/** Lines by their number, some at a time; those that were given out may be removed meanwhile. */
async function* linesOf(
  run: RunScript,
  view: OnlineViewKey,
  [first, last]: AcceptedRange = [0, Number.MAX_SAFE_INTEGER],
): AsyncGenerator<readonly Line[]> {
  const keys = viewKeys(view);
  const { below, lines } = earlyFields(view);
  const places = [keys.lines(below), keys.early];
  for (let from = first; from <= last; ) {
    const asked = [lines, String(from), String(last), String(linesAtOnce)];
    const reply = (await run(linesBetween, places, asked)) as string[];
    const found: Line[] = [];
    for (let at = 0; at < reply.length; at += 2)
      found.push({ accepted: Number(reply[at]), row: JSON.parse(reply[at + 1] ?? "") as LineRow });
    if (found.length > 0) yield found;
    const end = found.at(-1);
    if (!end || found.length < linesAtOnce) return;
    from = end.accepted + 1;
  }
}

async function dropLines(store: Writer, view: OnlineViewKey, lines: readonly Line[]): Promise<void> {
  const names = earlyFields(view);
  for (let from = 0; from < lines.length; from += entitiesAtOnce) {
    const part = lines.slice(from, from + entitiesAtOnce);
    const ahead = part.flatMap(({ accepted, row: { key, id } }) => [
      names.line(accepted),
      ...(id === undefined ? [names.records(JSON.stringify(key ?? []))] : [names.event(id)]),
    ]);
    await changeEarly(
      store,
      view,
      ahead,
      () => true,
      (rows) => {
        for (const { accepted } of part) dropLine(rows, view, accepted);
      },
    );
  }
}

/** Removes what is early of entities that have this value as a part of their key, and what is noted of the log's events of theirs. */
export async function forgetEarly(store: Writer, view: OnlineViewKey, named: EntityPart): Promise<void> {
  const [wanted] = keyParts([named.value]);
  for await (const lines of linesOf(store.run, view))
    await dropLines(
      store,
      view,
      lines.filter(({ row }) => row.key?.[named.part] === wanted),
    );
  const { header } = await readView(store.run, view, []);
  const generation = header?.generation ?? 0;
  for (const at of [generation, generation + 1])
    await filterIdentities(
      store.run,
      viewKeys(view).identities(at),
      ({ key }) => key?.[named.part] !== wanted,
    );
}

/** Events of which nothing can speak any more leave the index. */
export function sweepIdentities(run: RunScript, header: StoredHeader, reached: number): Promise<void> {
  const identities = viewKeys(header).identities(header.generation);
  // Versions come to be known no earlier than they are true. One that may speak keeps those before it.
  return filterIdentities(run, identities, (_, versions) =>
    versions.some(({ available }) => available > reached),
  );
}

/** Keeps some versions of each event, unless a fold changes it meanwhile. */
async function filterIdentities(
  run: RunScript,
  identities: string,
  isKept: (version: EventVersion, all: readonly EventVersion[]) => boolean,
): Promise<void> {
  for (let cursor: string | undefined = "0"; cursor !== undefined; ) {
    const [next, ...entries] = (await run(scanEntries, [identities], [cursor])) as string[];
    for (let at = 0; at < entries.length; at += 2) {
      const [field = "", text = ""] = [entries[at], entries[at + 1]];
      if (field === identitiesNoted) continue;
      const versions = JSON.parse(text) as readonly EventVersion[];
      const kept = versions.filter((version) => isKept(version, versions));
      if (kept.length === versions.length) continue;
      await run(exchangeField, [identities], [field, text, kept.length > 0 ? JSON.stringify(kept) : ""]);
    }
    cursor = next === "0" ? undefined : next;
  }
}
