import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { asEpochMicros as t } from "@portolan/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { foldAll, foldHeader, folds, pagesOf, recordOf, recordsPerFold } from "./made-up-log.ts";
import { header, type OpenWorld, readOne, rowsOf, type StoreWorld } from "./store-world.ts";

/** What every driver of the port `OnlineStore` holds where several processes are on one store, some of them killed: F9, F18. */
export function processesSuite(openWorld: OpenWorld): void {
  let world: StoreWorld;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await ended(child, "SIGKILL");
    await world[Symbol.asyncDispose]();
  });

  const program = fileURLToPath(new URL("./store-child.ts", import.meta.url));
  const start = (mode: string, { address }: StoreWorld = world): ChildProcess => {
    const child = spawn(process.execPath, [program, mode, address], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    return child;
  };

  test("a reader in another process never sees half a replacement (F9)", async () => {
    const store = world.openWriter();
    const lasting = { ...header, ttlMicros: 2 ** 50 };
    await store.replace(lasting, t(1), rowsOf(1));
    const reader = start("read");
    expect(await firstLine(reader)).toBe("reading");
    let enough = false;
    void firstLine(reader).then((line) => {
      enough = line === "enough";
    });
    // At least 80 replacements, and on until the reader was there for some of them.
    for (let turn = 2; turn <= 80 || !enough; turn++) await store.replace(lasting, t(turn), rowsOf(turn));
    const report = firstLine(reader);
    reader.stdin?.end();
    const { torn, mixed, missing } = JSON.parse(await report) as Record<string, number>;
    expect({ torn, mixed, missing }).toEqual({ torn: 0, mixed: 0, missing: 0 });
    await store.close();
  });

  test("a writer killed with kill -9 at random moments leaves a whole generation, and the next one goes on", async () => {
    for (let round = 0; round < 4; round++) {
      const writer = start("write");
      await firstLine(writer);
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60));
      await ended(writer, "SIGKILL");
      const after = world.openWriter();
      await after.foldPosition(header);
      const questions = rowsOf(0).map(({ key }) => ({ view: header, key }));
      const found = await after.read(questions, t(2 ** 40));
      await after.close();
      expect(new Set(found.map(({ asOf }) => asOf)).size).toBe(1);
      expect(found[0]?.asOf).toBeGreaterThan(0);
    }
    const store = world.openWriter();
    await store.replace(header, t(2 ** 41), rowsOf(7));
    expect((await readOne(store, header, ["k3"], 2 ** 41)).values["a"]?.value).toBe(7);
    await store.close();
  });

  test("a fold killed with kill -9 again and again leaves, bit for bit, the store of one that was not (F18)", async () => {
    const undisturbed = await openWorld();
    const calm = undisturbed.openWriter();
    await foldAll(calm, () => Promise.resolve());
    await calm.close();
    let kills = 0;
    for (let done = false; !done; ) {
      const writer = start("fold");
      const gone = new Promise((resolve) => writer.once("exit", resolve));
      let folded = 0;
      if (!writer.stdout) throw new Error("it has no output");
      for await (const line of createInterface({ input: writer.stdout })) {
        if (line === "done") done = true;
        if (line !== "folded") continue;
        folded += 1;
        // It waits after each fold: it is killed in the middle of the eighth, whose pages are written one by one, or right after it.
        if (folded <= 7) writer.stdin?.write("on\n");
        if (folded === 7) setTimeout(() => writer.kill("SIGKILL"), Math.random() * 4);
      }
      await gone;
      if (!done) kills += 1;
    }
    expect(kills).toBe(5);
    const expected = await undisturbed.dump();
    expect(await world.dump()).toEqual(expected);
    expect(expected.length).toBe(38);
    await undisturbed[Symbol.asyncDispose]();
    const store = world.openWriter();
    const last = folds * recordsPerFold;
    expect(await store.foldPosition(foldHeader)).toMatchObject({ sequence: last, asOf: last * 200_000 });
    const { key } = recordOf(last);
    expect((await readOne(store, foldHeader, key, 2 ** 40)).status).not.toBe("outside_max_age");
    await store.close();
  });

  test("a fold that another writer's replacement overtakes is refused, and the replacement stays whole", async () => {
    const [one, other] = [world.openWriter(), world.openWriter()];
    const lasting = { ...header, ttlMicros: 2 ** 50 };
    for (const begin of [0, recordsPerFold]) {
      async function* overtaken() {
        let pages = 0;
        for await (const page of pagesOf(begin, begin + recordsPerFold)) {
          yield page;
          if (++pages === 3) await other.replace({ ...lasting, digest: "sha256:02" }, t(9), rowsOf(9));
        }
      }
      if (begin > 0) {
        const pages = pagesOf(0, begin);
        await one.fold(lasting, { log: "flg_a", after: 0, upTo: begin, asOf: t(1), pages });
      }
      const upTo = begin + recordsPerFold;
      const fold = one.fold(lasting, { log: "flg_a", after: begin, upTo, asOf: t(1), pages: overtaken() });
      await expect(fold).rejects.toMatchObject({ code: "features.online_busy" });
      const questions = rowsOf(0).map(({ key }) => ({ view: { ...lasting, digest: "sha256:02" }, key }));
      const found = await other.read(questions, t(9));
      expect(found.map(({ values }) => values["a"]?.value)).toEqual(found.map(() => 9));
    }
    await Promise.all([one.close(), other.close()]);
  });

  test("two writers that fold one log at once leave what one of them would have", async () => {
    const undisturbed = await openWorld();
    const calm = undisturbed.openWriter();
    await foldAll(calm, () => Promise.resolve());
    const writers = [world.openWriter(), world.openWriter()];
    for (let tries = 0; tries < 200; tries++) {
      const results = await Promise.allSettled(
        writers.map((store) => foldAll(store, () => Promise.resolve())),
      );
      const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      for (const error of refused) expect(error).toMatchObject({ code: "features.online_busy" });
      if (refused.length === 0) break;
    }
    expect(await world.dump()).toEqual(await undisturbed.dump());
    await Promise.all([calm, ...writers].map((store) => store.close()));
    await undisturbed[Symbol.asyncDispose]();
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) =>
    child.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString("utf8").trim())),
  );
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}
