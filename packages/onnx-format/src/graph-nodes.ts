import { NodeAttributes, readNumberTensor } from "./read-attributes.ts";
import { WireReader } from "./wire.ts";

/** The domain of the operators of classical machine learning. */
export const mlDomain = "ai.onnx.ml";
/** What may stand between the graph's input and a model: the values stay what they are. */
const passing: ReadonlySet<string> = new Set(["Identity"]);

/** One operation with its attributes that are numbers or text. */
export interface GraphNode {
  readonly inputs: string[];
  readonly outputs: string[];
  op: string;
  domain: string;
  readonly attributes: NodeAttributes;
}

/** The nodes of the main graph in the file's order, and the names of its inputs. Bounded as `readOnnxModel`. */
export function readGraphNodes(bytes: Uint8Array): { nodes: GraphNode[]; inputs: Set<string> } {
  const reader = new WireReader(bytes);
  const nodes: GraphNode[] = [];
  const inputs = new Set<string>();
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field !== 7) {
      reader.skip();
      continue;
    }
    const graph = reader.message();
    for (let inGraph = graph.next(); inGraph !== 0; inGraph = graph.next()) {
      if (inGraph === 1) nodes.push(readNode(graph.message()));
      else if (inGraph === 11) inputs.add(readName(graph.message()));
      else graph.skip();
    }
  }
  return { nodes, inputs };
}

function readNode(reader: WireReader): GraphNode {
  const node: GraphNode = { inputs: [], outputs: [], op: "", domain: "", attributes: new NodeAttributes() };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) node.inputs.push(reader.text());
    else if (field === 2) node.outputs.push(reader.text());
    else if (field === 4) node.op = reader.text();
    else if (field === 5) node.attributes.read(reader.message());
    else if (field === 7) node.domain = reader.text();
    else reader.skip();
  }
  return node;
}

function readName(reader: WireReader): string {
  let name = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.text();
    else reader.skip();
  }
  return name;
}

/** The graph's input that a value is, with nothing between them that changes it. */
export function inputBehind(
  name: string,
  nodes: readonly GraphNode[],
  inputs: ReadonlySet<string>,
): string | undefined {
  let at = name;
  // Each step goes one node back; more steps than nodes are a loop.
  for (let step = 0; step <= nodes.length; step++) {
    const made = nodes.find((node) => node.outputs.includes(at));
    if (!made) return inputs.has(at) ? at : undefined;
    if (!passing.has(made.op) || made.inputs.length !== 1) return undefined;
    at = made.inputs[0] ?? "";
  }
  return undefined;
}

/** A tensor of floats or doubles that the file holds. */
export interface NumberTensor {
  readonly dims: readonly number[];
  readonly numbers: readonly number[];
}

/** The initializer of a name, where it holds floats or doubles, and not more of them than `most`. Others are passed over without being read. */
export function readInitializer(bytes: Uint8Array, name: string, most: number): NumberTensor | undefined {
  const file = new WireReader(bytes);
  for (let field = file.next(); field !== 0; field = file.next()) {
    if (field !== 7) {
      file.skip();
      continue;
    }
    const graph = file.message();
    for (let inGraph = graph.next(); inGraph !== 0; inGraph = graph.next()) {
      if (inGraph !== 5) {
        graph.skip();
        continue;
      }
      const tensor = graph.bytes();
      if (readTensorName(new WireReader(tensor)) === name)
        return tensor.length > most * 8 + 1024 ? undefined : readNumberTensor(new WireReader(tensor), most);
    }
  }
  return undefined;
}

function readTensorName(reader: WireReader): string {
  let name = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 8) name = reader.text();
    else reader.skip();
  }
  return name;
}
