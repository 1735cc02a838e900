import { onnxLimits } from "./limits.ts";
import type { OnnxValue } from "./model.ts";
import { malformed, type WireReader } from "./wire.ts";

type Kind = OnnxValue["kind"];
interface TypeRead {
  kind: Kind;
  elementType: number;
  shape?: number[];
  symbols?: (string | null)[];
}

/** Reads a ValueInfoProto: a graph input or output. */
export function readValueInfo(reader: WireReader): OnnxValue {
  let name = "";
  let type: TypeRead = { kind: "untyped", elementType: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.text();
    else if (field === 2) type = readType(reader.message());
    else reader.skip();
  }
  if (name === "") throw malformed("holds an input or output without a name", 0);
  return { name, ...type };
}

const kinds: Readonly<Record<number, Kind>> = { 4: "sequence", 5: "map", 7: "opaque", 9: "optional" };

function readType(reader: WireReader): TypeRead {
  let type: TypeRead = { kind: "untyped", elementType: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    const kind = kinds[field];
    if (field === 1) type = readTensorType(reader.message(), "tensor");
    else if (field === 8) type = readTensorType(reader.message(), "sparse_tensor");
    else if (kind) {
      reader.skip();
      type = { kind, elementType: 0 };
    } else reader.skip();
  }
  return type;
}

function readTensorType(reader: WireReader, kind: Kind): TypeRead {
  const type: TypeRead = { kind, elementType: 0 };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type.elementType = reader.integer();
    else if (field === 2) Object.assign(type, readShape(reader.message()));
    else reader.skip();
  }
  return type;
}

function readShape(reader: WireReader): { shape: number[]; symbols?: (string | null)[] } {
  const shape: number[] = [];
  const symbols: (string | null)[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field !== 1) {
      reader.skip();
      continue;
    }
    const { size, symbol } = readDimension(reader.message());
    shape.push(size);
    symbols.push(symbol);
    if (shape.length > onnxLimits.dimensions)
      throw malformed(`declares a shape of more than ${onnxLimits.dimensions} dimensions`, 0);
  }
  return symbols.some((symbol) => symbol !== null) ? { shape, symbols } : { shape };
}

function readDimension(reader: WireReader): { size: number; symbol: string | null } {
  let size = -1;
  let symbol: string | null = null;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      const value = reader.integer();
      size = value < 0 ? -1 : value;
    } else if (field === 2) symbol = reader.text() || null;
    else reader.skip();
  }
  return { size, symbol: size === -1 ? symbol : null };
}
