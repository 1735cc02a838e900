import { createRequire } from "node:module";
import { isPortolanError } from "@portolan/kernel";
import { seededRandom } from "@portolan/numerics";
import { describe, expect, test } from "vitest";
import { countsOf, faultsOf, layouts, maximalLayouts, standing } from "./layouts.ts";
import { readMigParted, writeMigParted } from "./mig-parted.ts";
import { type MigModel, migModels } from "./models.ts";
import { packInstances, profileOf, smallestProfile } from "./pack.ts";

/** Its types say that it is CommonJS, its entry for `import` is none: `require` is what both agree on. */
const createHighs: typeof import("highs").default = createRequire(import.meta.url)("highs");

function modelOf(name: string): MigModel {
  const found = migModels.find((model) => model.name === name);
  if (!found) throw new Error(name);
  return found;
}

const h100 = modelOf("H100-80GB");

function faultOf(work: () => unknown): { code: string; detail: string; lines: (number | undefined)[] } {
  try {
    work();
  } catch (error) {
    if (isPortolanError(error))
      return {
        code: error.code,
        detail: error.detail ?? "",
        lines: error.violations.map(({ at }) => at?.line),
      };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("layouts", () => {
  // Golden numbers: an independent enumeration of NVIDIA's tables; nineteen is what the MIG user guide shows for the A100.
  test.each([
    ["A30-24GB", { all: 76, plain: 26, maximal: 5, classic: 5, multisets: 4 }],
    ["A100-40GB", { all: 2319, plain: 723, maximal: 78, classic: 19, multisets: 14 }],
    ["H100-80GB", { all: 2319, plain: 723, maximal: 78, classic: 19, multisets: 14 }],
  ] as const)("%s has as many as are known", (name, expected) => {
    const model = modelOf(name);
    const classic = maximalLayouts(model, { withoutDoubleMemory: true });
    expect({
      all: layouts(model, { withMedia: true }).length,
      plain: layouts(model).length,
      maximal: maximalLayouts(model).length,
      classic: classic.length,
      multisets: new Set(classic.map((layout) => countsOf(model, layout).join())).size,
    }).toEqual(expected);
  });

  test("each is legal, and each stands where its counts alone are asked for", () => {
    for (const layout of layouts(h100, { withMedia: true })) {
      expect(faultsOf(h100, layout)).toEqual([]);
      const again = standing(h100, countsOf(h100, layout));
      expect(again && faultsOf(h100, again)).toEqual([]);
      expect(again && countsOf(h100, again)).toEqual(countsOf(h100, layout));
    }
  });

  test("what people trip over: four times 20 GB is 1g.20gb alone, three halves and two media engines do not stand", () => {
    const count = (name: string, number: number) =>
      h100.profiles.map((one) => (one.name === name ? number : 0));
    expect(standing(h100, count("1g.20gb", 4))).toHaveLength(4);
    expect(standing(h100, count("2g.20gb", 4))).toBeUndefined();
    expect(standing(h100, count("2g.20gb", 3))).toHaveLength(3);
    expect(standing(h100, count("3g.40gb", 3))).toBeUndefined();
    expect(standing(h100, count("1g.10gb+me", 2))).toBeUndefined();
  });

  test("what cannot stand together says why", () => {
    const at = (name: string, start: number) => ({ profile: profileOf(h100, name), start });
    expect(faultsOf(h100, [at("3g.40gb", 2)])).toEqual(["3g.40gb at 2: it may begin at 0, 4 alone"]);
    expect(faultsOf(h100, [at("4g.40gb", 0), at("1g.10gb", 3)])).toEqual([
      "1g.10gb at 3: its memory slices are taken by another instance",
    ]);
    expect(faultsOf(h100, [at("4g.40gb", 0), at("3g.40gb", 4), at("1g.10gb", 6)])).toContain(
      "the instances take 8 compute slices, H100-80GB has 7",
    );
  });
});

describe("packing", () => {
  test("a need is met by the smallest profile, and one that no instance meets is refused", () => {
    expect(smallestProfile(h100, { memoryGib: 16, computeSlices: 1 }).name).toBe("1g.20gb");
    expect(smallestProfile(h100, { memoryGib: 16, computeSlices: 2 }).name).toBe("2g.20gb");
    expect(smallestProfile(h100, { memoryGib: 30, computeSlices: 4 }).name).toBe("4g.40gb");
    expect(faultOf(() => smallestProfile(h100, { memoryGib: 100, computeSlices: 1 })).code).toBe(
      "capacity.no_profile_fits",
    );
    expect(faultOf(() => profileOf(h100, "1g.5gb")).detail).toContain('no profile "1g.5gb"');
  });

  /** The fewest cards by a mixed integer program over places, solved by HiGHS: another statement of the same question. */
  async function fewestByHighs(model: MigModel, counts: readonly number[], most: number): Promise<number> {
    const highs = await createHighs();
    const places = model.profiles.flatMap((profile, index) =>
      profile.starts.map((start) => ({ profile, index, start })),
    );
    const cards = Array.from({ length: most }, (_, card) => card);
    const name = (card: number, place: number) => `x${card}_${place}`;
    const rows: string[] = [];
    const sum = (terms: readonly string[]) => terms.join(" + ");
    for (const [index, count] of counts.entries()) {
      const terms = cards.flatMap((card) =>
        places.flatMap((place, at) => (place.index === index ? [name(card, at)] : [])),
      );
      rows.push(`${sum(terms)} = ${count}`);
    }
    for (const card of cards) {
      for (let slice = 0; slice < model.memorySlices; slice++) {
        const over = places.flatMap(({ profile, start }, at) =>
          start <= slice && slice < start + profile.memorySlices ? [name(card, at)] : [],
        );
        rows.push(`${sum(over)} - y${card} <= 0`);
      }
      const compute = places.map(({ profile }, at) => `${profile.computeSlices} ${name(card, at)}`);
      rows.push(`${sum(compute)} - ${model.computeSlices} y${card} <= 0`);
      const media = places.flatMap(({ profile }, at) => (profile.hasMedia ? [name(card, at)] : []));
      rows.push(`${sum(media)} <= 1`);
    }
    const binary = cards.flatMap((card) => [`y${card}`, ...places.map((_, at) => name(card, at))]);
    const program = `Minimize\n obj: ${sum(cards.map((card) => `y${card}`))}\nSubject To\n${rows
      .map((row, at) => ` c${at}: ${row}`)
      .join("\n")}\nBinary\n ${binary.join(" ")}\nEnd`;
    return Math.round(highs.solve(program).ObjectiveValue);
  }

  test("sets of up to twelve instances take as few cards as HiGHS finds, legally, and none is lost", async () => {
    const random = seededRandom(20_261_127);
    for (let round = 0; round < 12; round++) {
      const model = migModels[Math.floor(random() * migModels.length)] ?? h100;
      const counts = model.profiles.map(() => 0);
      const jobs = 1 + Math.floor(random() * 12);
      for (let job = 0; job < jobs; job++) {
        const index = Math.floor(random() * counts.length);
        counts[index] = (counts[index] ?? 0) + 1;
      }
      const { cards, isOptimal } = packInstances(model, counts);
      for (const card of cards) expect(faultsOf(model, card)).toEqual([]);
      expect(countsOf(model, cards.flat())).toEqual(counts);
      expect(isOptimal).toBe(true);
      expect([model.name, counts, cards.length]).toEqual([
        model.name,
        counts,
        await fewestByHighs(model, counts, cards.length),
      ]);
    }
  }, 60_000);

  test("of thousands the bound says how far from the best it may be", () => {
    const counts = h100.profiles.map(({ hasMedia }) => (hasMedia ? 20 : 200));
    const { cards, atLeast, isOptimal, left } = packInstances(h100, counts);
    expect(countsOf(h100, cards.flat())).toEqual(counts);
    expect(cards.length).toBeGreaterThanOrEqual(atLeast);
    expect(isOptimal).toBe(cards.length === atLeast);
    const taken = cards.flat().reduce((sum, { profile }) => sum + profile.computeSlices, 0);
    expect(left.compute).toBe(cards.length * 7 - taken);
  });
});

describe("mig-parted", () => {
  test("what is written is read again, with cards of one kind in one part", () => {
    const { cards } = packInstances(h100, [7, 0, 0, 0, 2, 0, 1]);
    const text = writeMigParted("ours", cards);
    const { "mig-configs": configs } = readMigParted(text, "ours.yaml", h100).file;
    const counted = configs["ours"]?.flatMap(({ devices, "mig-devices": parts }) =>
      (devices === "all" ? [] : devices).map((device) => [device, parts] as const),
    );
    expect(counted?.map(([device]) => device).toSorted()).toEqual([...cards.keys()]);
    const total = (name: string) => (counted ?? []).reduce((sum, [, parts]) => sum + (parts?.[name] ?? 0), 0);
    expect([total("1g.10gb"), total("3g.40gb"), total("7g.80gb")]).toEqual([7, 2, 1]);
  });

  test("a card that cannot be cut so is refused with its line; so is what is no such file", () => {
    const config = (parts: string) => `version: v1\nmig-configs:\n  a:\n${parts}`;
    const part = (devices: string, more = "") =>
      `    - devices: all\n${more}      mig-enabled: true\n      mig-devices: ${devices}\n`;
    const faults = faultOf(() =>
      readMigParted(
        config(
          `${part('{"1g.10gb": 7}')}${part('{"2g.20gb": 4}')}`.replace("all", "[0]").replace("all", "[1]"),
        ),
        "a.yaml",
        h100,
      ),
    );
    expect(faults).toEqual({
      code: "capacity.mig_config_not_valid",
      detail: "a.yaml: a: 4 x 2g.20gb cannot stand on one H100-80GB",
      lines: [7],
    });
    const filter = '      device-filter: "0x233510DE"\n';
    expect(faultOf(() => readMigParted(config(part('{"1g.10gb": 1}', filter)), "a.yaml")).detail).toContain(
      "H200-141GB has no profiles 1g.10gb together",
    );
    expect(faultOf(() => readMigParted(config(part('{"1g.10gb": 0}')), "a.yaml")).code).toBe(
      "capacity.mig_config_not_valid",
    );
    expect(faultOf(() => readMigParted("version: v2\n", "a.yaml")).lines.length).toBeGreaterThan(0);
  });

  test("a card that two parts cut is refused, and found by its line whatever the name; cards of different kinds are two", () => {
    const file = (...parts: readonly string[]) =>
      `version: v1\nmig-configs:\n  "a/b~c":\n${parts.map((part) => `    - { ${part}, mig-enabled: true, mig-devices: { "1g.10gb": 7 } }\n`).join("")}`;
    const found = (...parts: readonly string[]) =>
      faultOf(() => readMigParted(file(...parts), "a.yaml", h100));
    expect(found("devices: all", "devices: [1]")).toEqual({
      code: "capacity.mig_config_not_valid",
      detail: "a.yaml: a/b~c: a card is cut by two parts: by this one, and by one above it",
      lines: [5],
    });
    expect(found("devices: [0, 1, 0]")).toMatchObject({
      detail: "a.yaml: a/b~c: card 0 is named twice",
      lines: [4],
    });
    expect(readMigParted(file("devices: [0, 1]", "devices: [2]"), "a.yaml", h100).doubts).toEqual([]);
    const filters = [
      'device-filter: "0x233010DE", devices: all',
      'device-filter: "0x20B510DE", devices: all',
    ];
    expect(readMigParted(file(...filters), "a.yaml", h100).doubts).toEqual([]);
  });

  test("without a model what stands on no known card is in doubt and not refused", () => {
    const text =
      'version: v1\nmig-configs:\n  gfx:\n    - devices: [0]\n      mig-enabled: true\n      mig-devices: {"1g.24gb+gfx": 4}\n  all:\n    - devices: all\n      mig-enabled: true\n      mig-devices: {"1g.35gb": 7}\n';
    // 1g.35gb is a quarter of an H200, and an eighth of a card that came later.
    expect(readMigParted(text, "a.yaml").doubts.map(({ detail, at }) => [detail, at?.line])).toEqual([
      ["gfx: no card that is known here has the profiles 1g.24gb+gfx together", 4],
      ["all: 7 x 1g.35gb cannot stand on one H200-141GB", 8],
    ]);
    expect(faultOf(() => readMigParted(text, "a.yaml", h100)).detail).toContain(
      "has no profiles 1g.24gb+gfx",
    );
  });
});
