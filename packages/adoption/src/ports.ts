import type { Digest } from "@portolan/kernel";

/** A Python program of this package that is to be run on somebody else's file. */
export interface WalledTask {
  /** Path of the program. */
  readonly program: string;
  /** The file that it examines. */
  readonly input: { readonly text: string } | { readonly path: string };
  readonly params: Readonly<Record<string, boolean>>;
  /** `libraries`: in the pinned environment, and only where the machine keeps it from files and network. `bare`: the standard library will do. */
  readonly needs: "libraries" | "bare";
}

/** What a program left. Whoever reads it treats it as a stranger's. */
export interface WalledOutput {
  /** @returns `undefined` where there is no such plain file, or a larger one */
  readonly read: (name: string, mostBytes: number) => Promise<Uint8Array | undefined>;
}

/** Runs programs behind walls: no network, no files but their own, limits on time, memory and disk. */
export interface WalledPrograms {
  /**
   * @param use reads what was left; the folder is gone afterwards
   * @throws PortolanError `adoption.not_isolated` where the machine has no walls for what needs them, `adoption.reading_failed` where the
   *   program passed a limit or died
   */
  run<Result>(task: WalledTask, use: (output: WalledOutput) => Promise<Result>): Promise<Result>;
}

/** Rows of one input of a model: float32 where its values are numbers, else texts. */
export interface ProbeInput {
  readonly name: string;
  /** Of a row. */
  readonly columns: number;
  /** Row by row. */
  readonly values: readonly (number | string)[];
}

export interface LoadedProbe {
  /** Outputs by name, as rows of numbers; outputs that are no numbers are left out. */
  readonly run: (
    rows: number,
    inputs: readonly ProbeInput[],
  ) => Promise<Readonly<Record<string, readonly number[][]>>>;
}

/** Loads an ONNX model where it can do no harm. */
export interface ModelTrial {
  /** @throws PortolanError where the bytes are refused or do not load */
  try<Result>(
    model: { readonly bytes: Uint8Array; readonly digest: Digest },
    use: (probe: LoadedProbe) => Promise<Result>,
  ): Promise<Result>;
}
