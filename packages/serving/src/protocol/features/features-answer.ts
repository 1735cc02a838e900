import type { OnlineColumns } from "@portolan/features/contract";
import { cellStatuses } from "@portolan/features/policy";
import { asEpochMicros, copyShort, type EpochMicros, formatInstant } from "@portolan/kernel";
import type { FeatureStatus } from "../../feature-plan.ts";
import type { FeaturePlan } from "../../snapshot/schema.ts";
import type { AskedView, FeaturesRequest } from "./features-request.ts";

/** Entities of one view, `name` is `name@version`, each key in the order of the view's entity keys, and the features that are asked for. */
export interface FeatureQuestion {
  readonly view: { readonly name: string; readonly digest: string };
  readonly keys: readonly (readonly string[])[];
  readonly features: readonly string[];
}

/** Reads entities as of an instant, feature by feature: one answer per question, in their order. Never rejects. Implemented over the online store. */
export type ReadFeatureColumns = (
  questions: readonly FeatureQuestion[],
  at: EpochMicros,
) => Promise<readonly OnlineColumns[]>;

/** Every view with its entities; views of the same entity keys have the same list of them. Pure. */
export function featureQuestions(
  views: readonly AskedView[],
  { entities, rows }: FeaturesRequest,
): FeatureQuestion[] {
  const byNames = new Map<string, string[][]>();
  return views.map((view) => {
    const names = view.entityKeys.join("\0");
    const known = byNames.get(names);
    const keys = known ?? keysOf(view, entities, rows);
    if (!known) byNames.set(names, keys);
    return { view, keys, features: view.features };
  });
}

function keysOf({ entityKeys }: AskedView, entities: FeaturesRequest["entities"], rows: number): string[][] {
  const columns = entityKeys.map((name) => entities.get(name) ?? []);
  return Array.from({ length: rows }, (_, row) => columns.map((column) => column[row] ?? ""));
}

/** What was read, and how many values have which status. */
export interface FeaturesAnswer {
  /** JSON. */
  readonly body: Uint8Array;
  readonly counts: ReadonlyMap<FeatureStatus, number>;
}

/**
 * The answer of `POST /v1/features/online`: by view the time of each row's values, and by feature its values and their statuses, one per row. It is put
 * together as bytes, of values that are JSON already: of a hundred entities with fifty features it is ten thousand elements. Pure.
 *
 * @param rows at least 1
 * @param read one per view
 */
export function writeFeatures(
  asked: { readonly endpoint: string; readonly plan: FeaturePlan; readonly views: readonly AskedView[] },
  rows: number,
  read: readonly OnlineColumns[],
  at: EpochMicros,
): FeaturesAnswer {
  const { endpoint, plan, views } = asked;
  const out = new AnswerBytes(expectedBytes(views, rows, read));
  const head = `{"endpoint":${JSON.stringify(endpoint)},"service":${JSON.stringify(plan.service)}`;
  out.text(`${head},"at":"${formatInstant(at)}","rows":${rows},"views":[`);
  const counts = new Uint32Array(cellStatuses.length);
  for (const [index, view] of views.entries()) {
    const columns = read[index];
    if (!columns) continue;
    const texts = textsOf(view);
    out.text(index === 0 ? texts.head : `,${texts.head}`);
    out.text(timesText(columns.asOf));
    const statuses = statusesAt(columns, plan, at);
    const values = viewOf(columns.text);
    for (const [feature, text] of texts.features.entries()) {
      const cells = { from: feature * rows, to: (feature + 1) * rows };
      out.bytesOf(text);
      out.values(columns, values, statuses, cells);
      out.bytesOf(betweenText);
      out.statuses(statuses, cells, counts);
    }
    out.text("]}]}");
  }
  out.text("]}");
  return { body: out.bytes(), counts: countsByStatus(counts) };
}

/** What of a view's answer is always the same. */
interface ViewTexts {
  readonly head: string;
  /** What stands before the values of each feature. */
  readonly features: readonly DataView[];
}

const betweenText = viewOf(Buffer.from('],"statuses":['));
const textsByView = new WeakMap<AskedView, ViewTexts>();

function textsOf(view: AskedView): ViewTexts {
  const known = textsByView.get(view);
  if (known) return known;
  const head = `{"name":${JSON.stringify(view.name)},"event_times":[`;
  const features = view.features.map((name, index) => {
    const before = index === 0 ? '],"features":[' : "]},";
    return viewOf(Buffer.from(`${before}{"name":${JSON.stringify(name)},"values":[`));
  });
  textsByView.set(view, { head, features });
  return { head, features };
}

/** Nearly always enough: what is written last is not to need a second buffer. */
function expectedBytes(views: readonly AskedView[], rows: number, read: readonly OnlineColumns[]): number {
  const names = views.reduce((sum, { features }) => sum + 1 + features.length, 1) * 100;
  const times = views.length * rows * 30;
  const texts = read.reduce((sum, { text, statuses }) => sum + text.length + statuses.length * 11, 0);
  return names + times + texts + rows * (longestValue + longestStatus);
}

