import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { expect, test } from "vitest";
import { startEmbeddedPostgres } from "../src/embedded.ts";
import { migrate, openDatabase } from "../src/index.ts";
import { expectExactlyOnce, killFixture, killUntilDone } from "./kill-suite.ts";

test("jobs killed with kill -9 at random moments finish with each effect exactly once", async () => {
  const fixture = await killFixture();
  try {
    const ids = await killUntilDone(fixture, 4, 3);
    await expectExactlyOnce(fixture, ids);
  } finally {
    await fixture.close();
  }
}, 300_000);

test("PostgreSQL killed with kill -9 recovers everything acknowledged, and the pool finds it again", async () => {
  const fixture = await killFixture();
  let server = fixture.server;
  try {
    const insert = (n: number) =>
      fixture.database.session((session) =>
        session.query("insert into effects values ('kill', $1)", [String(n)]),
      );
    const acknowledged: number[] = [];
    for (let round = 0; round < 3; round++) {
      let go = true;
      const pump = (async () => {
        for (let n = round * 100_000; go; n++) {
          try {
            await insert(n);
            acknowledged.push(n);
          } catch (error) {
            expect(error).toMatchObject({ code: "database.unreachable" });
            return;
          }
        }
      })();
      const before = acknowledged.length;
      while (acknowledged.length < before + 10) await delay(5);
      await delay(Math.random() * 300);
      process.kill(server.pid, "SIGKILL");
      expect((await server.exited).expected).toBe(false);
      go = false;
      await pump;
      server = await startEmbeddedPostgres({ folder: join(fixture.folder, "postgres") });
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(30);
    await using database = await openDatabase({ kind: "postgres", url: server.url });
    const rows = await database.session((session) =>
      session.query<{ step: string }>("select step from effects where job = 'kill'"),
    );
    const kept = new Set(rows.map((row) => Number(row.step)));
    expect(acknowledged.filter((n) => !kept.has(n))).toEqual([]);
    expect(await migrate(database, [ledgerMigrations], systemClock)).toEqual([]);
    // The first pool reconnects by itself: the socket is where it was.
    await insert(-1);
  } finally {
    await fixture.close(server);
  }
}, 300_000);
