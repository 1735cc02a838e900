import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { closeStateFolder } from "../src/state-folder.ts";

test("what was open below the state folder is closed to other accounts, but for the way to what trainers are given", async () => {
  const home = await mkdtemp(join(tmpdir(), "portolan-state-"));
  const mode = async (name: string) => ((await stat(join(home, name))).mode & 0o777).toString(8);
  try {
    for (const name of ["keys", "objects", "inbox"]) {
      await mkdir(join(home, name));
      await chmod(join(home, name), 0o777);
    }
    await writeFile(join(home, "keys", "a.pem"), "", { mode: 0o600 });
    await closeStateFolder(home);
    const names = ["", "keys", "objects", "ledger", "work", "envs", "inbox", "run"];
    expect(
      Object.fromEntries(await Promise.all(names.map(async (name) => [name, await mode(name)]))),
    ).toEqual({
      "": "711",
      keys: "700",
      objects: "700",
      ledger: "700",
      work: "711",
      envs: "755",
      inbox: "777",
      run: "700",
    });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
