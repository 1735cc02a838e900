import { PortolanError, type Violation } from "@portolan/kernel";
import { bytesOf, elementTypeOf } from "./element-types.ts";
import type { OnnxFormatErrorCode } from "./errors.ts";
import { onnxLimits } from "./limits.ts";
import type { ModelSignature, OnnxInitializer, OnnxModel, OnnxValue, TensorSpec } from "./model.ts";

/** Operator domains that ONNX Runtime ships; anything else is native code that someone would have to load. */
const knownDomains: ReadonlySet<string> = new Set([
  "",
  "ai.onnx.ml",
  "com.microsoft",
  "com.ms.internal.nhwc",
  "ai.onnx.preview.training",
]);

/** Everything that keeps a model from being loaded, each with its mend; empty for a safe model. Pure. */
export function findOnnxProblems(model: OnnxModel): Violation[] {
  return [
    ...model.initializers.flatMap(tensorProblems),
    ...model.inputs.flatMap((value) => valueProblems("input", value)),
    ...model.outputs.flatMap((value) => valueProblems("output", value)),
    ...domainProblems(model),
    ...(model.inputs.length === 0
      ? [{ detail: "The model takes no input.", mend: "Export it with its inputs." }]
      : []),
    ...(model.outputs.length === 0
      ? [{ detail: "The model gives no output.", mend: "Export it with its outputs." }]
      : []),
  ];
}

/**
 * The signature of a model that is safe to load.
 *
 * @throws PortolanError `onnx_format.unsafe` with every finding.
 */
export function signatureOf(model: OnnxModel): ModelSignature {
  const violations = findOnnxProblems(model);
  const first = violations[0];
  if (first) {
    throw new PortolanError<OnnxFormatErrorCode>("onnx_format.unsafe", {
      detail: first.detail,
      ...(first.mend === undefined ? {} : { mend: first.mend }),
      violations,
    });
  }
  return { inputs: model.inputs.flatMap(specOf), outputs: model.outputs.flatMap(specOf) };
}

function specOf(value: OnnxValue): TensorSpec[] {
  const datatype = elementTypeOf(value.elementType)?.datatype;
  if (!datatype || !value.shape) return [];
  return [
    { name: value.name, datatype, shape: value.shape, ...(value.symbols ? { symbols: value.symbols } : {}) },
  ];
}

function tensorProblems(tensor: OnnxInitializer): Violation[] {
  const name = tensor.name === "" ? "A constant" : `Tensor "${clip(tensor.name)}"`;
  if (tensor.external !== undefined) {
    const climbs = climbsOut(tensor.external);
    return [
      {
        detail: `${name} keeps its data in another file ("${clip(tensor.external)}")${climbs ? ", outside the model's folder" : ""}.`,
        mend: "Save the model as one file: onnx.save(model, path, save_as_external_data=False).",
      },
    ];
  }
  const type = elementTypeOf(tensor.elementType);
  if (!type) {
    return [
      {
        detail: `${name} has the unknown element type ${tensor.elementType}.`,
        mend: "Export the model again.",
      },
    ];
  }
  if (!(tensor.declaredBytes >= 0 && tensor.declaredBytes <= onnxLimits.tensorBytes)) {
    return [
      {
        detail: `${name} declares a shape of ${tensor.dims.join("×")}, which would take ${tensor.declaredBytes} bytes.`,
        mend: `Keep every tensor below ${onnxLimits.tensorBytes} bytes.`,
      },
    ];
  }
  const elements = tensor.dims.reduce((product, dim) => product * dim, 1);
  const paddedHalf = type.bits === 4 && tensor.storedElements === elements + 1;
  const complexParts = type.onnx.startsWith("COMPLEX") && tensor.storedElements === elements * 2;
  if (tensor.storedElements !== elements && !paddedHalf && !complexParts && type.bits !== 4) {
    return [
      {
        detail: `${name} declares ${elements} elements but holds ${tensor.storedElements}.`,
        mend: "Export the model again; the file is cut off or was edited.",
      },
    ];
  }
  return [];
}

/** True for absolute paths, drive letters, and anything that leaves the model's folder. */
function climbsOut(location: string): boolean {
  return /^([/\\]|[A-Za-z]:)/.test(location) || location.split(/[/\\]/).includes("..");
}

function valueProblems(role: "input" | "output", value: OnnxValue): Violation[] {
  const name = `The ${role} "${clip(value.name)}"`;
  if (value.kind !== "tensor") {
    return [
      {
        detail: `${name} is a ${value.kind === "untyped" ? "value without a type" : value.kind.replace("_", " ")}, not a tensor.`,
        mend: "Export with tensors only; for scikit-learn set the option zipmap=False.",
      },
    ];
  }
  const type = elementTypeOf(value.elementType);
  if (!type?.datatype) {
    return [
      {
        detail: `${name} has the element type ${type?.onnx ?? value.elementType}, which the protocol cannot carry.`,
        mend: "Cast it to a float, an integer, a bool or a string inside the model.",
      },
    ];
  }
  if (!value.shape) {
    return [{ detail: `${name} declares no shape.`, mend: "Export the model with declared shapes." }];
  }
  const fixed = value.shape.reduce((product, dim) => product * (dim === -1 ? 1 : dim), 1);
  if (bytesOf(type, fixed) > onnxLimits.valueBytes) {
    return [
      {
        detail: `${name} has the shape ${value.shape.join("×")}, at least ${bytesOf(type, fixed)} bytes per call.`,
        mend: `Keep the fixed part below ${onnxLimits.valueBytes} bytes.`,
      },
    ];
  }
  return [];
}

function domainProblems(model: OnnxModel): Violation[] {
  const own = new Set(model.functions.map((fn) => `${fn.domain}\u0000${fn.name}`));
  return model.operators
    .filter((op) => !knownDomains.has(op.domain) && !own.has(`${op.domain}\u0000${op.name}`))
    .map((op) => ({
      detail: `The operator ${clip(op.domain)}::${clip(op.name)} is not part of ONNX Runtime.`,
      mend: "Export with standard operators; custom operator libraries are never loaded.",
    }));
}

function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
