import { join } from "node:path";
import { runCommand } from "../../../tools/run-command.ts";
import { clientSays } from "../client-script.ts";

/** What `quantize.py` says of a model that it made. */
export interface Quantized {
  readonly method: string;
  readonly from: { readonly digest: string; readonly bytes: number };
  readonly to: { readonly digest: string; readonly bytes: number };
  readonly calibration?: { readonly rows: number; readonly digest: string };
}

/** Handwritten digits that no model was trained or calibrated on: 64 columns, classes 0 to 9. */
export interface HeldOut {
  readonly rows: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

export const methods = ["dynamic-int8", "static-int8", "fp16"] as const;

const program = join(import.meta.dirname, "../../../examples/quantization/quantize.py");

/** Leaves `network.onnx`, `trees.onnx` and `calibration.npy` in the folder. */
export async function trainOnDigits(python: string, folder: string, width: number): Promise<HeldOut> {
  const said = await clientSays(python, import.meta.dirname, [folder, String(width)]);
  return { rows: said["held out"] as HeldOut["rows"], labels: said["labels"] as HeldOut["labels"] };
}

/** Runs the shipped program in the folder. */
export function quantize(
  python: string,
  folder: string,
  args: readonly string[],
): Promise<{ readonly exitCode: number; readonly output: string }> {
  return runCommand(python, ["-W", "ignore", program, ...args], { cwd: folder });
}

/** `network.onnx` by a method, as `<method>.onnx` beside it. @throws Error with the program's words */
export async function quantizeNetwork(python: string, folder: string, method: string): Promise<Quantized> {
  const calibration = method === "static-int8" ? ["--calibration", "calibration.npy"] : [];
  const args = ["network.onnx", `${method}.onnx`, "--method", method, ...calibration];
  const { exitCode, output } = await quantize(python, folder, args);
  const line = output.split("\n").find((one) => one.startsWith('{"method"'));
  if (exitCode !== 0 || line === undefined) throw new Error(output);
  return JSON.parse(line) as Quantized;
}
