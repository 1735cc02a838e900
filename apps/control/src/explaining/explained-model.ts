import { readFile } from "node:fs/promises";
import type { ExplainedRow, RecordedRow } from "@portolan/evaluation";
import type { ExplanationBackground } from "@portolan/evaluation/contract";
import { createSession, type Session } from "@portolan/onnx/session";
import type { LinearModel, ModelSignature, TreeEnsemble } from "@portolan/onnx-format";
import { readOnnxModel, signatureOf } from "@portolan/onnx-format";
import { filledInputs, readInferRequest, readV1Predict, type Tensor } from "@portolan/serving/policy";
import { compareAnswers } from "./compare-answers.ts";
import { explainByAsking } from "./explain-any.ts";
import { answersOfLinear, explainLinear, linearOf } from "./explain-linear.ts";
import { answersOfTrees, explainerOfTrees, explainTrees, treesOf } from "./explain-trees.ts";
import type { ColumnsAsked, RowExplanation } from "./explained-columns.ts";
import { labelsOf, type Numbers, numbersOf, sayTheSame } from "./model-table.ts";

/** A model with what its answers are explained against, read once for all of them. */
export class ExplainedModel {
  readonly #signature: ModelSignature;
  readonly #session: Session;
  readonly #background: ExplanationBackground;
  readonly #trees:
    | { readonly ensemble: TreeEnsemble; readonly shap: ReturnType<typeof explainerOfTrees> }
    | undefined;
  readonly #linear: LinearModel | undefined;

  private constructor(
    bytes: Uint8Array,
    signature: ModelSignature,
    session: Session,
    background: ExplanationBackground,
  ) {
    this.#signature = signature;
    this.#session = session;
    this.#background = background;
    const ensemble = background.covers && treesOf(bytes, signature);
    this.#trees = ensemble && { ensemble, shap: explainerOfTrees(ensemble, background) };
    this.#linear = background.means && linearOf(bytes, signature);
  }

  static async open(modelPath: string, backgroundPath: string): Promise<ExplainedModel> {
    const bytes = await readFile(modelPath);
    const signature = signatureOf(readOnnxModel(bytes));
    const background = JSON.parse(await readFile(backgroundPath, "utf8")) as ExplanationBackground;
    return new ExplainedModel(bytes, signature, await createSession(bytes, signature), background);
  }

  /** What the model says of a recorded request now, and whether the record says the same. */
  async repeat(recorded: RecordedRow, answer: string): Promise<RepeatedRequest> {
    const { columns } = this.#background;
    const tensors = recordedInputs(recorded, this.#signature, columns);
    const [tensor] = tensors;
    const values = numbersOf(tensor);
    if (tensor?.shape[1] !== columns.length)
      throw new Error(`the request has ${tensor?.shape[1] ?? 0} columns, the background ${columns.length}`);
    const said = await this.#session.run(tensors);
    return { values, rows: values.length / columns.length, said, reproduced: compareAnswers(said, answer) };
  }

  /** One row of a request, by what the background was made for: trees and weights, which are held against the model once more, or asking it. */
  async explain(request: RepeatedRequest, at: number, asked: ColumnsAsked): Promise<ExplainedRow> {
    const { columns } = this.#background;
    const unknown = asked.fixed.filter((name) => !columns.includes(name));
    if (unknown.length > 0)
      throw new Error(
        `there is no column ${unknown.join(", ")} to leave alone, there are ${columns.join(", ")}`,
      );
    const { rows, values, said, reproduced } = request;
    if (at >= rows) throw new Error(`the request has no row ${at}: it has ${rows}, counted from 0`);
    const row = values.subarray(at * columns.length, (at + 1) * columns.length);
    const found = await this.#explainRow(row, asked);
    const decided = labelsOf(said, rows)?.[at];
    return { ...found, ...(decided === undefined ? {} : { decided }), reproduced };
  }

  async #explainRow(row: Numbers, asked: ColumnsAsked): Promise<RowExplanation> {
    const trees = this.#trees;
    const linear = this.#linear;
    const [session, signature, background] = [this.#session, this.#signature, this.#background];
    const answersOf = trees ? answersOfTrees(trees.ensemble) : linear && answersOfLinear(linear);
    if (answersOf && !(await sayTheSame(answersOf, session, signature, row)))
      throw new Error(`the model says of this row something else than its ${trees ? "trees" : "weights"}`);
    if (trees) return explainTrees(trees.ensemble, trees.shap, session, signature, background, row, asked);
    if (linear) return explainLinear(linear, session, signature, background, row, asked);
    return explainByAsking(session, signature, background, row, asked);
  }
}

/** A recorded request that the model was asked once more. */
export interface RepeatedRequest {
  readonly values: Numbers;
  readonly rows: number;
  readonly said: readonly Tensor[];
  readonly reproduced: ExplainedRow["reproduced"];
}

/** As the model got them. */
function recordedInputs(
  recorded: RecordedRow,
  signature: ModelSignature,
  columns: readonly string[],
): readonly Tensor[] {
  if (recorded.kind === "body") {
    const body = Buffer.from(recorded.text);
    const isV1 = "instances" in (JSON.parse(recorded.text) as object);
    return (isV1 ? readV1Predict(body, signature) : readInferRequest(body, undefined, signature)).inputs;
  }
  const { cells, values } = recorded;
  for (const [at, { index }] of cells.entries()) {
    // A view's feature is recorded as view.feature.
    const name = values[at]?.name.split(".").at(-1) ?? "";
    if (columns.includes(name) && columns[index ?? 0] !== name)
      throw new Error(
        `the record fills column ${index ?? 0} with ${name}, where the background has ${columns[index ?? 0]}`,
      );
  }
  // JSON has no NaN: a value that is not there was one.
  const read = values.map(({ name, value }) => ({ name, value: value ?? "NaN" }));
  return filledInputs(signature, cells, read);
}
