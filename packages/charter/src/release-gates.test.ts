import { expect, test } from "vitest";
import { deriveFromCharter } from "./derive.ts";
import type { CharterDocument } from "./document.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { releaseFindings, releaseTerms } from "./release-gates.ts";
import { readTemplate, type TemplateName } from "./templates.ts";

function template(name: TemplateName): CharterDocument {
  return requireValid(parseCharter(readTemplate(name))).document;
}

test("a budget for the model and figures of the business are gates where they are stated; the latency gate is enforced only then", () => {
  const document = template("flight-delays");
  const said = (more: Partial<CharterDocument["requirements"]>) => {
    const { items, terms } = deriveFromCharter({
      ...document,
      requirements: { ...document.requirements, ...more },
    });
    const controls = ["latency_gate", "size_gate", "kpi_gate"];
    const found = items.filter(({ control }) => controls.includes(control));
    return { terms, told: found.map(({ statement, enforcement }) => [enforcement.kind, statement]) };
  };
  expect(said({}).told).toEqual([["not_enforced", "A version slower than p99 120ms is not released."]]);
  const { terms, told } = said({
    modelBudget: { latencyShare: "25%", machines: 2, size: "20 MB", memory: "1 GiB" },
    kpis: [{ name: "saved", value: "true_positives * 3.0 / rows", floor: 0.5, unit: "EUR" }],
  });
  expect(told).toEqual([
    [
      "enforced",
      "A version that alone takes more than 12.5 ms at p95, or of which 2 machines answer fewer than 500 requests a second one by one, is not released.",
    ],
    ["enforced", "A version that is larger than 20 MB or takes more than 1 GiB of memory is not released."],
    [
      "enforced",
      "A version without saved of at least 0.5 EUR at the worse end of its interval is not released.",
    ],
  ]);
  expect(terms.modelBudget).toEqual({
    latency: { p95Ms: 12.5, requestsPerSecond: 500, machines: 2 },
    modelBytes: 20_000_000,
    memoryBytes: 2 ** 30,
  });
  expect(terms.kpis).toMatchObject([
    { kind: "floor", bound: 0.5, heldBy: "interval", columns: {}, sums: {} },
  ]);
});

test("attacks, membership and training labels are gates where they have a bound", () => {
  const document = template("flight-delays");
  const said = (more: Partial<CharterDocument["requirements"]>) => {
    const { items, terms } = deriveFromCharter({
      ...document,
      requirements: { ...document.requirements, ...more },
    });
    const controls = ["robustness_gate", "membership_gate", "training_data_gate"];
    return {
      terms,
      told: items.filter(({ control }) => controls.includes(control)).map(({ statement }) => statement),
    };
  };
  const robustness = { mutable: ["wait"], radius: 0.5 };
  expect(said({ robustness })).toMatchObject({ told: [], terms: { robustness } });
  const { terms, told } = said({
    robustness: { ...robustness, maximumTurned: "20%", minimumCertified: "50%" },
    membership: { maximumAuc: 0.6 },
    trainingData: { maximumSuspects: "5%" },
  });
  expect(told).toEqual([
    "A version of which an attack turns more than 20% of its decisions, or fewer than 50% are certified, within 0.5 standard deviations of wait, is not released.",
    "A version whose scores tell training rows from others with an area under the ROC curve above 0.6 is not released.",
    "A version of whose training labels more than 5% look flipped is not released.",
  ]);
  expect(terms).toMatchObject({
    robustness: { maximumTurned: 0.2, minimumCertified: 0.5 },
    membership: { maximumAuc: 0.6 },
    trainingData: { maximumSuspects: 0.05 },
  });
});

