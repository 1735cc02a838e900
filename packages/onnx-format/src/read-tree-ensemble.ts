import { inputBehind, mlDomain, readGraphNodes } from "./graph-nodes.ts";
import type { NodeAttributes } from "./read-attributes.ts";
import { branchModes, type DecisionTree, type TreeEnsemble } from "./tree-ensemble.ts";
import { malformed } from "./wire.ts";

/** Nodes × targets of one file: what its weights take in memory, in doubles. */
const mostWeights = 32_000_000;
const mostTargets = 1024;
/**
 * The trees of a model whose one tree ensemble looks at one of its inputs, as scikit-learn, LightGBM and XGBoost are exported. What becomes of their scores is not looked at:
 * whoever takes them for the model's answer compares (`@portolan/explanations`, `answerOf`). Pure and bounded as `readOnnxModel`.
 *
 * @returns undefined for any other model: one without trees, with several ensembles, or with something between its input and the trees
 * @throws PortolanError `onnx_format.malformed` for trees that are none: a node without a place, a child that is not there, a loop
 */
export function readTreeEnsemble(bytes: Uint8Array): TreeEnsemble | undefined {
  const { nodes, inputs } = readGraphNodes(bytes);
  const ensembles = nodes.filter((node) => node.domain === mlDomain && node.op.startsWith("TreeEnsemble"));
  const [ensemble] = ensembles;
  if (!ensemble || ensembles.length > 1) return undefined;
  const kind =
    ensemble.op === "TreeEnsembleClassifier"
      ? "classifier"
      : ensemble.op === "TreeEnsembleRegressor"
        ? "regressor"
        : undefined;
  const input = inputBehind(ensemble.inputs[0] ?? "", nodes, inputs);
  return kind && input !== undefined ? readEnsemble(kind, input, ensemble.attributes) : undefined;
}

function readEnsemble(
  kind: TreeEnsemble["kind"],
  input: string,
  attributes: NodeAttributes,
): TreeEnsemble | undefined {
  const votes = kind === "classifier" ? "class" : "target";
  const classes = labelsOf(attributes);
  const ids = attributes.numbers(`${votes}_ids`);
  const highest = ids.reduce((most, id) => Math.max(most, id), 0);
  // One weight per leaf, all for one class: the score is that of the second of two classes.
  const isBinary = kind === "classifier" && classes.length === 2 && ids.every((id) => id === ids[0]);
  const targets = isBinary ? 1 : Math.max(highest + 1, classes.length, 1);
  if (targets > mostTargets) throw malformed(`has ${targets} targets`, 0);
  const trees = readTrees(attributes, votes, targets, isBinary);
  const base = attributes.numbers("base_values");
  if (base.length > 0 && base.length !== targets) return undefined;
  const aggregate = attributes.texts("aggregate_function")[0] ?? "SUM";
  const postTransform = attributes.texts("post_transform")[0] ?? "NONE";
  if ((aggregate !== "SUM" && aggregate !== "AVERAGE") || !isPostTransform(postTransform)) return undefined;
  return {
    kind,
    input,
    trees,
    targets,
    baseValues: Float64Array.from({ length: targets }, (_, target) => base[target] ?? 0),
    aggregate,
    postTransform,
    classes,
    columns: trees.reduce((most, { features }) => features.reduce((a, b) => Math.max(a, b + 1), most), 0),
  };
}

function isPostTransform(text: string): text is TreeEnsemble["postTransform"] {
  return ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"].includes(text);
}

function labelsOf(attributes: NodeAttributes): readonly string[] {
  const texts = attributes.texts("classlabels_strings");
  return texts.length > 0 ? texts : attributes.numbers("classlabels_int64s").map(String);
}

/** The nodes of all trees side by side, as the file lists them. */
interface NodeLists {
  readonly trees: readonly number[];
  readonly ids: readonly number[];
  readonly features: readonly number[];
  readonly thresholds: readonly number[];
  readonly modes: readonly string[];
  readonly whenTrue: readonly number[];
  readonly whenFalse: readonly number[];
  readonly missing: readonly number[];
}

