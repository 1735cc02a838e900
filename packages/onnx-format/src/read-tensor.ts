import { bytesOf, elementTypeOf } from "./element-types.ts";
import { onnxLimits } from "./limits.ts";
import type { OnnxInitializer } from "./model.ts";
import type { WireReader } from "./wire.ts";

/** Reads a TensorProto's description; the data is measured, never copied. */
export function readTensor(reader: WireReader): OnnxInitializer {
  const dims: number[] = [];
  let name = "";
  let elementType = 0;
  let storedElements = 0;
  let rawBytes: number | undefined;
  let external: string | undefined;
  let isExternal = false;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) reader.integers(dims, onnxLimits.dimensions);
    else if (field === 2) elementType = reader.integer();
    else if (field === 4) storedElements += reader.countElements(4);
    else if (field === 5 || field === 7 || field === 11) storedElements += reader.countElements("varint");
    else if (field === 6) storedElements += elementCount(reader);
    else if (field === 10) storedElements += reader.countElements(8);
    else if (field === 8) name = reader.text();
    else if (field === 9) rawBytes = reader.bytes().length;
    else if (field === 13) external = readExternalLocation(reader.message()) ?? external;
    else if (field === 14) isExternal = reader.integer() === 1;
    else reader.skip();
  }
  const type = elementTypeOf(elementType);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (rawBytes !== undefined && type && type.bits > 0)
    storedElements = Math.floor((rawBytes * 8) / type.bits);
  return {
    name,
    elementType,
    dims,
    declaredBytes: type ? bytesOf(type, count) : count,
    storedElements,
    ...(isExternal || external !== undefined ? { external: external ?? "" } : {}),
  };
}

function elementCount(reader: WireReader): number {
  reader.skip();
  return 1;
}

function readExternalLocation(reader: WireReader): string | undefined {
  let key = "";
  let value = "";
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.text();
    else if (field === 2) value = reader.text();
    else reader.skip();
  }
  return key === "location" ? value : undefined;
}
