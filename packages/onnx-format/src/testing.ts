/**
 * A minimal writer of ONNX files for tests and benchmarks: enough to build small models, and broken ones,
 * without Python. Nothing outside tests and `bench/` imports it.
 */

/** Protobuf message under construction. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];

  integer(field: number, value: number | bigint): this {
    this.#parts.push(varint(BigInt(field) << 3n), varint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#parts.push(varint((BigInt(field) << 3n) | 2n), varint(BigInt(value.length)), value);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: WireWriter): this {
    return this.bytes(field, value.finish());
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if (rest === 0n) return Uint8Array.from([...out, low]);
    out.push(low | 0x80);
  }
}

/** ONNX element type numbers that tests use. */
export const onnxType = {
  float: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  bf16: 16,
} as const;

/** A dimension: fixed, named, or `null` for unnamed and variable. */
export type Dim = number | string | null;

export function valueInfo(name: string, elementType: number, dims: readonly Dim[]): WireWriter {
  const shape = new WireWriter();
  for (const dim of dims) {
    const one = new WireWriter();
    if (typeof dim === "number") one.integer(1, dim);
    else if (dim !== null) one.text(2, dim);
    shape.message(1, one);
  }
  const tensorType = new WireWriter().integer(1, elementType).message(2, shape);
  return new WireWriter().text(1, name).message(2, new WireWriter().message(1, tensorType));
}

export function rawTensor(
  name: string,
  elementType: number,
  dims: readonly number[],
  raw: Uint8Array,
): WireWriter {
  const tensor = new WireWriter();
  for (const dim of dims) tensor.integer(1, dim);
  return tensor.integer(2, elementType).text(8, name).bytes(9, raw);
}

export function floatTensor(name: string, dims: readonly number[], values: readonly number[]): WireWriter {
  return rawTensor(name, onnxType.float, dims, new Uint8Array(Float32Array.from(values).buffer));
}

export function int64Tensor(name: string, dims: readonly number[], values: readonly bigint[]): WireWriter {
  return rawTensor(name, onnxType.int64, dims, new Uint8Array(BigInt64Array.from(values).buffer));
}

export interface NodeParts {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly WireWriter[];
}

export function node(parts: NodeParts): WireWriter {
  const writer = new WireWriter();
  for (const input of parts.inputs) writer.text(1, input);
  for (const output of parts.outputs) writer.text(2, output);
  writer.text(3, `${parts.op}_${parts.outputs[0] ?? ""}`).text(4, parts.op);
  for (const attribute of parts.attributes ?? []) writer.message(5, attribute);
  return parts.domain === undefined ? writer : writer.text(7, parts.domain);
}

export function intAttribute(name: string, value: number): WireWriter {
  return new WireWriter().text(1, name).integer(3, value).integer(20, 2);
}

export function intsAttribute(name: string, values: readonly number[]): WireWriter {
  const writer = new WireWriter().text(1, name);
  for (const value of values) writer.integer(8, value);
  return writer.integer(20, 7);
}

export function floatsAttribute(name: string, values: readonly number[]): WireWriter {
  // Packed: field 7, one length for all of them.
  return new WireWriter()
    .text(1, name)
    .bytes(7, new Uint8Array(Float32Array.from(values).buffer))
    .integer(20, 6);
}

export function textAttribute(name: string, value: string): WireWriter {
  return new WireWriter().text(1, name).text(4, value).integer(20, 3);
}

export function textsAttribute(name: string, values: readonly string[]): WireWriter {
  const writer = new WireWriter().text(1, name);
  for (const value of values) writer.text(9, value);
  return writer.integer(20, 8);
}

export function tensorAttribute(name: string, tensor: WireWriter): WireWriter {
  return new WireWriter().text(1, name).message(5, tensor).integer(20, 4);
}

export function graphAttribute(name: string, body: WireWriter): WireWriter {
  return new WireWriter().text(1, name).message(6, body).integer(20, 5);
}

export interface GraphParts {
  readonly nodes: readonly WireWriter[];
  readonly inputs: readonly WireWriter[];
  readonly outputs: readonly WireWriter[];
  readonly initializers?: readonly WireWriter[];
}

