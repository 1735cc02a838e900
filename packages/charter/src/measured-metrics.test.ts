import { describe, expect, test } from "vitest";
import { deriveFromCharter } from "./derive.ts";
import type { CharterDocument } from "./document.ts";
import { parseCharter, requireValid } from "./parse-charter.ts";
import { releaseFindings } from "./release-gates.ts";
import { readTemplate, type TemplateName } from "./templates.ts";

function template(name: TemplateName): CharterDocument {
  return requireValid(parseCharter(readTemplate(name))).document;
}

describe("what is measured", () => {
  test("a ranking is measured once the charter says which rows are one list, and told by the relevances that come as outcomes", () => {
    const document = template("recommendation");
    const { query: _, ...silent } = document.model;
    const kept = (model: CharterDocument["model"]) =>
      deriveFromCharter({ ...document, model })
        .items.filter(({ control }) => control.startsWith("accuracy_"))
        .map(({ enforcement }) => enforcement.kind);
    expect(kept(document.model)).toEqual(["enforced", "enforced"]);
    expect(kept(silent)).toEqual(["not_enforced", "enforced"]);
    const { requirements } = document;
    const accuracy = { metric: "recall" as const, floor: 0.5, below: "fallback" as const };
    const ofClassifiers = deriveFromCharter({ ...document, requirements: { ...requirements, accuracy } });
    expect(ofClassifiers.items.find(({ control }) => control === "accuracy_fallback")?.enforcement).toEqual({
      kind: "not_enforced",
      why: "outcomes do not tell recall, so nobody sees in production that it is missed",
    });
    expect(deriveFromCharter(document).terms).toMatchObject({ task: "ranking", query: "visit_number" });
  });

  test("from v2 on a charter that says nothing of challengers asks for one that is better in the metric that it declares; a v1 one goes on as it was signed", () => {
    const said = (document: CharterDocument) => {
      const { items, terms } = deriveFromCharter(document);
      const found = items.find(({ control }) => control === "challenger_gate");
      return {
        terms: terms.challenger,
        statement: found?.statement,
        from: found?.from.map(({ pointer }) => pointer),
        enforcement: found?.enforcement.kind,
      };
    };
    const old = { ...template("flight-delays"), apiVersion: "portolan/v1" as const };
    const none = { terms: undefined, statement: undefined, from: undefined, enforcement: undefined };
    expect(said(old)).toEqual(none);
    const now = { ...old, apiVersion: "portolan/v2" as const };
    expect(said(now)).toEqual({
      terms: { metrics: ["roc_auc"], margins: {} },
      statement: "A version replaces the one in production only when it is better in roc_auc.",
      from: ["/apiVersion", "/requirements/accuracy/metric"],
      enforcement: "enforced",
    });
    // Its own word goes first: a margin needs a metric by name.
    const challenger = { metrics: ["f1" as const], margins: { f1: 0.01 } };
    const stated = said({ ...now, requirements: { ...now.requirements, challenger } });
    expect(stated).toMatchObject({ terms: challenger, from: ["/requirements/challenger"] });
    // Nobody compares two text versions: it is said, and holds up no release.
    expect(said({ ...template("chatbot"), apiVersion: "portolan/v2" })).toMatchObject({
      terms: undefined,
      statement: "A version replaces the one in production only when it is better in pass_rate.",
      enforcement: "not_enforced",
    });
    const regression = { ...now, model: { ...now.model, task: "regression" as const } };
    const accuracy = { metric: "rmse" as const, ceiling: 3, below: "alert" as const };
    const quantities = { ...regression, requirements: { ...regression.requirements, accuracy } };
    expect(said(quantities).terms).toEqual({ metrics: ["rmse"], margins: {} });
  });

  test("a bound on what nothing measures is said to be kept by nobody, at a release and in production", () => {
    const kept = (name: TemplateName, metric?: CharterDocument["requirements"]["accuracy"]["metric"]) => {
      const document = template(name);
      const accuracy = { ...document.requirements.accuracy, ...(metric ? { metric } : {}) };
      const { items } = deriveFromCharter({
        ...document,
        requirements: { ...document.requirements, accuracy },
      });
      const ofAccuracy = items.filter(({ control }) => control.startsWith("accuracy_"));
      return ofAccuracy.map(({ enforcement }) =>
        enforcement.kind === "enforced" ? enforcement.by : enforcement.why,
      );
    };
    expect(kept("financial-fraud")).toEqual(["evaluation", "control"]);
    expect(kept("financial-fraud", "ndcg_at_10")).toEqual([
      "no evaluation measures ndcg_at_10 of binary_classification, so no version can pass, and none leaves dev",
      "outcomes do not tell ndcg_at_10, so nobody sees in production that it is missed",
    ]);
    expect(kept("financial-fraud", "rmse")[0]).toContain("no evaluation measures rmse");
    expect(kept("chatbot", "groundedness")[0]).toContain("no evaluation measures groundedness of generation");
  });

  test("several classes are measured before a release and told by outcomes, with their names; slices and challengers are theirs too", () => {
    const document = template("flight-delays");
    const several: CharterDocument = {
      ...document,
      model: {
        ...document.model,
        task: "multiclass_classification",
        classes: ["on time", "late", "cancelled"],
      },
      requirements: {
        ...document.requirements,
        accuracy: { metric: "macro_f1", floor: 0.6, below: "alert" },
        slices: { columns: ["origin"], maximumGap: 0.1, support: { rows: 50 } },
        challenger: { metrics: ["macro_f1", "log_loss"], margins: { log_loss: 0.01 } },
      },
    };
    const { items, terms } = deriveFromCharter(several);
    const kept = items.filter(({ control }) => control.startsWith("accuracy_"));
    expect(kept.map(({ enforcement }) => enforcement.kind)).toEqual(["enforced", "enforced"]);
    expect(terms).toMatchObject({
      task: "multiclass_classification",
      classes: ["on time", "late", "cancelled"],
      challenger: { metrics: ["macro_f1", "log_loss"] },
    });
    expect(releaseFindings(several)).toEqual([]);
    const of = (requirements: Partial<CharterDocument["requirements"]>) =>
      releaseFindings({ ...several, requirements: { ...several.requirements, ...requirements } }).map(
        ({ pointer }) => pointer,
      );
    expect(of({ challenger: { metrics: ["roc_auc"] } })).toEqual(["/requirements/challenger/metrics/0"]);
    expect(of({ slices: { columns: ["origin"], support: { positives: 30 } } })).toEqual([
      "/requirements/slices/support/positives",
    ]);
    expect(of({ accuracy: { metric: "f1", floor: 0.6, below: "alert" } })).toEqual([
      "/requirements/slices/maximumGap",
    ]);
    expect(of({ modelBudget: { size: "5 MB" } })).toEqual([]);
    expect(of({ membership: { maximumAuc: 0.6 } })).toEqual([]);
    expect(of({ trainingData: { maximumSuspects: "5%" } })).toEqual(["/requirements/trainingData"]);
  });

  test("rankings have slices and challengers, and a budget of the model", () => {
    const document = template("recommendation");
    const requirements = {
      ...document.requirements,
      slices: { columns: ["device"], maximumGap: 0.1, support: { rows: 50 } },
      challenger: { metrics: ["ndcg_at_10" as const] },
      modelBudget: { size: "5 MB" },
    };
    expect(releaseFindings({ ...document, requirements })).toEqual([]);
    expect(deriveFromCharter({ ...document, requirements }).terms).toMatchObject({
      challenger: { metrics: ["ndcg_at_10"] },
    });
  });
});
