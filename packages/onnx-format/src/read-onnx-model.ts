import { PortolanError } from "@portolan/kernel";
import { type OnnxFormatErrorCode } from "./errors.ts";
import { onnxLimits } from "./limits.ts";
import type { OnnxInitializer, OnnxModel, OnnxOperator, OnnxValue } from "./model.ts";
import { readTensor } from "./read-tensor.ts";
import { readValueInfo } from "./read-value.ts";
import { malformed, WireReader } from "./wire.ts";

interface Collected {
  readonly operators: Map<string, { domain: string; name: string; count: number }>;
  readonly initializers: OnnxInitializer[];
  nodeCount: number;
  subgraphDepth: number;
}

interface Graph {
  name: string;
  readonly inputs: OnnxValue[];
  readonly outputs: OnnxValue[];
  readonly initializerNames: Set<string>;
}

/**
 * Reads an ONNX file. Pure and bounded: time and memory are linear in the file's size, whatever the bytes say.
 * The model is described, not judged: see `findOnnxProblems`.
 *
 * @throws PortolanError `onnx_format.malformed` or `onnx_format.too_large`, one sentence each.
 */
export function readOnnxModel(bytes: Uint8Array): OnnxModel {
  if (bytes.length > onnxLimits.fileBytes) throw tooLarge(`has ${bytes.length} bytes`, onnxLimits.fileBytes);
  if (bytes.length === 0) throw malformed("is empty", 0);
  const collected: Collected = { operators: new Map(), initializers: [], nodeCount: 0, subgraphDepth: 0 };
  const model = {
    irVersion: 0,
    producer: "",
    producerVersion: "",
    opsets: [] as { domain: string; version: number }[],
    functions: [] as { domain: string; name: string }[],
    metadata: new Map<string, string>(),
  };
  let graph: Graph | undefined;
  const reader = new WireReader(bytes);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) model.irVersion = reader.integer();
    else if (field === 2) model.producer = reader.text();
    else if (field === 3) model.producerVersion = reader.text();
    else if (field === 7) graph = readGraph(reader.message(), collected, 0);
    else if (field === 8) model.opsets.push(readOpset(reader.message()));
    else if (field === 14) readMetadata(reader.message(), model.metadata);
    else if (field === 25) model.functions.push(readFunction(reader.message(), collected));
    else reader.skip();
  }
  if (!graph) throw malformed("holds no graph, so it is cut off or is another kind of file", bytes.length);
  if (model.irVersion <= 0) throw malformed("states no IR version", 0);
  const known = graph.initializerNames;
  return {
    ...model,
    metadata: Object.fromEntries(model.metadata),
    graphName: graph.name,
    inputs: graph.inputs.filter((input) => !known.has(input.name)),
    outputs: graph.outputs,
    operators: sortedOperators(collected),
    nodeCount: collected.nodeCount,
    subgraphDepth: collected.subgraphDepth,
    initializers: collected.initializers,
  };
}

function readGraph(reader: WireReader, collected: Collected, depth: number): Graph {
  if (depth > onnxLimits.subgraphDepth)
    throw tooLarge("nests subgraphs deeper than allowed", onnxLimits.subgraphDepth);
  collected.subgraphDepth = Math.max(collected.subgraphDepth, depth);
  const graph: Graph = { name: "", inputs: [], outputs: [], initializerNames: new Set() };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readNode(reader.message(), collected, depth);
    else if (field === 2) graph.name = reader.text();
    else if (field === 5) keepInitializer(readTensor(reader.message()), graph, collected);
    else if (field === 11) graph.inputs.push(readValueInfo(reader.message()));
    else if (field === 12) graph.outputs.push(readValueInfo(reader.message()));
    else if (field === 15) readSparse(reader.message(), graph, collected);
    else reader.skip();
    if (graph.inputs.length + graph.outputs.length > onnxLimits.values)
      throw tooLarge("declares too many inputs and outputs", onnxLimits.values);
  }
  return graph;
}

function keepInitializer(tensor: OnnxInitializer, graph: Graph, collected: Collected): void {
  graph.initializerNames.add(tensor.name);
  collected.initializers.push(tensor);
  if (collected.initializers.length > onnxLimits.initializers)
    throw tooLarge("holds too many initializers", onnxLimits.initializers);
}

function readSparse(reader: WireReader, graph: Graph, collected: Collected): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1 || field === 2) keepInitializer(readTensor(reader.message()), graph, collected);
    else reader.skip();
  }
}

function readNode(reader: WireReader, collected: Collected, depth: number): void {
  let domain = "";
  let name = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 4) name = reader.text();
    else if (field === 7) domain = reader.text();
    else if (field === 5) readAttribute(reader.message(), collected, depth);
    else reader.skip();
  }
  if (name === "") throw malformed("holds a node without an operator", 0);
  collected.nodeCount++;
  if (collected.nodeCount > onnxLimits.nodes) throw tooLarge("holds too many nodes", onnxLimits.nodes);
  const canonical = domain === "ai.onnx" ? "" : domain;
  const key = `${canonical}\u0000${name}`;
  const seen = collected.operators.get(key);
  if (seen) seen.count++;
  else collected.operators.set(key, { domain: canonical, name, count: 1 });
}

/** Attributes matter for two things only: the graphs and the tensors that hide in them. */
function readAttribute(reader: WireReader, collected: Collected, depth: number): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 5 || field === 10) collected.initializers.push(readTensor(reader.message()));
    else if (field === 6 || field === 11) readGraph(reader.message(), collected, depth + 1);
    else reader.skip();
  }
}

function readFunction(reader: WireReader, collected: Collected): { domain: string; name: string } {
  const found = { domain: "", name: "" };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) found.name = reader.text();
    else if (field === 10) found.domain = reader.text();
    else if (field === 7) readNode(reader.message(), collected, 0);
    else reader.skip();
  }
  return found;
}

function readOpset(reader: WireReader): { domain: string; version: number } {
  const opset = { domain: "", version: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) opset.domain = reader.text();
    else if (field === 2) opset.version = reader.integer();
    else reader.skip();
  }
  return opset.domain === "ai.onnx" ? { ...opset, domain: "" } : opset;
}

function readMetadata(reader: WireReader, into: Map<string, string>): void {
  let key = "";
  let value = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.text();
    else if (field === 2) value = reader.text();
    else reader.skip();
  }
  if (into.size >= onnxLimits.metadata)
    throw tooLarge("holds too many metadata entries", onnxLimits.metadata);
  into.set(key, value);
}

function sortedOperators(collected: Collected): OnnxOperator[] {
  return [...collected.operators.values()].sort((a, b) =>
    `${a.domain}:${a.name}` < `${b.domain}:${b.name}` ? -1 : 1,
  );
}

function tooLarge(what: string, limit: number): PortolanError<OnnxFormatErrorCode> {
  return new PortolanError<OnnxFormatErrorCode>("onnx_format.too_large", {
    detail: `The ONNX file ${what}; the limit is ${limit}.`,
    mend: "Export a smaller or simpler model.",
  });
}
