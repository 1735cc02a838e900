import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import type { Digest } from "@portolan/kernel";
import fc from "fast-check";
import { sql as text } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { earlyLines, earlyTable, stateRelation } from "../src/replay/early-plan.ts";
import { askedLines, derivedOf, derivedWindows, stateReplay } from "../src/replay/replay-plan.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import type { LogView } from "../src/view-model.ts";
import { bad, type Departure, type EarlyDoor, minute, openDoor } from "./early-door.ts";
import { eventView, naiveValues, type Reading } from "./event-world.ts";
import { allowParity } from "./features-fixture.ts";
import { naiveAnswers, type Scheduled, textLiteral, valueView } from "./log-world.ts";
import { aValuesDay, aWindowsDay, rowOfReading, rowOfRecord } from "./online-store/early-world.ts";

/** docs/spec/features.md F57: what was served of accepted events is derived again, whatever became of their batch. */

/** States of a view: so many rows of a log, and so many accepted events after them. */
interface States {
  readonly view: LogView;
  /** Columns of the log as SQL, and its rows. */
  readonly log: { readonly columns: string; readonly rows: readonly (readonly unknown[])[] };
  readonly accepted: Parameters<typeof earlyLines>[2];
  readonly states: readonly { readonly position: number; readonly upTo: number }[];
  readonly probes: readonly { readonly key: string; readonly at: number }[];
}

const engine = createDuckDbEngine();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-early-parity-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** By state, the rows of its answer in the order of the probes. */
async function derivedStates({ view, log, accepted, states, probes }: States) {
  const early = join(folder, "early.jsonl");
  await writeFile(early, earlyLines(view, 0, accepted));
  const asked = join(folder, "asked.jsonl");
  const questions = states.flatMap((_, position) =>
    probes.map(({ key, at }, probe) => ({
      row: position * probes.length + probe,
      key: [key],
      at,
      position,
      request: [],
    })),
  );
  await writeFile(asked, askedLines(questions));
  const literal = (cell: unknown) =>
    typeof cell === "string"
      ? textLiteral(cell)
      : typeof cell === "number" && !Number.isInteger(cell)
        ? `'${cell}'::double`
        : String(cell);
  const values = log.rows.map((row) => `(${row.map(literal).join(", ")})`).join(", ");
  const { rows } = await engine.run({
    statements: [
      earlyTable(view, [early]),
      { sql: `create table lines (${log.columns})` },
      ...(values === "" ? [] : [{ sql: `insert into lines values ${values}` }]),
      ...stateReplay(
        view,
        asked,
        states.map((state) => stateRelation(view, { ...state, runs: [0] })),
      ),
    ],
    readable: [],
    workFolder: folder,
    threads: 2,
  });
  return states.map((_, index) => rows[`answers_${index}`] ?? []);
}

describe("states of accepted events over a log are derived as the definition has them", () => {
  test("of values", async () => {
    const view = valueView();
    await fc.assert(
      fc.asyncProperty(aValuesDay, fc.infiniteStream(fc.nat()), async ({ schedule }, cuts) => {
        const { records } = schedule;
        const cut = (cuts.next().value ?? 0) % (records.length + 1);
        const numbered = (some: readonly Scheduled[]) =>
          some.map((record, index) => ({ ...record, sequence: index + 1 }));
        const folded = numbered(records.slice(0, cut));
        const accepted = records.slice(cut);
        const states = [0, 1, 2, 5, accepted.length].map((upTo) => ({ position: cut, upTo }));
        const probes = schedule.probes.map(({ account, at }) => ({ account: account ?? "nobody", at }));
        const found = await derivedStates({
          view,
          log: {
            columns:
              "sequence bigint, event bigint, available bigint, tombstone boolean, k0 varchar, v0 bigint, v1 double, v2 varchar",
            rows: folded.map(({ sequence, event, available, isTombstone, account, values }) => [
              sequence,
              event,
              available,
              isTombstone,
              account,
              ...values,
            ]),
          },
          accepted: accepted.map((record, index) => ({ accepted: index + 1, values: rowOfRecord(record) })),
          states,
          probes: probes.map(({ account, at }) => ({ key: account, at })),
        });
        for (const [index, { upTo }] of states.entries()) {
          const known = numbered([...folded, ...accepted.slice(0, upTo)]);
          const answers = found[index]?.map((row) => {
            const { status, values } = derivedOf(view, row);
            return { status, values: [values["balance"], values["rating"], values["carrier"]] };
          });
          expect(answers).toEqual(naiveAnswers({ records: known, probes, restarts: [] }));
        }
      }),
      { numRuns: 12 },
    );
  });

  test("of windows", async () => {
    const view = eventView();
    await fc.assert(
      fc.asyncProperty(aWindowsDay, fc.integer({ min: 0, max: 3 }), async ({ batches, probes }, cut) => {
        const before = batches.slice(0, cut);
        const accepted = batches.slice(cut).flat();
        const folded = before.flat();
        const states = [0, 1, 7, accepted.length].map((upTo) => ({ position: folded.length, upTo }));
        const found = await derivedStates({
          view,
          log: {
            columns:
              "sequence bigint, event bigint, available bigint, tombstone boolean, k0 varchar, v0 bigint, v1 bigint, v2 double, v3 bigint, v4 varchar, id varchar, withdraws bigint",
            rows: folded.map(loggedRow).filter((row) => row[3] === true || row[4] !== null),
          },
          accepted: accepted.map((row, index) => ({ accepted: index + 1, values: rowOfReading(row) })),
          states,
          probes: probes.map(({ station, at }) => ({ key: station, at })),
        });
        for (const [index, { upTo }] of states.entries()) {
          const expected = naiveValues({ batches: [...before, accepted.slice(0, upTo)], probes });
          const answers = found[index]?.map((row, probe) =>
            Object.values(derivedWindows(view, row, probes[probe]?.at ?? 0, 10_000).values),
          );
          expect(answers).toEqual(expected);
        }
      }),
      { numRuns: 8 },
    );
  });
});

