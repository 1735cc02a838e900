import { asEpochMicros } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flightsCsv, waitFor } from "../../data/test/data-fixture.ts";
import { readMaterialization, startMaterialization } from "../src/materializations.ts";
import type { ReplayedValues, ReplayRequest } from "../src/replay/replay-resources.ts";
import { replayValues } from "../src/replay/replay-values.ts";
import { readView } from "../src/views.ts";
import { type AccountsFixture, accountsFixture, minute } from "./accounts-fixture.ts";
import { allowParity, readOnline } from "./features-fixture.ts";

/** docs/spec/features.md F24: what was served is derived again from what was online then. */

let f: AccountsFixture;
beforeAll(async () => {
  f = await accountsFixture();
  await allowParity(f);
});
afterAll(() => f.close());

const clock = () => Number(f.db.clock.now());
const replay = (name: string, rows: ReplayRequest["rows"]): Promise<ReplayedValues> =>
  replayValues(f.deps, f.call, name, { environment: "dev", purpose: "parity", rows });
/** Beyond what clocks may differ by. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1_100));

test("values of a log are derived from the records that were online then, whatever came later", async () => {
  const before = clock();
  await pause();
  await f.changes(
    "one.jsonl",
    { account: "a", at: 0, cents: 1, rating: 0.1 },
    { account: "b", at: 0, cents: 2 },
  );
  await f.materialized(10);
  await pause();
  const first = clock();
  await pause();
  // Late: it says that it was known before the first answer.
  await f.changes("two.jsonl", { account: "a", at: 1, cents: 3 }, { account: "b", at: 2, op: "D" });
  await f.materialized(20);
  await pause();
  const second = clock();
  const row = (account: string, at: number, servedAt: number) => ({
    key: [account],
    at: minute(at),
    servedAt,
  });
  const { rows, view } = await replay("accounts", [
    row("a", 10, before),
    row("a", 10, first),
    row("a", 10, second),
    row("b", 10, second),
    row("b", 70, first),
    row("nobody", 10, second),
  ]);
  expect(view).toBe("accounts@1");
  // The log's own fold of a dataset may still be at work beside the materialisation: it is another run, with the same answer.
  const answered = rows.map(
    (answers) => new Set(answers.map(({ status, values }) => `${status} ${String(values["balance"])}`)),
  );
  expect(answered.map((each) => [...each])).toEqual([
    ["not_found null"],
    ["found 1"],
    ["found 3"],
    ["not_found null"],
    ["outside_max_age null"],
    ["not_found null"],
  ]);
  expect(rows[1]?.[0]).toMatchObject({ asOf: minute(0), values: { rating: 0.1, is_overdrawn: 0 } });
});

test("values of windows are derived by the materialisation that was online then", async () => {
  await f.publishExample();
  await f.ingest("flights.csv", flightsCsv(40, 9));
  const stored = await readView(f.deps, f.call, "origin-departures");
  const at = (minutes: number) => asEpochMicros(978_307_200_000_000 + minutes * 60_000_000);
  const asOf = at(11 * 60);
  const { id } = await startMaterialization(f.deps, f.call, "origin-departures", {
    environment: "dev",
    asOf,
  });
  await waitFor(
    () => readMaterialization(f.deps, f.call, id),
    ({ state }) => state === "done",
  );
  await pause();
  const servedAt = clock();
  const moments = [asOf - 1, asOf, asOf + 24 * 3_600_000_000, asOf + 24 * 3_600_000_000 + 1].map(
    asEpochMicros,
  );
  const { rows } = await replay("origin-departures", [
    ...moments.map((moment) => ({ key: ["BOS"], at: moment, servedAt })),
    { key: ["XXX"], at: asOf, servedAt },
  ]);
  const { organisationId } = f.call.actor;
  const view = { organisationId, environment: "dev", view: "origin-departures@1", digest: stored.digest };
  for (const [index, moment] of moments.entries()) {
    const online = await readOnline(f, view, ["BOS"], moment);
    expect(rows[index]).toEqual([
      {
        status: online.status,
        asOf,
        values: Object.fromEntries(Object.entries(online.values).map(([name, { value }]) => [name, value])),
        // Of each value what online says of it (F73).
        statuses: Object.fromEntries(
          Object.entries(online.values).map(([name, { status }]) => [name, status]),
        ),
      },
    ]);
  }
  expect(rows[1]?.[0]?.values["origin_flights_3h"]).toBeGreaterThan(0);
  expect(rows[4]).toMatchObject([
    { status: "not_found", statuses: { origin_flights_3h: "not_found", origin_delay_3h: "not_found" } },
  ]);
});

test("a key of another length is refused with its row", async () => {
  const rows = [{ key: ["a", "b"], at: minute(0), servedAt: minute(0) }];
  await expect(replay("accounts", rows)).rejects.toMatchObject({
    code: "features.view_invalid",
    at: { pointer: "/rows/0/key" },
  });
});

test("more states of a view than one request may have derived are refused unread; who is gone has nothing derived", async () => {
  const from = clock() + 1_000_000_000_000;
  const every = 10_000_000;
  await f.db.database.session((session) =>
    session.query(
      `insert into features.log_folds (id, log_id, last_sequence, as_of, started_at, finished_at)
       select 'many-' || n, (select id from features.logs limit 1), 1000 + n, 0, $1::bigint + n * $2::bigint, $1::bigint + n * $2::bigint
       from generate_series(0, 39) as n`,
      [from, every],
    ),
  );
  const rows = Array.from({ length: 40 }, (_, n) => ({
    key: ["a"],
    at: minute(10),
    servedAt: asEpochMicros(from + n * every + every / 2),
  }));
  await expect(replay("accounts", rows)).rejects.toMatchObject({
    code: "features.replay_too_large",
    detail: "the rows may have been served from 40 states of the view, and one request derives 32 at most",
  });
  const few = { environment: "dev", purpose: "parity", rows: rows.slice(0, 2) } as const;
  const gone = { ...f.deps, signal: AbortSignal.abort() };
  await expect(replayValues(gone, f.call, "accounts", few)).rejects.toMatchObject({
    code: "data.analysis_cancelled",
  });
  expect((await replay("accounts", rows.slice(0, 2))).rows.map(([one]) => one?.status)).toEqual([
    "found",
    "found",
  ]);
});
