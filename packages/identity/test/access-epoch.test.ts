import { aCall } from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAccessEpoch, EpochMemory } from "../src/access-epoch.ts";
import { bootstrapped, openInstallation } from "./installation.ts";

type Installation = Awaited<ReturnType<typeof openInstallation>>;
let one: Installation;
beforeAll(async () => {
  one = await openInstallation();
});
afterAll(() => one.close());

test("every table of identity moves the epoch, whichever way it is changed", async () => {
  const rows = await one.database.database.session((session) =>
    session.query<{ name: string }>(
      `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = 'identity' and c.relkind = 'r' and not exists (
         select 1 from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'access_epoch') order by 1`,
    ),
  );
  expect(rows.map(({ name }) => name)).toEqual(["access_epoch"]);
});

test("a change moves it with its own transaction, a rolled back one does not, and the time of a key's use never", async () => {
  const epoch = createAccessEpoch(one.database.sql, one.clock);
  const before = await epoch.now();
  const change = "update identity.organisations set display_name = display_name";
  await one.database.database.session((session) => session.script(`begin; ${change}; rollback;`));
  await one.database.database.session((session) =>
    session.script("update identity.api_keys set last_used_at = 1"),
  );
  expect(await epoch.now()).toBe(before);
  await one.database.database.session((session) => session.script(change));
  expect(await epoch.now()).toBeGreaterThan(before);
});

test("who asks after a change never learns the epoch from before it, however many ask at once", async () => {
  const epoch = createAccessEpoch(one.database.sql, one.clock);
  const asked: Promise<number>[] = [epoch.now(), epoch.now()];
  await one.database.database.session((session) =>
    session.script("update identity.organisations set display_name = display_name"),
  );
  const changed = await one.database.uow.read(aCall({}), async () => undefined).then(() => epoch.now());
  asked.push(epoch.now(), epoch.now());
  const seen = await Promise.all(asked);
  expect(seen.slice(2)).toEqual([changed, changed]);
  expect(Math.max(...seen)).toBe(changed);
});

test("what is remembered is of one epoch, and of bounded number", () => {
  const memory = new EpochMemory<string>(2);
  memory.set(1, "a", "old");
  memory.set(2, "a", "new");
  expect([memory.get(1, "a"), memory.get(2, "a")]).toEqual([undefined, "new"]);
  // Read at an epoch that was over when it came.
  memory.set(1, "b", "late");
  expect([memory.get(1, "b"), memory.get(2, "b")]).toEqual([undefined, undefined]);
  memory.set(2, "b", "x");
  memory.set(2, "c", "x");
  expect([memory.get(2, "a"), memory.get(2, "c")]).toEqual([undefined, "x"]);
});

test("a role that is taken away, and a principal that is disabled, count at the very next request, whoever changed it", async () => {
  await bootstrapped(one);
  const { token } = await one.token("ada");
  const ask = async (): Promise<number> => (await one.call("GET", "/v1/users", token)).status;
  const change = (text: string) => one.database.database.session((session) => session.script(text));
  expect([await ask(), await ask()]).toEqual([200, 200]);
  await change("update identity.role_bindings set revoked_at = 1");
  expect(await ask()).toBe(403);
  await change("update identity.role_bindings set revoked_at = null");
  expect(await ask()).toBe(200);
  await change("update identity.users set disabled_at = 1");
  expect(await ask()).toBe(401);
});
