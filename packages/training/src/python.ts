import { digestHex, digestJson } from "@portolan/kernel";

export const pythonMinors = ["3.14", "3.13", "3.12", "3.11", "3.10"] as const;
export type PythonMinor = (typeof pythonMinors)[number];

export interface Python {
  readonly path: string;
  /** Folder of its library. */
  readonly prefix: string;
  readonly minor: PythonMinor;
  /** E.g. `3.11.7`. */
  readonly version: string;
}

/** What makes two environments the same: lock, interpreter and machine. */
export function environmentKey(lock: string, python: Python): string {
  return digestHex(
    digestJson({ lock, python: python.version, machine: `${process.platform}-${process.arch}` }),
  );
}
