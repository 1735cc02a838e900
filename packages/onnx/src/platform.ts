import { messageOf } from "@portolan/kernel";

/**
 * Why ONNX Runtime cannot run on this machine (its npm package carries programs for some platforms only, and they
 * need glibc), or `undefined` when it can. Apart from the package's index, which does not even load there.
 */
export async function onnxRuntimeProblem(): Promise<string | undefined> {
  try {
    await import("onnxruntime-node");
    return undefined;
  } catch (error) {
    return messageOf(error).split("\n")[0];
  }
}
