import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { expect, test } from "vitest";
import { mostRecentPerEntity } from "../src/events/entity-windows.ts";
import { askedLines, derivedWindows, stateReplay } from "../src/replay/replay-plan.ts";
import { eventView } from "./event-world.ts";

test("a replay says of which entities online may keep fewer events than their windows reach, and of no others (F35)", async () => {
  const folder = await mkdtemp(join(tmpdir(), "portolan-replay-cut-"));
  try {
    const view = eventView();
    const file = join(folder, "asked.jsonl");
    const keys = ["many", "enough", "none"];
    await writeFile(
      file,
      askedLines(keys.map((key, row) => ({ row, key: [key], at: 50, position: 0, request: [] }))),
    );
    // One more than online keeps event by event, and exactly as many.
    const lines = (key: string, count: number) =>
      `select range + 1 as sequence, 45 as event, 45 as available, false as tombstone, null::bigint as withdraws, '${key}' as k0, '${key}' || range as id,
        1::bigint as v0, 1::bigint as v1, 1::double as v2, 1::bigint as v3, 'a' as v4 from range(${count})`;
    const { rows } = await createDuckDbEngine().run({
      statements: [
        {
          sql: `create table lines as ${lines("many", mostRecentPerEntity + 1)} union all ${lines("enough", mostRecentPerEntity)}`,
        },
        ...stateReplay(view, file, ["lines"]),
      ],
      readable: [],
      workFolder: folder,
      threads: 1,
    });
    const derived = rows["answers_0"]?.map((row) => derivedWindows(view, row, 50, 50));
    expect(derived?.map(({ mayBeCut }) => mayBeCut)).toEqual([true, undefined, undefined]);
    expect(derived?.map(({ values, statuses }) => [values["n_short"], statuses["least"]])).toEqual([
      [mostRecentPerEntity + 1, "present"],
      [mostRecentPerEntity, "present"],
      [0, "null"],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