export function graph(parts: GraphParts): WireWriter {
  const writer = new WireWriter();
  for (const one of parts.nodes) writer.message(1, one);
  writer.text(2, "g");
  for (const one of parts.initializers ?? []) writer.message(5, one);
  for (const one of parts.inputs) writer.message(11, one);
  for (const one of parts.outputs) writer.message(12, one);
  return writer;
}

/** @param domains operator sets beside ONNX's own, by their version */
export function model(
  body: WireWriter,
  metadata: Readonly<Record<string, string>> = {},
  domains: Readonly<Record<string, number>> = {},
): Uint8Array {
  const writer = new WireWriter().integer(1, 8).text(2, "portolan-testing").message(7, body);
  writer.message(8, new WireWriter().text(1, "").integer(2, 17));
  for (const [domain, version] of Object.entries(domains))
    writer.message(8, new WireWriter().text(1, domain).integer(2, version));
  for (const [key, value] of Object.entries(metadata)) {
    writer.message(14, new WireWriter().text(1, key).text(2, value));
  }
  return writer.finish();
}

/** `score = sigmoid(x·weights + bias)`: x is FP32 [-1, n], score is FP32 [-1, 1]. */
export function logisticModel(weights: readonly number[], bias: number): Uint8Array {
  return model(
    graph({
      nodes: [
        node({ op: "Gemm", inputs: ["x", "w", "b"], outputs: ["z"] }),
        node({ op: "Sigmoid", inputs: ["z"], outputs: ["score"] }),
      ],
      inputs: [valueInfo("x", onnxType.float, ["batch", weights.length])],
      outputs: [valueInfo("score", onnxType.float, ["batch", 1])],
      initializers: [floatTensor("w", [weights.length, 1], weights), floatTensor("b", [1], [bias])],
    }),
  );
}

/** Gives back what it gets, in any element type. */
export function identityModel(elementType: number, dims: readonly Dim[]): Uint8Array {
  return model(
    graph({
      nodes: [node({ op: "Identity", inputs: ["in"], outputs: ["out"] })],
      inputs: [valueInfo("in", elementType, dims)],
      outputs: [valueInfo("out", elementType, dims)],
    }),
  );
}

/** A multi-layer perceptron with ReLU between layers and weights from a fixed linear congruence. */
export function mlpModel(sizes: readonly number[], rows: Dim = "batch"): Uint8Array {
  const next = congruence();
  const random = (): number => (next() - 0.5) * 0.1;
  const nodes: WireWriter[] = [];
  const initializers: WireWriter[] = [];
  const last = sizes.length - 1;
  for (let layer = 0; layer < last; layer++) {
    const width = sizes[layer] ?? 1;
    const columns = sizes[layer + 1] ?? 1;
    initializers.push(
      floatTensor(`w${layer}`, [width, columns], Array.from({ length: width * columns }, random)),
    );
    initializers.push(floatTensor(`b${layer}`, [columns], Array.from({ length: columns }, random)));
    const input = layer === 0 ? "x" : `r${layer - 1}`;
    const output = layer === last - 1 ? "y" : `z${layer}`;
    nodes.push(node({ op: "Gemm", inputs: [input, `w${layer}`, `b${layer}`], outputs: [output] }));
    if (layer < last - 1) nodes.push(node({ op: "Relu", inputs: [output], outputs: [`r${layer}`] }));
  }
  return model(
    graph({
      nodes,
      inputs: [valueInfo("x", onnxType.float, [rows, sizes[0] ?? 1])],
      outputs: [valueInfo("y", onnxType.float, [rows, sizes[last] ?? 1])],
      initializers,
    }),
  );
}

/**
 * A classifier of full binary trees with thresholds and votes from a fixed linear congruence: x is FP32 [-1, `columns`], `label` INT64 [-1],
 * `y` the scores of two classes, FP32 [-1, 2]; negated, `z` in place of `y`: a model that does more than its trees.
 */
