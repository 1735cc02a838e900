import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adoptProgram,
  openPickle,
  type ProgramSource,
  parseProgram,
  readNotebook,
  readScript,
} from "@portolan/adoption";
import { installEnvironmentOf } from "@portolan/training";
import { afterAll, describe, expect, test } from "vitest";
import { modelTrial } from "../src/adopt/model-trial.ts";
import { walledPython } from "../src/adopt/walled-python.ts";
import { readTrainingFolder } from "../src/training-folder.ts";
import { runPortolan } from "./product.ts";

const folder = mkdtempSync(join(tmpdir(), "portolan-adopt-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = {
  home: join(folder, "home"),
  locks: {},
  installEnvironment: installEnvironmentOf(process.env),
  onBuild: () => undefined,
};
const programs = walledPython(options);

const findingsOf = async (source: ProgramSource) => {
  const facts = await parseProgram(programs, source);
  return adoptProgram({
    source,
    facts,
    requirements: source.units.flatMap((unit) => unit.installs),
    localModules: ["mine"],
  });
};
const evidenceOf = async (rule: string, text: string): Promise<string[]> => {
  const { findings } = await findingsOf(readScript("poc.py", text));
  return findings
    .filter((one) => one.rule === rule)
    .flatMap(({ evidence }) => evidence.map(({ line, saw }) => `${line}: ${saw}`));
};
const patternsOf = async (source: ProgramSource) =>
  Object.fromEntries((await findingsOf(source)).antiPatterns.map(({ name, verdict }) => [name, verdict]));

describe("rules", () => {
  test("secrets are found by form and by name, and never shown", async () => {
    const key = `AKIA${"A1".repeat(8)}`;
    const text = `aws = "${key}"\nconnect(password="correct-horse")\nurl = "postgres://me:tiger@db/x"\napi_key = "<fill in>"\ntoken = ""\nsecret_name = "ok"\n# sk-${"a".repeat(30)}`;
    const { findings } = await findingsOf(readScript("poc.py", text));
    const [secret] = findings;
    expect(secret).toMatchObject({ rule: "secret", severity: "blocker" });
    expect(secret?.evidence.map(({ line }) => line).toSorted()).toEqual([1, 2, 3, 7]);
    expect(JSON.stringify(findings)).not.toMatch(new RegExp(`${key}|correct-horse|tiger|aaaa`));
  });

  test("what is imported without a version, and paths of one machine", async () => {
    expect(
      await evidenceOf("missing-pin", "import os, mine\nimport cv2\nfrom sklearn.svm import SVC"),
    ).toEqual(["2: import of cv2", "3: import of sklearn.svm"]);
    expect(
      await evidenceOf(
        "hard-coded-path",
        'a = "/data/x.csv"\nb = "s3://bucket/x"\nc = "data/x.csv"\nd = "C:\\\\x"',
      ),
    ).toEqual(["1: /data/x.csv", "2: s3://bucket/x", "4: C:\\x"]);
  });

  test("rows that nothing checks; one assertion is a check", async () => {
    const read = "import pandas as pd\nrows = pd.read_csv('a.csv')\n";
    expect(await evidenceOf("input-check", read)).toEqual([
      "2: read_csv is read, and nothing checks what came",
    ]);
    expect(await evidenceOf("input-check", `${read}assert len(rows) > 0`)).toEqual([]);
  });

  test("randomness without a seed; None is no seed", async () => {
    const text = `import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import KFold, train_test_split
RandomForestClassifier(random_state=1)
RandomForestClassifier(random_state=None)
KFold(5)
KFold(5, shuffle=True)
np.random.rand(3)
np.random.default_rng(7)`;
    expect(await evidenceOf("unseeded-randomness", text)).toEqual([
      "5: RandomForestClassifier without random_state",
      "7: KFold without random_state",
      "8: numpy.random.rand, and numpy.random.seed is never called",
    ]);
    expect(
      await evidenceOf("unseeded-randomness", `import numpy as np\nnp.random.seed(1)\nnp.random.rand(3)`),
    ).toEqual([]);
  });

  test("leakage: fitting before the split, on the test part, and judging by what was learnt", async () => {
    const start =
      "from sklearn.preprocessing import StandardScaler\nfrom sklearn.model_selection import train_test_split\n";
    const early = `${start}X = StandardScaler().fit_transform(X)\na, b = train_test_split(X, shuffle=False)`;
    expect(await evidenceOf("leakage", early)).toEqual([
      "3: StandardScaler.fit_transform sees all rows, before they are split",
    ]);
    const late = `${start}X_train, X_test = train_test_split(X, shuffle=False)\ns = StandardScaler()\ns.fit(X_train)\ns.fit(X_test)`;
    expect(await evidenceOf("leakage", late)).toEqual(["6: StandardScaler.fit is fitted on X_test"]);
    expect(await evidenceOf("leakage", "m.fit(X, y)\nm.score(X, y)")).toEqual([
      "2: m.score is asked about the rows it was fitted on",
    ]);
    const timed = `${start}import pandas as pd\nt = pd.to_datetime(t)\na, b = train_test_split(X)`;
    expect(await evidenceOf("leakage", timed)).toEqual([
      "5: rows with a time are split at random: the future teaches the past",
    ]);
  });

  test("the five anti-patterns, with evidence, and none of them in a program that has none", async () => {
    const poc = `import joblib, psutil, pandas as pd
from flask import Flask
from xgboost import XGBClassifier
app = Flask(__name__)
frame = pd.read_csv("a.csv").groupby("a").mean()
m = XGBClassifier(device="cuda").fit(frame, 1)
joblib.dump(m, "m.pkl")
subprocess.run("scp m.pkl prod:/srv", shell=True)
@app.route("/predict")
def predict(): return 1`;
    expect(await patternsOf(readScript("poc.py", poc))).toEqual({
      "notebook-as-api": "found",
      "manual-promotion": "found",
      "feature-divergence": "found",
      "system-metrics-only": "found",
      "gpu-over-provisioning": "found",
    });
    expect(
      await patternsOf(
        readScript(
          "clean.py",
          "import shutil\nfrom sklearn.svm import SVC\nimport evidently\nSVC().fit(a, b)\nshutil.copy('a.csv', 'b.csv')",
        ),
      ),
    ).toEqual({
      "notebook-as-api": "absent",
      "manual-promotion": "open",
      "feature-divergence": "absent",
      "system-metrics-only": "absent",
      "gpu-over-provisioning": "absent",
    });
  });
});

describe("hostile programs", () => {
  test("are parsed and never run, however they nest, and the rest is examined", async () => {
    const witness = join(folder, "witness");
    const cells = [
      `open(${JSON.stringify(witness)}, "w").write("run")\n__import__("os").system("touch ${witness}")`,
      `${"(".repeat(100_000)}`,
      `x = ${"-".repeat(200_000)}1`,
      `x = ${"a.".repeat(50_000)}b`,
      "\u0000",
      "def f(:\n",
      'password = "hunter2hunter2"',
    ].map((source) => ({ cell_type: "code", source }));
    const { findings } = await findingsOf(readNotebook("bomb.ipynb", JSON.stringify({ cells })));
    expect(() => readFileSync(witness)).toThrow(/ENOENT/);
    expect(findings.find(({ rule }) => rule === "secret")?.evidence).toMatchObject([{ unit: "cell 7" }]);
    const unread = findings.find(({ rule }) => rule === "not-python")?.evidence.map(({ unit }) => unit);
    expect(unread).toEqual(expect.arrayContaining(["cell 2", "cell 5", "cell 6"]));
  });

  test("a pickle is refused where nothing keeps it from the machine", async () => {
    const path = join(folder, "model.pkl");
    writeFileSync(path, "any bytes");
    const open = walledPython({
      ...options,
      isolation: { level: "none", ownAccount: false, networkBlocked: true },
    });
    await expect(
      openPickle({ programs: open, trial: modelTrial() }, path, { allowCode: true }),
    ).rejects.toMatchObject({
      code: "adoption.not_isolated",
      mend: expect.stringContaining("notebook or script") as string,
    });
  });
});

describe("portolan adopt", () => {
  const adopt = (...args: string[]) => runPortolan(["--home", options.home, "adopt", ...args]);

  test("writes a project whose charter and contract are valid, once, and without any secret", async () => {
    const source = `password = "hunter2hunter2"\nfrom sklearn.ensemble import RandomForestClassifier\nm = RandomForestClassifier(n_estimators=7, random_state=3)`;
    writeFileSync(join(folder, "Churn 2.ipynb"), JSON.stringify({ cells: [{ cell_type: "code", source }] }));
    writeFileSync(
      join(folder, "rows.csv"),
      "customer,spend,seen_at\n1,2.5,2026-01-01T00:00:00Z\n2,,2026-01-02T00:00:00Z\n",
    );
    const out = join(folder, "out");
    const args = [join(folder, "Churn 2.ipynb"), "--data", join(folder, "rows.csv"), "--out", out];
    const first = await adopt(...args, "--json");
    expect(first.code, first.out).toBe(0);
    const { written, estimator } = JSON.parse(first.out) as { written: string[]; estimator: object };
    expect(estimator).toMatchObject({ name: "RandomForestClassifier", params: { n_estimators: 7 } });
    expect(written.map((path) => path.slice(out.length + 1))).toEqual(
      expect.arrayContaining([
        "adoption.md",
        "charter.yaml",
        "contracts/churn-2.odcs.yaml",
        "training/train.py",
      ]),
    );
    expect([first.out, ...written.map((path) => readFileSync(path, "utf8"))].join("\n")).not.toContain(
      "hunter2",
    );
    for (const check of [
      ["contract", "lint", out],
      ["charter", "check", join(out, "charter.yaml")],
    ])
      expect(await runPortolan(check)).toMatchObject({ code: 0 });
    const training = await readTrainingFolder(join(out, "training"));
    expect([training.params, training.locks.length]).toEqual([{ n_estimators: 7 }, 5]);
    const again = await adopt(...args, "--strict");
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("--force")]);
    expect(await adopt(...args, "--strict", "--force")).toMatchObject({ code: 1 });
  });

  test("refuses what it cannot take in, at once, and says what to do", async () => {
    const large = join(folder, "large.ipynb");
    const file = openSync(large, "w");
    ftruncateSync(file, 2 ** 30);
    closeSync(file);
    writeFileSync(join(folder, "broken.ipynb"), '{"cells": [');
    const named = await adopt(join(folder, "broken.ipynb"), "--lock", "mine.lock");
    expect([named.code, named.err]).toEqual([1, expect.stringContaining("for which Python")]);
    for (const [name, why] of [
      [large, "larger than 32 MiB"],
      [join(folder, "broken.ipynb"), "not JSON"],
      [folder, "neither notebook, script nor pickle"],
      [join(folder, "absent.py"), "does not exist"],
    ] as const) {
      const { code, err } = await adopt(name);
      expect([code, err]).toEqual([1, expect.stringContaining(why)]);
    }
  });
});
