export { onnxErrors } from "./errors.ts";
export { createOnnxRuntime, defaultInlineMicros, type OnnxRuntimeOptions } from "./onnx-runtime.ts";
export { createQuarantine, type Quarantine } from "./quarantine.ts";
export { findRunnerWalls } from "./runner.ts";