test("a floor on support that the task's slices and groups are not judged by is a finding", () => {
  const document = template("flight-delays");
  const pointers = (task: CharterDocument["model"]["task"], support: object) => {
    const { requirements, model } = document;
    const asked = {
      ...document,
      model: { ...model, task },
      requirements: { ...requirements, slices: { columns: ["hub"], support } },
      fairness: {
        attributes: ["hub"],
        maximumDifference: 0.1,
        measures: ["demographic_parity_difference"],
        support,
      },
    } as CharterDocument;
    return releaseFindings(asked)
      .map(({ pointer }) => pointer)
      .filter((pointer) => pointer.includes("support"));
  };
  expect(pointers("binary_classification", { positives: 40, negatives: 40 })).toEqual([]);
  expect(pointers("binary_classification", { positives: 40, rows: 100 })).toEqual([
    "/requirements/slices/support/rows",
    "/fairness/support/rows",
  ]);
  expect(pointers("multiclass_classification", { positives: 40, rows: 100 })).toEqual([
    "/requirements/slices/support/positives",
    "/fairness/support/rows",
  ]);
  expect(pointers("regression", { rows: 100 })).toEqual([]);
  expect(pointers("regression", { rows: 100, positives: 40, negatives: 2 })).toEqual([
    "/requirements/slices/support/positives",
    "/requirements/slices/support/negatives",
  ]);
});

test("groups are compared by each class, or by the favourable ones; classes that the model has not are findings (C9)", () => {
  const { model, ...document } = template("flight-delays");
  const asked = (of: Partial<CharterDocument["model"]>, fairness: object) =>
    ({
      ...document,
      model: { ...model, task: "multiclass_classification", ...of },
      fairness: { attributes: ["hub"], maximumDifference: 0.1, ...fairness },
    }) as CharterDocument;
  const measures = ["equal_opportunity_difference"];
  const pointers = (of: Partial<CharterDocument["model"]>, fairness: object) =>
    releaseFindings(asked(of, fairness))
      .map(({ pointer }) => pointer)
      .filter((pointer) => pointer.startsWith("/fairness"));
  const classes = ["home", "ward", "intensive"];
  expect(pointers({ classes }, { measures })).toEqual([]);
  expect(pointers({ classes }, { measures, favourable: ["ward", "home"] })).toEqual([]);
  expect(pointers({ classes }, { measures, favourable: ["ward", "0"] })).toEqual(["/fairness/favourable/1"]);
  expect(pointers({}, { measures, favourable: ["0", "ward"] })).toEqual(["/fairness/favourable/1"]);
  expect(pointers({ classes }, { favourable: ["ward"] })).toEqual(["/fairness/favourable"]);
  expect(pointers({ task: "binary_classification" }, { measures, favourable: ["1"] })).toEqual([
    "/fairness/favourable",
  ]);
  expect(pointers({ task: "regression" }, { measures })).toEqual(["/fairness/measures"]);
  const terms = releaseTerms(asked({ classes }, { measures, favourable: ["ward"] }), 10).fairness;
  expect(terms).toMatchObject({ favourable: ["ward"], measures });
});

test("several classes are attacked and their training rows guessed; certificates and a review of labels are of two (C9)", () => {
  const { model, requirements, ...document } = template("flight-delays");
  const pointers = (task: CharterDocument["model"]["task"]) =>
    releaseFindings({
      ...document,
      model: { ...model, task },
      requirements: {
        ...requirements,
        robustness: { mutable: ["wait"], radius: 0.5, maximumTurned: "20%", minimumCertified: "50%" },
        membership: { maximumAuc: 0.6 },
        trainingData: { maximumSuspects: "5%" },
      },
    } as CharterDocument)
      .map(({ pointer }) => pointer)
      .filter((pointer) => /robustness|membership|trainingData/.test(pointer));
  expect(pointers("binary_classification")).toEqual([]);
  expect(pointers("multiclass_classification").toSorted()).toEqual([
    "/requirements/robustness/minimumCertified",
    "/requirements/trainingData",
  ]);
  expect(pointers("regression").toSorted()).toEqual([
    "/requirements/membership",
    "/requirements/robustness",
    "/requirements/trainingData",
  ]);
});
