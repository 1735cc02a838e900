import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { publishContract, startIngestion } from "../../packages/data/src/index.ts";
import { type DataFixture, dataFixture } from "../../packages/data/test/data-fixture.ts";
import { type RunningService, requireService, startPostgres } from "../../tools/services.ts";

const program = await requireService("postgresql");

const contract = `apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    customProperties:
      - { property: portolan.maxBadShare, value: 0.9 }
      - { property: portolan.eventTime, value: paid_at }
    properties:
      - { name: id, logicalType: integer, primaryKey: true }
      - { name: exact, physicalName: "Amount", logicalType: string }
      - { name: amount, physicalName: "near", logicalType: number }
      - { name: paid_at, logicalType: timestamp, required: true }
      - { name: wall, logicalType: timestamp, logicalTypeOptions: { timezone: false } }
      - { name: day, logicalType: date }
      - { name: open, logicalType: boolean }
      - { name: tags, logicalType: array }
      - { name: more, logicalType: object }
      - { name: note, logicalType: string }
`;

/** It takes connections a moment before it answers. */
async function connected(port: number): Promise<Client> {
  for (let tries = 0; ; tries += 1) {
    const client = new Client({ host: "127.0.0.1", port, user: "portolan", database: "postgres" });
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

describe.skipIf(program === undefined)("tables of PostgreSQL as a source", () => {
  let f: DataFixture;
  let server: RunningService;
  let sql: Client;

  beforeAll(async () => {
    server = await startPostgres(program ?? "");
    sql = await connected(server.port);
    await sql.query(`
      set timezone = 'Asia/Kathmandu';
      create table public.orders (id bigint primary key, "Amount" numeric, near double precision, paid_at timestamptz, wall timestamp,
        day date, open boolean, tags text[], more jsonb, note text, secret text);
      insert into public.orders
        select n, 0.1::numeric + n, n / 3.0, timestamptz '2026-01-01 00:00:00.000001+00' + n * interval '1 minute', timestamp '2026-01-01 10:00:00.5',
          date '2026-01-31', n % 2 = 0, array['a', null, 'b"c'], jsonb '{"k": [1, 2]}', case when n % 3 = 0 then E'two\\nlines, "quoted" \\x01\\x02 \\\\ é' end, 'hidden'
        from generate_series(1, 5000) n;
      insert into public.orders (id, "Amount", paid_at, note) values (9007199254740993, 12345678901234567890.123456789, 'infinity', ''),
        (-1, 'NaN', null, 'null event time');
      create view public.large as select id, paid_at from public.orders;
      create table public.writes (n integer);
      create function public.write() returns bigint language sql as 'insert into public.writes values (1) returning 1::bigint';
      create view public.writing as select write() as id;
      create role reader login;
      grant select on public.orders, public.large, public.writing to reader;
      create table public.locked (id bigint);
    `);
    f = await dataFixture();
    const reader = {
      kind: "postgresql",
      host: "127.0.0.1",
      port: server.port,
      database: "postgres",
      user: "reader",
      relations: ["public.*"],
    };
    await f.connect("warehouse", reader);
    await f.connect("small", { ...reader, relations: ["public.large"], maxRows: 5001 });
    await f.connect("gone", { ...reader, port: 1 });
    await publishContract(f.deps, f.call, "orders", { document: contract });
  });
  afterAll(async () => {
    await f?.close();
    await sql?.end();
    await server?.[Symbol.asyncDispose]();
  });

  const ingest = async (connection: string, relation: string) => {
    const sources = [{ connection, relation }];
    const { id } = await startIngestion(f.deps, f.call, { contract: "orders", environment: "dev", sources });
    return f.settled(id);
  };

  test("values come as they are: numerics to the digit, instants in UTC microseconds, nulls apart from empty texts (D24)", async () => {
    const done = await ingest("warehouse", "public.orders");
    expect(done).toMatchObject({
      state: "published",
      counts: { accepted: 5000, quarantined: 2, deadLetters: 0 },
      rules: { "paid_at.type": 1, "paid_at.required": 1 },
      drift: { added: ["secret"], missing: [], changed: [] },
    });
    const [first, , third] = await f.rowsOf(await objectOf(done.datasetId));
    expect(first).toMatchObject({
      id: "1",
      exact: "1.1",
      amount: 1 / 3,
      paid_at: String(Date.UTC(2026, 0, 1, 0, 1) * 1000 + 1),
      wall: String(Date.UTC(2026, 0, 1, 10) * 1000 + 500_000),
      open: false,
      tags: '["a",null,"b\\"c"]',
      note: null,
    });
    expect(JSON.parse(String(first?.["more"]))).toEqual({ k: [1, 2] });
    expect(third?.["note"]).toBe('two\nlines, "quoted" \u0001\u0002 \\ é');
    const kept = (await f.rowsOf(done.quarantine)).map(({ raw }) => JSON.parse(String(raw)) as object);
    expect(kept).toContainEqual(
      expect.objectContaining({
        id: "9007199254740993",
        exact: "12345678901234567890.123456789",
        paid_at: "infinity",
        note: "",
      }),
    );
    // A second reading of the same rows publishes nothing a second time.
    expect((await ingest("warehouse", "public.orders")).datasetId).toBe(done.datasetId);
  });

  test("a table that changed its type upstream is named as drift, and one without a needed column is refused unread (D24)", async () => {
    await sql.query(`alter table public.orders alter column "Amount" type text`);
    await sql.query("update public.orders set open = null where id = 1");
    const changed = await ingest("warehouse", "public.orders");
    expect(changed.drift?.changed).toEqual([{ column: "Amount", before: "numeric", after: "text" }]);
    await sql.query("create table public.bare (id bigint, note text); grant select on public.bare to reader");
    const bare = await ingest("warehouse", "public.bare");
    expect(bare.state).toBe("refused");
    expect(bare.failures?.[0]).toMatch(/^public\.bare lacks paid_at; it has id, note/);
  });

  test("a json document of many lines is one row, in arrays and composite types too, its members in their order", async () => {
    await sql.query(`
      create type public.detail as (of json);
      create table public.documents (id bigint, paid_at timestamptz, tags json[], more public.detail);
      insert into public.documents values (1, now() - interval '1 hour', array[E'{\\n"t":\\r\\n1}'::json],
        row(E'{\\n  "z": 1.10,\\r\\n  "a": "two\\\\nlines"\\n}'::json)::public.detail);
      grant select on public.documents to reader;
    `);
    const done = await ingest("warehouse", "public.documents");
    expect(done.counts).toEqual({ accepted: 1, quarantined: 0, deadLetters: 0 });
    const [row] = await f.rowsOf(await objectOf(done.datasetId));
    expect(JSON.parse(String(row?.["tags"]))).toEqual([{ t: 1 }]);
    expect(row?.["more"]).toMatch(/"z".*"a"/);
    expect(JSON.parse(String(row?.["more"]))).toEqual({ of: { z: 1.1, a: "two\nlines" } });
  });

  test("names of columns are matched in upper and lower case, as they are judged", async () => {
    await sql.query(`
      create table public.spelt ("ID" bigint, "Paid_At" timestamptz, amount numeric, "NEAR" real);
      insert into public.spelt values (7, now() - interval '1 hour', 1.50, 2);
      grant select on public.spelt to reader;
    `);
    const done = await ingest("warehouse", "public.spelt");
    expect(done.counts).toEqual({ accepted: 1, quarantined: 0, deadLetters: 0 });
    const [row] = await f.rowsOf(await objectOf(done.datasetId));
    expect(row).toMatchObject({ id: "7", exact: "1.50", amount: 2 });
  });

  test("what is larger than its connection allows is refused whole, and what may not be read says why", async () => {
    expect((await ingest("small", "public.large")).failures).toEqual([
      expect.stringContaining("public.large has more than 5001 rows, and none was taken"),
    ]);
    for (const [relation, why] of [
      ["public.locked", "its user may not read that (42501)"],
      ["public.nothing", "there is no such table or view (42P01)"],
      ["public.writing", "reading it would write (25006)"],
    ] as const)
      expect((await ingest("warehouse", relation)).failures?.[0]).toContain(why);
    expect((await sql.query("select * from public.writes")).rows).toEqual([]);
    expect((await ingest("gone", "public.orders")).failures?.[0]).toContain("failed: ECONNREFUSED");
    await expect(ingest("small", "public.orders")).rejects.toMatchObject({
      code: "data.connection_unusable",
    });
    expect(f.refusals).toContain("small: it does not list public.orders");
  });

  async function objectOf(datasetId: string | undefined): Promise<string | undefined> {
    const [row] = await f.db.database.session((session) =>
      session.query<{ object: string }>("select object from data.datasets where id = $1", [datasetId]),
    );
    return row?.object;
  }
});
