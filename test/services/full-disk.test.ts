import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { afterAll, describe, expect, test } from "vitest";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";
import { runPortolan, startProduct } from "../../apps/cli/test/product.ts";
import { fill, mountSmallDisk, unmount } from "./small-disk.ts";

/** A state folder that has been in use before, with nothing running. */
async function startedAndStopped(parent: string) {
  const home = join(parent, "used");
  mkdirSync(home, { mode: 0o711 });
  const ports = ["--port", String(await freePort()), "--gateway-port", String(await freePort())];
  const up = () => runPortolan(["--home", home, "up", "--detach", ...ports]);
  const down = () => runPortolan(["--home", home, "down"]);
  expect(await up()).toMatchObject({ code: 0 });
  expect(await down()).toMatchObject({ code: 0 });
  return { home, up, down };
}

const tooSmall = mountSmallDisk(30);
const enough = mountSmallDisk(400);
afterAll(() => {
  unmount(tooSmall);
  unmount(enough);
});

describe.skipIf(!hasEmbeddedPostgres() || tooSmall === undefined || enough === undefined)(
  "a full disk",
  () => {
    test("up on a disk without room says so in a sentence, and leaves nothing running", async () => {
      const home = join(tooSmall ?? "", "home");
      mkdirSync(home, { mode: 0o711 }); // else the account that PostgreSQL runs under gets a folder on another disk
      const result = await runPortolan(["--home", home, "up", "--port", "17511", "--gateway-port", "17512"]);
      expect(result.code).toBe(1);
      expect(result.err).toMatch(/portolan: .*room.*\n.*[Ff]ree space.*\n {2}\(database\.disk_full\)\n$/);
      expect(await runPortolan(["--home", home, "status"])).toMatchObject({ code: 1 });
    });

    test("a new start on a disk that has filled up is refused in seconds, by a sentence", async () => {
      const { home, down, up } = await startedAndStopped(enough ?? "");
      const filler = join(enough ?? "", "filler");
      fill(filler);
      const startedAt = performance.now();
      const result = await up();
      rmSync(filler);
      // What it took was two minutes of waiting for what could not come; a busy machine needs some seconds.
      expect(performance.now() - startedAt).toBeLessThan(60_000);
      expect(result).toMatchObject({ code: 1, out: "" });
      expect(result.err).toMatch(
        /^portolan: .*no space left[^]*make room on its disk\.\n {2}\(cli\.folder_not_writable\)\n$/,
      );
      expect(await up()).toMatchObject({ code: 0 });
      await down();
      rmSync(home, { recursive: true });
    }, 300_000);

    test("a change is refused while the disk is full and taken once there is room; what was acknowledged stays", async () => {
      await using product = await startProduct(process.env, enough);
      const before = await product.cli("user", "create", "before");
      expect(before.code).toBe(0);
      const filler = join(enough ?? "", "filler");
      fill(filler);
      const acknowledged: string[] = [];
      let refused = 0;
      for (let n = 0; n < 5; n++) {
        const result = await product.cli("user", "create", `during-${n}`);
        if (result.code === 0) acknowledged.push(`during-${n}`);
        else {
          refused++;
          expect(result.err, "a sentence, its mend and its code").toMatch(
            /^portolan: \S[^]*\n {2}\([a-z_.]+\)\n$/,
          );
        }
      }
      rmSync(filler);
      await product.untilReady("control", 60_000);
      await expect
        .poll(() => product.cli("user", "create", "after").then(({ code }) => code), { timeout: 60_000 })
        .toBe(0);
      const { out } = await product.cli("user", "list", "--json");
      const names = (JSON.parse(out) as { items: { name: string }[] }).items.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(["before", ...acknowledged, "after"]));
      const verified = await product.cli("audit", "verify", "--json");
      expect(JSON.parse(verified.out), verified.err).toMatchObject({ verified: true, findings: [] });
      process.stderr.write(`full disk: ${acknowledged.length} acknowledged, ${refused} refused\n`);
    }, 300_000);
  },
);