function loggedRow({ id, station, ts, known, gone, v, f, c }: Reading, index: number): unknown[] {
  const tenths = f === null || Math.abs(f) > 1e17 ? null : Math.floor(f * 10 + 0.5);
  const high = v !== null && v > 1n ? 1 : null;
  return [index + 1, ts, Math.max(ts, known), gone, station, high, v, f, tenths, c, id, null];
}

describe("over the door", () => {
  let door: EarlyDoor;
  beforeAll(async () => {
    door = await openDoor();
    await allowParity(door.f);
  });
  afterAll(() => door.f.close());

  const clock = () => Number(door.f.deps.clock.now());
  /** What may have been served of an airport, and of which rows that cannot be told. */
  async function derived(of: { readonly at: number; readonly airport: string; readonly servedAt: number }) {
    const rows = [{ key: [of.airport], at: minute(of.at), servedAt: of.servedAt }];
    const order = { environment: "dev", purpose: "parity", rows } as const;
    const stated = await replayValues(door.f.deps, door.f.call, "delays", order);
    const windowed = await replayValues(door.f.deps, door.f.call, "airports", order);
    return {
      stated: new Set(stated.rows[0]?.map(({ values }) => values["delay"])),
      windowed: new Set(
        windowed.rows[0]?.map(({ values }) => `${values["flights_1h"]} ${values["worst_1h"]}`),
      ),
      undecided: [...(stated.undecidedReasons ?? []), ...(windowed.undecidedReasons ?? [])],
    };
  }
  const said = (delay: number, at: number, airport = "m"): Departure => ({
    flight: "m1",
    airport,
    at,
    delay,
  });

  test("of several events of one batch that say the same thing anew, each state between them is compared, and no other", async () => {
    const seen: { readonly servedAt: number; readonly found: unknown[] }[] = [];
    for (const delay of [10, 30, 20]) {
      await door.post([said(delay, 60)]);
      seen.push({ servedAt: clock(), found: await door.found(60, "m") });
    }
    await door.post([{ flight: "m2", airport: "m", at: 59, delay: 70 }]);
    seen.push({ servedAt: clock(), found: await door.found(60, "m") });
    expect(seen.map(({ found }) => found)).toEqual([
      [1, 10, 10],
      [1, 30, 30],
      [1, 20, 20],
      [2, 70, 20],
    ]);
    const compare = async () => {
      for (const { servedAt, found } of seen) {
        const { stated, windowed, undecided } = await derived({ at: 60, airport: "m", servedAt });
        expect(undecided).toEqual([]);
        expect(stated).toContain(found[2]);
        expect(windowed).toContain(`${String(found[0])} ${String(found[1])}`);
        // None that no order of these events has.
        const possible: unknown[] = [null, 10, 20, 30];
        expect([...stated].every((value) => possible.includes(value ?? null))).toBe(true);
        expect(windowed).not.toContain("2 30");
        expect(windowed).not.toContain("2 10");
      }
    };
    // While they wait, and once the log has them.
    await compare();
    await door.settled();
    await compare();
  });

  test("events of a batch that was refused are compared too; without its source they are not, and that is said (F67)", async () => {
    await door.post([said(44, 100, "r"), bad, bad]);
    const servedAt = clock();
    expect((await door.found(100, "r"))[2]).toBe(44);
    await door.settled();
    const kept = await derived({ at: 100, airport: "r", servedAt });
    expect(kept.undecided).toEqual([]);
    expect(kept.stated).toContain(44);
    expect(kept.windowed).toContain("1 44");
    await removeSources();
    const gone = await derived({ at: 100, airport: "r", servedAt });
    expect(gone.undecided).toEqual([
      { row: 0, reason: "source_gone" },
      { row: 0, reason: "source_gone" },
    ]);
    expect(gone.stated).not.toContain(44);
  });

  test("of more events than are gone through it is said; what comes to be known later, and what is another's, is none of them (F67)", async () => {
    const many = Array.from({ length: 97 }, (_, n) => said(n, 200, "n"));
    await door.post(many.map((one, n) => ({ ...one, flight: `n${n}` })));
    await door.post([
      { flight: "o1", airport: "o", at: 200, delay: 3 },
      ...many.map((one, n) => ({ ...one, flight: `o${n}`, airport: "o", known: 300 })),
    ]);
    const servedAt = clock();
    const crowded = await derived({ at: 200, airport: "n", servedAt });
    expect(crowded.undecided).toEqual([
      { row: 0, reason: "too_many_events" },
      { row: 0, reason: "too_many_events" },
    ]);
    const calm = await derived({ at: 200, airport: "o", servedAt });
    expect(calm.undecided).toEqual([]);
    expect(calm.stated).toContain(3);
    await door.settled();
  });

  /** What retention does in time. */
  async function removeSources(): Promise<void> {
    const { rows } = await door.f.deps.uow.read(door.f.call, (sql) =>
      text<{
        object: string;
      }>`select s ->> 'object' as object from data.ingestions, jsonb_array_elements(sources) as s
        where s ->> 'format' = 'events'`.execute(sql.withTables<Record<never, never>>()),
    );
    for (const { object } of rows) await door.f.deps.objects.remove(object as Digest);
  }
});
