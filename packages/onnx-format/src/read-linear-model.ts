import { type GraphNode, inputBehind, mlDomain, readGraphNodes, readInitializer } from "./graph-nodes.ts";
import type { LinearModel } from "./linear-model.ts";

/** Weights of one file. */
const mostWeights = 2_000_000;

/**
 * The weights of a model that is linear before its last transform: `LinearClassifier` and `LinearRegressor` of `ai.onnx.ml` with or without a `Scaler` before
 * them, as scikit-learn is exported, and one `Gemm` or `MatMul` with or without `Add`, `Sigmoid` or `Softmax` behind it, as a layer of PyTorch is. What else becomes of the scores is not
 * looked at: whoever takes them for the model's answer compares. Pure and bounded as `readOnnxModel`.
 *
 * @returns undefined for any other model
 */
export function readLinearModel(bytes: Uint8Array): LinearModel | undefined {
  const { nodes, inputs } = readGraphNodes(bytes);
  const isWeighing = (node: GraphNode): boolean => weighing.has(`${node.domain}:${node.op}`);
  const [node] = nodes.filter(isWeighing);
  if (!node || nodes.filter(isWeighing).length > 1) return undefined;
  const scaler = nodes.find((one) => one.domain === mlDomain && one.op === "Scaler");
  const isScaled = scaler !== undefined && node.inputs[0] === scaler.outputs[0];
  const input = inputBehind((isScaled ? scaler.inputs[0] : node.inputs[0]) ?? "", nodes, inputs);
  const found = node.domain === mlDomain ? ofClassical(node) : ofLayer(bytes, node, nodes);
  if (input === undefined || !found) return undefined;
  const model = { ...found, input };
  if (model.weights.length !== model.targets * model.columns || model.weights.length > mostWeights)
    return undefined;
  if (model.columns === 0 || model.intercepts.length !== model.targets) return undefined;
  return isScaled ? unscaled(model, scaler) : model;
}

const weighing: ReadonlySet<string> = new Set([
  `${mlDomain}:LinearClassifier`,
  `${mlDomain}:LinearRegressor`,
  ":Gemm",
  ":MatMul",
]);

type Found = Omit<LinearModel, "input">;

function ofClassical({ op, attributes }: GraphNode): Found | undefined {
  const weights = Float64Array.from(attributes.numbers("coefficients"));
  const given = attributes.numbers("intercepts");
  const targets =
    op === "LinearRegressor" ? (attributes.numbers("targets")[0] ?? 1) : Math.max(given.length, 1);
  const postTransform = attributes.texts("post_transform")[0] ?? "NONE";
  if (!isPostTransform(postTransform) || targets < 1 || weights.length % targets !== 0) return undefined;
  const texts = attributes.texts("classlabels_strings");
  return {
    kind: op === "LinearRegressor" ? "regressor" : "classifier",
    columns: weights.length / targets,
    targets,
    weights,
    intercepts: Float64Array.from({ length: targets }, (_, target) => given[target] ?? 0),
    postTransform,
    classes: texts.length > 0 ? texts : attributes.numbers("classlabels_ints").map(String),
  };
}

function isPostTransform(text: string): text is LinearModel["postTransform"] {
  return text === "NONE" || text === "SOFTMAX" || text === "LOGISTIC";
}

/** `x · W + b`, in whichever of the two ways the file says it, and the function behind it. */
function ofLayer(bytes: Uint8Array, node: GraphNode, nodes: readonly GraphNode[]): Found | undefined {
  const matrix = readInitializer(bytes, node.inputs[1] ?? "", mostWeights);
  const [height = 0, width = 0] = matrix?.dims ?? [];
  if (matrix?.dims.length !== 2 || matrix.numbers.length !== height * width) return undefined;
  const only = (name: string): number | undefined => node.attributes.numbers(name)[0];
  if (
    node.op === "Gemm" &&
    ((only("alpha") ?? 1) !== 1 || (only("beta") ?? 1) !== 1 || (only("transA") ?? 0) !== 0)
  )
    return undefined;
  const isTurned = node.op === "Gemm" && only("transB") === 1;
  const [columns, targets] = isTurned ? [width, height] : [height, width];
  const at = (column: number, target: number): number =>
    isTurned ? target * width + column : column * width + target;
  const follower = (name: string | undefined): GraphNode | undefined =>
    nodes.find(({ inputs }) => inputs.includes(name ?? ""));
  const next = follower(node.outputs[0]);
  const sum = node.op === "MatMul" && next?.op === "Add" ? next : undefined;
  const offset = sum?.inputs.find((name) => name !== node.outputs[0]) ?? node.inputs[2];
  const intercepts = offset === undefined ? undefined : readInitializer(bytes, offset, mostWeights)?.numbers;
  if (offset !== undefined && intercepts?.length !== targets) return undefined;
  const last = follower((sum ?? node).outputs[0])?.op;
  const postTransform = last === "Sigmoid" ? "LOGISTIC" : last === "Softmax" ? "SOFTMAX" : "NONE";
  return {
    kind: postTransform === "NONE" ? "regressor" : "classifier",
    columns,
    targets,
    weights: Float64Array.from({ length: columns * targets }, (_, index) => {
      const target = Math.floor(index / columns);
      return matrix.numbers[at(index % columns, target)] ?? 0;
    }),
    intercepts: Float64Array.from({ length: targets }, (_, target) => intercepts?.[target] ?? 0),
    postTransform,
    classes: [],
  };
}

/** The scaler gives (x - offset) · scale, by column or the same for all: one linear step more. */
function unscaled(model: LinearModel, { attributes }: GraphNode): LinearModel | undefined {
  const { columns, targets } = model;
  const offset = spread(attributes.numbers("offset"), columns, 0);
  const scale = spread(attributes.numbers("scale"), columns, 1);
  if (!offset || !scale) return undefined;
  const weights = model.weights.map((weight, index) => weight * (scale[index % columns] ?? 1));
  const intercepts = model.intercepts.slice();
  for (let target = 0; target < targets; target++)
    for (let column = 0; column < columns; column++)
      intercepts[target] =
        (intercepts[target] ?? 0) - (weights[target * columns + column] ?? 0) * (offset[column] ?? 0);
  return { ...model, weights, intercepts };
}

function spread(numbers: readonly number[], columns: number, absent: number): readonly number[] | undefined {
  if (numbers.length === columns) return numbers;
  const [one] = numbers;
  return numbers.length <= 1 ? Array.from({ length: columns }, () => one ?? absent) : undefined;
}
