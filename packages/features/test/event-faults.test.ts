import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as EntityWindows from "../src/events/entity-windows.ts";
import { windowLogStatements } from "../src/events/window-log-plan.ts";
import { aStream, foldedStream, naiveStream } from "./event-stream.ts";
import {
  aDelivery,
  type EventPlan,
  eventView,
  naiveValues,
  plannedValues,
  together,
  writeLog,
} from "./event-world.ts";
import { edited } from "./faulty-copy.ts";

/** Each fault that windows over a stream are known for is put into our own code: the comparisons of event-*.test.ts must see it. */

const foldFaults: Readonly<Record<string, readonly [string, string]>> = {
  "the far edge counts": ["if (event > start)", "if (event >= start)"],
  "the far edge is rounded to a tile": ["if (number > edge)", "if (number >= edge)"],
  "the far edge loses its tile": ["else if (number === edge)", "else if (number === edge - 1)"],
  "what is known at the very moment does not count": ["available <= at &&", "available < at &&"],
  "an event counts before it was available": ["available <= at && ", ""],
  "a correction counts beside what it corrects": [" && (until === null || at < until)", ""],
  "a correction holds a microsecond late": ["at < until", "at <= until"],
  "a correction holds from when its event was": [
    "const until = Math.min(available,",
    "const until = Math.min(event,",
  ],
  "what is withdrawn stays in its tile": ["known ?? tiles.take(event, sequence)", "known"],
  "a tile that lost an event is not added up anew": ["tile.sum = undefined;", ""],
  "a page that comes twice counts twice": ["if (line.sequence <= folded) continue;", ""],
  "what is not visible yet settles": [
    "until === null && available <= exactFrom",
    "until === null || exactFrom < 0",
  ],
  "what settles is lost": ["tiles.add([event, available, sequence, values])", "void values"],
  "a window forgets its first tile": [
    "const isPast = end - 1 <= ",
    "const isPast = end - 1 - this.#shape.tileMicros <= ",
  ],
};

/** Of what tiles add up to. */
const aggregateFaults: Readonly<Record<string, readonly [string, string]>> = {
  "of two newest values the first that came stays": [
    "order > 0 || (order === 0 && value > known.value)",
    "order > 0",
  ],
  "a newest value of a tile hides those after it": ["...(other[8] ?? [])", ""],
  "the newest values are one too few": [
    "if (newest.length > most) newest.pop();",
    "if (newest.length >= most && most > 2) newest.pop();",
  ],
  "the nth newest is the one before it": [
    "of.newest[nth - 1]?.value",
    "of.newest[Math.max(nth - 2, 0)]?.value",
  ],
};

const streams = fc.sample(aStream, { seed: 11, numRuns: 20 });
const expected = streams.map((stream) => JSON.stringify(naiveStream(stream)));
const answered = (executor?: typeof EntityWindows): string[] =>
  streams.map((stream) => JSON.stringify(foldedStream(stream, executor).answers));

describe("every known fault of the fold is caught", () => {
  const source = new URL("../src/events/", import.meta.url);
  /** The fold, with an edit in one of its two files. */
  const withFault = async (folder: string, faulty: string, edit: readonly [string, string]) => {
    for (const file of ["aggregate.ts", "entity-windows.ts"]) {
      const text = await readFile(new URL(file, source), "utf8");
      const moved = text.replaceAll(/"(\.\.\/windows\/.*|\.\/whole)\.ts"/g, (_, path: string) =>
        JSON.stringify(new URL(`${path}.ts`, source).href),
      );
      await writeFile(join(folder, file), file === faulty ? edited(moved, edit) : moved);
    }
    return createRequire(import.meta.url)(join(folder, "entity-windows.ts")) as typeof EntityWindows;
  };
  const faults = [
    ...Object.entries(foldFaults).map(([name, edit]) => [name, "entity-windows.ts", edit] as const),
    ...Object.entries(aggregateFaults).map(([name, edit]) => [name, "aggregate.ts", edit] as const),
  ];
  test.for(faults)("%s", async ([, file, edit]) => {
    const folder = await mkdtemp(join(tmpdir(), "portolan-fault-"));
    try {
      expect(answered(await withFault(folder, file, edit))).not.toEqual(expected);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("and the fold as it is passes", () => {
    expect(answered()).toEqual(expected);
  });
});

const planFaults: Readonly<Record<string, readonly [string, string]>> = {
  "a correction counts beside what it corrects": ["least(event + 60, until)", "event + 60"],
  "of two corrections the later one counts": ["min(available) as until", "max(available) as until"],
  "a tombstone is an event": ["v.withdraws is null and not v.tombstone", "v.withdraws is null"],
  "a withdrawal is an event": ["v.withdraws is null and not v.tombstone", "not v.tombstone"],
  "the far edge counts": ["least(event + 10, until)", "least(event + 11, until)"],
  "the far edge is rounded to a hop": ["least(event + 60, until)", "least((event // 5) * 5 + 60, until)"],
  "an event counts before it was available": ["available as t, 0 as probe", "event as t, 0 as probe"],
  "picks ignore corrections": ["least(e.event + 60, e.until)", "e.event + 60"],
  "units are taken for ones": ["::double / '10'::double", "::double / '1'::double"],
  "the nth newest is counted from the oldest": ["'DESC')[3]", "'ASC')[3]"],
  "a node keeps too few of the newest": [", 3) filter", ", 2) filter"],
  "the nth newest is the one before it": ["'DESC')[2]", "'DESC')[1]"],
};

test("every known fault of the batch plan is caught, and the plan as it is passes", async () => {
  const view = eventView();
  const delivery = together(fc.sample(aDelivery, { seed: 5, numRuns: 60 }));
  const log = await writeLog(view, delivery.batches, delivery.probes);
  try {
    const faulty = Object.values(planFaults).map(
      (edit): EventPlan =>
        (input) => {
          let isDone = false;
          const statements = windowLogStatements(input).map((statement) => {
            if (!statement.sql.includes(edit[0])) return statement;
            isDone = true;
            return { ...statement, sql: edited(statement.sql, edit) };
          });
          if (!isDone) throw new Error(`there is no ${edit[0]} to replace`);
          return statements;
        },
    );
    const upTo = delivery.batches.length;
    const [sound, ...others] = await plannedValues(view, log, upTo, windowLogStatements, ...faulty);
    const naive = naiveValues(delivery);
    expect(sound).toEqual(naive);
    const text = JSON.stringify(naive);
    expect(Object.keys(planFaults).filter((_, index) => JSON.stringify(others[index]) === text)).toEqual([]);
  } finally {
    await log.close();
  }
});
