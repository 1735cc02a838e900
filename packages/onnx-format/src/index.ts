export { bytesOf, type Datatype, datatypes, type ElementType, elementTypeOf } from "./element-types.ts";
export { type OnnxFormatErrorCode, onnxFormatErrors } from "./errors.ts";
export { findOnnxProblems, signatureOf } from "./judge-onnx-model.ts";
export { onnxLimits } from "./limits.ts";
export type { LinearModel } from "./linear-model.ts";
export type {
  ModelSignature,
  OnnxInitializer,
  OnnxModel,
  OnnxOperator,
  OnnxValue,
  TensorSpec,
} from "./model.ts";
export { readLinearModel } from "./read-linear-model.ts";
export { readOnnxModel } from "./read-onnx-model.ts";
export { readTreeEnsemble } from "./read-tree-ensemble.ts";
export { type BranchMode, branchModes, type DecisionTree, type TreeEnsemble } from "./tree-ensemble.ts";