export function treesModel(trees: number, columns: number, depth: number, isNegated = false): Uint8Array {
  const domain = "ai.onnx.ml";
  const classifier = node({
    op: "TreeEnsembleClassifier",
    domain,
    inputs: ["x"],
    outputs: ["label", "y"],
    attributes: treeAttributes(trees, columns, depth),
  });
  const x = valueInfo("x", onnxType.float, ["batch", columns]);
  const outputs = [
    valueInfo("label", onnxType.int64, ["batch"]),
    valueInfo(isNegated ? "z" : "y", onnxType.float, ["batch", 2]),
  ];
  const negation = node({ op: "Neg", inputs: ["y"], outputs: ["z"] });
  const nodes = isNegated ? [classifier, negation] : [classifier];
  return model(graph({ nodes, inputs: [x], outputs }), {}, { [domain]: 3 });
}

function treeAttributes(trees: number, columns: number, depth: number): WireWriter[] {
  const random = congruence();
  const inner = 2 ** depth - 1;
  const perTree = 2 * inner + 1;
  const nodes = Array.from({ length: trees * perTree }, (_, index) => {
    const id = index % perTree;
    return { tree: Math.floor(index / perTree), id, isLeaf: id >= inner };
  });
  const leaves = nodes.filter(({ isLeaf }) => isLeaf);
  const each = (value: (one: (typeof nodes)[number]) => number) => nodes.map(value);
  /** Of inner nodes; a leaf has 0. */
  const ofInner = (value: (id: number) => number) => each(({ id, isLeaf }) => (isLeaf ? 0 : value(id)));
  /** Two votes at each leaf. */
  const twice = (value: (one: (typeof nodes)[number]) => number) =>
    leaves.flatMap((leaf) => [value(leaf), value(leaf)]);
  const modes = nodes.map(({ isLeaf }) => (isLeaf ? "LEAF" : "BRANCH_LEQ"));
  const votes = leaves.map(() => random() / trees).flatMap((vote) => [vote, 1 / trees - vote]);
  return [
    intsAttribute(
      "nodes_treeids",
      each(({ tree }) => tree),
    ),
    intsAttribute(
      "nodes_nodeids",
      each(({ id }) => id),
    ),
    intsAttribute(
      "nodes_featureids",
      ofInner(() => Math.floor(random() * columns)),
    ),
    floatsAttribute("nodes_values", ofInner(random)),
    textsAttribute("nodes_modes", modes),
    intsAttribute(
      "nodes_truenodeids",
      ofInner((id) => 2 * id + 1),
    ),
    intsAttribute(
      "nodes_falsenodeids",
      ofInner((id) => 2 * id + 2),
    ),
    intsAttribute(
      "class_treeids",
      twice(({ tree }) => tree),
    ),
    intsAttribute(
      "class_nodeids",
      twice(({ id }) => id),
    ),
    intsAttribute(
      "class_ids",
      leaves.flatMap(() => [0, 1]),
    ),
    floatsAttribute("class_weights", votes),
    intsAttribute("classlabels_int64s", [0, 1]),
  ];
}

/** Numbers in [0, 1), the same at every run. */
function congruence(): () => number {
  let state = 1;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Adds 1 to its input `rounds` times in a loop: a slow model, and with a large number an endless one. */
export function loopModel(rounds: bigint): Uint8Array {
  const body = graph({
    nodes: [
      node({ op: "Identity", inputs: ["cond_in"], outputs: ["cond_out"] }),
      node({ op: "Add", inputs: ["v_in", "one"], outputs: ["v_out"] }),
    ],
    inputs: [
      valueInfo("i", onnxType.int64, []),
      valueInfo("cond_in", onnxType.bool, []),
      valueInfo("v_in", onnxType.float, [1]),
    ],
    outputs: [valueInfo("cond_out", onnxType.bool, []), valueInfo("v_out", onnxType.float, [1])],
  });
  return model(
    graph({
      nodes: [
        node({
          op: "Loop",
          inputs: ["rounds", "go", "x"],
          outputs: ["y"],
          attributes: [graphAttribute("body", body)],
        }),
      ],
      inputs: [valueInfo("x", onnxType.float, [1])],
      outputs: [valueInfo("y", onnxType.float, [1])],
      initializers: [
        int64Tensor("rounds", [], [rounds]),
        rawTensor("go", onnxType.bool, [], Uint8Array.of(1)),
        floatTensor("one", [1], [1]),
      ],
    }),
  );
}