function countsByStatus(counts: Uint32Array): Map<FeatureStatus, number> {
  return new Map(
    cellStatuses.flatMap((status, number): [FeatureStatus, number][] => {
      const count = counts[number] ?? 0;
      return count > 0 ? [[status, count]] : [];
    }),
  );
}

/** Times as JSON, by microseconds: values of many entities, and of many requests, have the same. */
const instants = new Map<number, string>();
const mostInstants = 10_000;

function instantText(micros: number): string {
  const text = instants.get(micros);
  if (text !== undefined) return text;
  if (instants.size >= mostInstants) instants.clear();
  const made = `"${formatInstant(asEpochMicros(micros))}"`;
  instants.set(micros, made);
  return made;
}

function timesText(asOf: Float64Array): string {
  let text = "";
  for (const time of asOf) text += `,${Number.isNaN(time) ? "null" : instantText(time)}`;
  return text.slice(1);
}

const present = cellStatuses.indexOf("present");
const isNull = cellStatuses.indexOf("null");
const outsideMaxAge = cellStatuses.indexOf("outside_max_age");

/** By the view's own time to live, as the store says, and by the charter's. */
function statusesAt(
  { asOf, statuses }: OnlineColumns,
  { maxAgeMs }: FeaturePlan,
  at: EpochMicros,
): Uint8Array {
  if (maxAgeMs === null) return statuses;
  const rows = asOf.length;
  // NaN is no age.
  const isOld = asOf.map((time) => (at - time > maxAgeMs * 1000 ? 1 : 0));
  return statuses.map((status, cell) =>
    isOld[cell % rows] === 1 && (status === present || status === isNull) ? outsideMaxAge : status,
  );
}

const statusTexts = cellStatuses.map((status) => viewOf(Buffer.from(`"${status}",`)));
/** From so many equal statuses on one long copy costs less than many short ones. */
const longRun = 8;
/** `null`. */
const nullText = 0x6e756c6c;
/** A comma, and the longest double, or status. */
const [longestValue, longestStatus] = [26, 20];
const nullAndComma = 5;
const comma = 0x2c;

interface Cells {
  readonly from: number;
  readonly to: number;
}

/** A text that grows. */
class AnswerBytes {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;

  constructor(expected: number) {
    this.#bytes = Buffer.allocUnsafe(expected);
    this.#view = viewOf(this.#bytes);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  text(text: string): void {
    // No character has more bytes of UTF-8 than three.
    this.#reserve(text.length * 3);
    this.#at += this.#bytes.write(text, this.#at);
  }

  bytesOf(text: DataView): void {
    this.#reserve(text.byteLength);
    copyShort(text, 0, text.byteLength, this.#view, this.#at);
    this.#at += text.byteLength;
  }

  values({ starts, ends }: OnlineColumns, values: DataView, statuses: Uint8Array, { from, to }: Cells): void {
    let texts = 0;
    for (let cell = from; cell < to; cell++)
      if (statuses[cell] === present) texts += (ends[cell] ?? 0) - (starts[cell] ?? 0);
    this.#reserve((to - from) * nullAndComma + texts);
    const view = this.#view;
    let at = this.#at;
    for (let cell = from; cell < to; cell++) {
      if (statuses[cell] === present) {
        const start = starts[cell] ?? 0;
        const length = (ends[cell] ?? 0) - start;
        copyShort(values, start, length, view, at);
        at += length;
      } else {
        view.setUint32(at, nullText);
        at += 4;
      }
      view.setUint8(at++, comma);
    }
    // The last comma is written over.
    this.#at = at - 1;
  }

  /** @param counts of each status; what is written is added */
  statuses(statuses: Uint8Array, { from, to }: Cells, counts: Uint32Array): void {
    this.#reserve((to - from) * longestStatus);
    let at = this.#at;
    for (let cell = from; cell < to; ) {
      const status = statuses[cell] ?? isNull;
      let end = cell + 1;
      while (end < to && statuses[end] === status) end++;
      at += this.#repeat(status, end - cell, at);
      counts[status] = (counts[status] ?? 0) + end - cell;
      cell = end;
    }
    this.#at = at - 1;
  }

  /** Writes a status with its comma some times over; @returns the bytes. */
  #repeat(status: number, times: number, at: number): number {
    const text = statusTexts[status];
    if (!text) return 0;
    const { byteLength } = text;
    if (times > longRun) this.#bytes.set(runOf(status, text, times), at);
    else
      for (let time = 0; time < times; time++)
        copyShort(text, 0, byteLength, this.#view, at + time * byteLength);
    return times * byteLength;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

const runs: Buffer[] = [];

/** The text of a status as often as it stands there. */
function runOf(status: number, text: DataView, times: number): Uint8Array {
  const length = text.byteLength * times;
  let run = runs[status];
  if (!run || run.length < length) {
    const once = new Uint8Array(text.buffer, text.byteOffset, text.byteLength);
    run = Buffer.alloc(length * 2, once);
    runs[status] = run;
  }
  return run.subarray(0, length);
}