function readTrees(
  attributes: NodeAttributes,
  votes: "class" | "target",
  targets: number,
  isBinary: boolean,
): DecisionTree[] {
  const lists: NodeLists = {
    trees: attributes.numbers("nodes_treeids"),
    ids: attributes.numbers("nodes_nodeids"),
    features: attributes.numbers("nodes_featureids"),
    thresholds: attributes.numbers("nodes_values"),
    modes: attributes.texts("nodes_modes"),
    whenTrue: attributes.numbers("nodes_truenodeids"),
    whenFalse: attributes.numbers("nodes_falsenodeids"),
    missing: attributes.numbers("nodes_missing_value_tracks_true"),
  };
  const { missing, ...demanded } = lists;
  const count = lists.ids.length;
  if (Object.values(demanded).some((list) => list.length !== count) || ![0, count].includes(missing.length))
    throw malformed("has trees whose lists of nodes differ in length", 0);
  if (count * targets > mostWeights) throw malformed(`has ${count} nodes of ${targets} targets`, 0);
  const byTree = Map.groupBy(lists.trees.keys(), (at) => lists.trees[at] ?? 0);
  const trees = new Map([...byTree].map(([tree, places]) => [tree, readTree(lists, places, targets)]));
  addVotes(attributes, votes, trees, targets, isBinary);
  return [...trees.values()].map(({ tree }) => tree);
}

interface PlacedTree {
  readonly tree: DecisionTree;
  readonly placeOf: ReadonlyMap<number, number>;
}

function readTree(lists: NodeLists, places: readonly number[], targets: number): PlacedTree {
  const placeOf = new Map(places.map((at, place) => [lists.ids[at] ?? 0, place]));
  if (placeOf.size !== places.length) throw malformed("has a tree with two nodes of one id", 0);
  const each = (list: readonly number[]): number[] => places.map((at) => list[at] ?? 0);
  const modes = Uint8Array.from(places, (at) => modeOf(lists.modes[at] ?? ""));
  const child = (ids: readonly number[]) =>
    Int32Array.from(ids, (id, place) => {
      if (modes[place] === 0) return 0;
      const found = placeOf.get(id);
      if (found === undefined) throw malformed(`has a tree whose node ${id} is missing`, 0);
      return found;
    });
  const features = each(lists.features).map((feature, place) => (modes[place] === 0 ? 0 : feature));
  if (features.some((feature) => feature < 0 || feature > 1_000_000))
    throw malformed("has a tree that looks at a column that cannot be", 0);
  const tree = {
    modes,
    features: Int32Array.from(features),
    thresholds: Float64Array.from(each(lists.thresholds)),
    whenTrue: child(each(lists.whenTrue)),
    whenFalse: child(each(lists.whenFalse)),
    missingIsTrue: Uint8Array.from(each(lists.missing)),
    weights: new Float64Array(places.length * targets),
  };
  return { tree: { ...tree, depth: depthOf(tree) }, placeOf };
}

function modeOf(text: string): number {
  const mode = branchModes.findIndex((name) => name === text);
  if (mode < 0) throw malformed(`has a tree node of the unknown mode "${text.slice(0, 40)}"`, 0);
  return mode;
}

/** Walks the whole tree once. @throws where a node has two parents, or none but is not the root */
function depthOf({
  modes,
  whenTrue,
  whenFalse,
}: Pick<DecisionTree, "modes" | "whenTrue" | "whenFalse">): number {
  const seen = new Uint8Array(modes.length);
  const open: [place: number, depth: number][] = [[0, 0]];
  let deepest = 0;
  let found = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const [place, depth] = next;
    if (seen[place] === 1) throw malformed("has a tree in which a node has two parents", 0);
    seen[place] = 1;
    found++;
    deepest = Math.max(deepest, depth);
    if (modes[place] !== 0) open.push([whenTrue[place] ?? 0, depth + 1], [whenFalse[place] ?? 0, depth + 1]);
  }
  if (found !== modes.length) throw malformed("has a tree with nodes that its root does not reach", 0);
  return deepest;
}

function addVotes(
  attributes: NodeAttributes,
  votes: "class" | "target",
  trees: ReadonlyMap<number, PlacedTree>,
  targets: number,
  isBinary: boolean,
): void {
  const [treeIds, nodeIds, ids, weights] = ["treeids", "nodeids", "ids", "weights"].map((name) =>
    attributes.numbers(`${votes}_${name}`),
  );
  if (!treeIds || !nodeIds || !ids || !weights) return;
  if ([nodeIds, ids, weights].some((list) => list.length !== treeIds.length))
    throw malformed("has trees whose lists of votes differ in length", 0);
  for (const [at, treeId] of treeIds.entries()) {
    const found = trees.get(treeId);
    const place = found?.placeOf.get(nodeIds[at] ?? -1);
    if (!found || place === undefined) throw malformed("has a vote of a leaf that is missing", 0);
    const target = isBinary ? 0 : (ids[at] ?? 0);
    if (target < 0) throw malformed("has a vote for a target that cannot be", 0);
    const index = place * targets + target;
    found.tree.weights[index] = (found.tree.weights[index] ?? 0) + (weights[at] ?? 0);
  }
}
