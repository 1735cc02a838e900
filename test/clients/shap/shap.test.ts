import { countCovers, kernelShap, linearDecisionOf, linearShap, TreeShap } from "@portolan/explanations";
import { readLinearModel, readTreeEnsemble } from "@portolan/onnx-format";
import { beforeAll, describe, expect, test } from "vitest";
import { pythonClient } from "../../../tools/python-client.ts";
import { clientSays } from "../client-script.ts";

/** Shapley values against shap's own, on trees that scikit-learn and LightGBM trained and exported. */
const python = await pythonClient("shap");
const columns = 30;
const seed = 20_261_127;

interface Explained {
  readonly onnx: string;
  readonly background: string;
  readonly explained: string;
  readonly values: string;
  readonly targets: number;
  readonly expected: readonly number[];
}

function bytes(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, "base64")).buffer;
}

interface ExplainedByAsking {
  readonly background: readonly number[];
  readonly row: readonly number[];
  readonly values: readonly number[];
  readonly expected: readonly number[];
}

let said: Record<string, unknown> = {};
beforeAll(async () => {
  if (python !== undefined) said = await clientSays(python, import.meta.dirname, [String(seed)]);
});

describe.skipIf(python === undefined)("KernelSHAP beside shap's", () => {
  /** As in the client. */
  const polynomial = (width: number) => (rows: Float64Array) => {
    const scores = Array.from({ length: rows.length / width }, (_, at) => {
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = rows.subarray(at * width, (at + 1) * width);
      return [a * b + Number(c > 0.25), d ** 2 - a * e * f];
    });
    return Promise.resolve(Float64Array.from(scores.flat()));
  };

  // shap asks all coalitions of 8 columns, and draws some of 14: there both are near the same values.
  test.each([
    [8, 1e-9],
    [14, 0.02],
  ])("of %i columns: within %d", async (width, tolerance) => {
    const found = said[`kernel ${width}`] as ExplainedByAsking;
    const background = Float64Array.from(found.background);
    const terms = { columns: width, targets: 2, background, seed: 1 };
    const { values, expected } = await kernelShap(found.row, terms, polynomial(width));
    for (const [at, value] of found.values.entries())
      expect(Math.abs((values[at] ?? 0) - value)).toBeLessThan(tolerance);
    for (const [at, mean] of found.expected.entries()) expect(expected[at]).toBeCloseTo(mean, 10);
  });
});

interface LinearlyExplained {
  readonly onnx: string;
  readonly means: readonly number[];
  readonly explained: string;
  readonly values: readonly number[];
  readonly expected: readonly number[];
  /** Labels that scikit-learn's own model says. */
  readonly decided: readonly string[];
}

describe.skipIf(python === undefined)("the closed form of linear models beside shap's", () => {
  test.each(["logistic regression", "logistic regression of three classes", "linear regression"])(
    "%s behind a scaler: every value to 1e-11",
    (name) => {
      const found = said[name] as LinearlyExplained | undefined;
      if (!found) throw new Error("shap said nothing of it");
      const model = readLinearModel(new Uint8Array(bytes(found.onnx)));
      if (!model) throw new Error("no weights found");
      const rows = new Float32Array(bytes(found.explained));
      for (const [at, mean] of found.expected.entries()) {
        const row = rows.subarray(at * columns, (at + 1) * columns);
        const decision = linearDecisionOf(model, row);
        const { values, expected } = linearShap(decision, row, found.means);
        expect(Math.abs((expected[0] ?? 0) - mean)).toBeLessThan(1e-11);
        for (const [column, value] of values.entries())
          expect(Math.abs(value - (found.values[at * columns + column] ?? Number.NaN))).toBeLessThan(1e-11);
        if (found.decided.length > 0 && model.targets > 2) expect(decision.name).toBe(found.decided[at]);
      }
    },
  );
});

describe.skipIf(python === undefined)("TreeSHAP beside shap's", () => {
  test.each([
    "boosted classifier",
    "boosted regressor",
    "forest of three classes",
    "boosted by LightGBM, with gaps",
  ])("%s: every value to 1e-12", (name) => {
    const found = said[name] as Explained | undefined;
    if (!found) throw new Error("shap said nothing of it");
    const ensemble = readTreeEnsemble(new Uint8Array(bytes(found.onnx)));
    if (!ensemble) throw new Error("no trees found");
    expect(ensemble.targets).toBe(found.targets);
    const covers = countCovers(ensemble, new Float32Array(bytes(found.background)), columns);
    const shap = new TreeShap(ensemble, covers, columns);
    const rows = new Float32Array(bytes(found.explained));
    const expected = new Float64Array(bytes(found.values));
    const width = columns * found.targets;
    let largest = 0;
    for (let row = 0; row * columns < rows.length; row++) {
      const { values } = shap.explain(rows.subarray(row * columns, (row + 1) * columns));
      for (const [at, value] of values.entries())
        largest = Math.max(largest, Math.abs(value - (expected[row * width + at] ?? Number.NaN)));
    }
    expect(largest).toBeLessThan(1e-12);
    // shap's mean is without the base values, which its dictionary of trees has no place for.
    const { expected: means } = shap.explain(rows.subarray(0, columns));
    for (const [target, mean] of found.expected.entries())
      expect((means[target] ?? 0) - (ensemble.baseValues[target] ?? 0)).toBeCloseTo(mean, 11);
  });
});
