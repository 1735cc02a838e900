import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureEnvironment, findPython } from "../src/environment.ts";
import { installEnvironment, requirePython } from "./trainer-fixture.ts";

const python = await requirePython();

describe.skipIf(python === undefined)("pinned environments", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portolan-envs-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const deps = () => ({ folder: join(folder, "envs"), installEnvironment });

  test("two builders of one lock end with one environment, and the next run finds it", async () => {
    if (!python) return;
    const lock = "# nothing is locked\n";
    const [one, two] = await Promise.all([
      ensureEnvironment(deps(), lock, python),
      ensureEnvironment(deps(), lock, python),
    ]);
    expect(one.interpreter).toBe(two.interpreter);
    expect(await ensureEnvironment(deps(), lock, python)).toEqual({ ...one, built: false });
    expect(await readdir(join(folder, "envs"))).toEqual([one.key]);
    const inside = await findPython([one.interpreter], [python.minor], {});
    expect(inside).toEqual(python);
  }, 300_000);

  test("a requirement without a hash is refused before anything is fetched, and nothing is left behind", async () => {
    if (!python) return;
    await expect(ensureEnvironment(deps(), "six==1.17.0\n", python)).rejects.toMatchObject({
      code: "training.lock_invalid",
      at: { line: 1 },
    });
    expect((await readdir(join(folder, "envs"))).filter((name) => name.startsWith("building-"))).toEqual([]);
  }, 300_000);
});

test("a machine without a usable Python is one clear sentence", async () => {
  await expect(findPython(["no-such-python"], ["3.12"], {})).rejects.toMatchObject({
    code: "training.no_python",
    mend: expect.stringContaining("portolan model import") as string,
  });
  // There is one, but no lock for it.
  if (python)
    await expect(findPython([python.path], [], installEnvironment)).rejects.toMatchObject({
      code: "training.no_python",
    });
});
