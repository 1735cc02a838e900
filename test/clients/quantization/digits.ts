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

/** A small network's held-out rows, and how right the trainer's gradients are. */
export interface AwareSet extends HeldOut {
  readonly gradients: number;
}

/** Leaves `network.onnx`, `rounded.onnx` (ONNX Runtime's own 4 bits), `rows.npy` and `labels.npy` in the folder. */
export async function trainSmall(
  python: string,
  folder: string,
  width: number,
  seed: number,
): Promise<AwareSet> {
  const args = ["-W", "ignore", join(import.meta.dirname, "aware.py"), folder, String(width), String(seed)];
  const { exitCode, output } = await runCommand(python, args, { cwd: folder });
  if (exitCode !== 0) throw new Error(output.slice(-2000));
  const said = new Map<string, unknown>();
  for (const line of output.split("\n").filter((one) => one.startsWith('{"name"'))) {
    const { name, value } = JSON.parse(line) as { readonly name: string; readonly value: unknown };
    said.set(name, value);
  }
  return {
    rows: said.get("held out") as HeldOut["rows"],
    labels: said.get("labels") as HeldOut["labels"],
    gradients: Number(said.get("gradients")),
  };
}

const awareProgram = join(import.meta.dirname, "../../../examples/quantization/quantize_aware.py");

/** Runs the shipped quantisation-aware trainer in the folder, as `<name>.onnx`. @throws Error with the program's words */
export async function quantizeAware(
  python: string,
  folder: string,
  name: string,
  more: readonly string[],
  [model = "", rows = "", labels = ""]: readonly string[] = ["network.onnx", "rows.npy", "labels.npy"],
): Promise<Quantized> {
  const args = [model, `${name}.onnx`, "--rows", rows, "--labels", labels, ...more];
  const { exitCode, output } = await runCommand(python, [awareProgram, ...args], { cwd: folder });
  const line = output.split("\n").find((one) => one.startsWith('{"method"'));
  if (exitCode !== 0 || line === undefined) throw new Error(output.slice(-2000));
  return JSON.parse(line) as Quantized;
}
