import type { OnlineColumns } from "@portolan/features/contract";
import { cellStatuses } from "@portolan/features/policy";
import { asEpochMicros, type EpochMicros, formatInstant } from "@portolan/kernel";
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
 * @param read one per view
 */
export function writeFeatures(
  asked: { readonly endpoint: string; readonly plan: FeaturePlan; readonly views: readonly AskedView[] },
  rows: number,
  read: readonly OnlineColumns[],
  at: EpochMicros,
): FeaturesAnswer {
  const { endpoint, plan, views } = asked;
  const out = new AnswerBytes(
    read.reduce((sum, { text, statuses }) => sum + text.length + statuses.length * 11, 512),
  );
  const time = instantTexts();
  const head = `{"endpoint":${JSON.stringify(endpoint)},"service":${JSON.stringify(plan.service)}`;
  out.text(`${head},"at":${time(at)},"rows":${rows},"views":[`);
  const counts = new Uint32Array(cellStatuses.length);
  for (const [index, view] of views.entries()) {
    const columns = read[index];
    if (!columns) continue;
    const times = Array.from(columns.asOf, (asOf) => (Number.isNaN(asOf) ? "null" : time(asOf)));
    const comma = index === 0 ? "" : ",";
    out.text(`${comma}{"name":${JSON.stringify(view.name)},"event_times":[${times.join()}],"features":[`);
    const statuses = statusesAt(columns, plan, at);
    for (const [feature, name] of view.features.entries()) {
      out.text(`${feature === 0 ? "" : ","}{"name":${JSON.stringify(name)},"values":[`);
      const cells = { from: feature * rows, to: (feature + 1) * rows };
      out.values(columns, statuses, cells);
      out.text('],"statuses":[');
      out.statuses(statuses, cells, counts);
      out.text("]}");
    }
    out.text("]}");
  }
  out.text("]}");
  return { body: out.bytes(), counts: countsByStatus(counts) };
}

function countsByStatus(counts: Uint32Array): Map<FeatureStatus, number> {
  return new Map(
    cellStatuses.flatMap((status, number): [FeatureStatus, number][] => {
      const count = counts[number] ?? 0;
      return count > 0 ? [[status, count]] : [];
    }),
  );
}

/** Times as JSON; many rows have the same. */
function instantTexts(): (micros: number) => string {
  const known = new Map<number, string>();
  return (micros) => {
    const text = known.get(micros) ?? `"${formatInstant(asEpochMicros(micros))}"`;
    known.set(micros, text);
    return text;
  };
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

const statusTexts = cellStatuses.map((status) => Buffer.from(`,"${status}"`));
const nullText = Buffer.from("null");
/** A comma, and the longest double, `null`, or status. */
const [longestValue, longestStatus] = [26, 20];
const comma = 0x2c;

interface Cells {
  readonly from: number;
  readonly to: number;
}

/** A text that grows. */
class AnswerBytes {
  #bytes: Buffer;
  #at = 0;

  constructor(expected: number) {
    this.#bytes = Buffer.allocUnsafe(expected);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  text(text: string): void {
    // No character has more bytes of UTF-8 than three.
    this.#reserve(text.length * 3);
    this.#at += this.#bytes.write(text, this.#at);
  }

  values({ starts, ends, text }: OnlineColumns, statuses: Uint8Array, { from, to }: Cells): void {
    this.#reserve((to - from) * longestValue);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let cell = from; cell < to; cell++) {
      if (cell > from) bytes[at++] = comma;
      const isPresent = statuses[cell] === present;
      const source = isPresent ? text : nullText;
      const end = isPresent ? (ends[cell] ?? 0) : nullText.length;
      // A call to copy some bytes costs more than a few turns of a loop.
      for (let place = isPresent ? (starts[cell] ?? 0) : 0; place < end; place++)
        bytes[at++] = source[place] ?? 0;
    }
    this.#at = at;
  }

  /** @param counts of each status; what is written is added */
  statuses(statuses: Uint8Array, { from, to }: Cells, counts: Uint32Array): void {
    this.#reserve((to - from) * longestStatus);
    let at = this.#at;
    for (let cell = from; cell < to; ) {
      const status = statuses[cell] ?? isNull;
      let end = cell + 1;
      while (end < to && statuses[end] === status) end++;
      const run = runOf(status, end - cell);
      const skipped = cell === from ? 1 : 0;
      this.#bytes.set(skipped === 1 ? run.subarray(1) : run, at);
      at += run.length - skipped;
      counts[status] = (counts[status] ?? 0) + end - cell;
      cell = end;
    }
    this.#at = at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

const runs: Buffer[] = [];

/** The text of a status as often as it stands there, each with a comma before it. */
function runOf(status: number, length: number): Uint8Array {
  const text = statusTexts[status] ?? nullText;
  let run = runs[status];
  if (!run || run.length < text.length * length) {
    run = Buffer.alloc(text.length * Math.max(16, length * 2), text);
    runs[status] = run;
  }
  return run.subarray(0, text.length * length);
}
