import { PortolanError } from "@portolan/kernel";
import type { Scaling } from "@portolan/serving/contract";
import type { CliErrorCode } from "../errors.ts";

type Setting = Exclude<keyof Scaling, "minimum" | "maximum">;

/** Settings of `--scale`: the field that each one states, and how its value is written. */
const settings: Readonly<Record<string, { readonly field: Setting; readonly form: RegExp }>> = {
  utilisation: { field: "targetUtilisation", form: /^(0\.\d{1,4}|1(?:\.0{1,4})?)$/ },
  rows: { field: "queuedRowsPerWorker", form: /^(\d{1,6})$/ },
  up: { field: "upPerStep", form: /^(\d{1,2})$/ },
  down: { field: "downPerStep", form: /^(\d{1,2})$/ },
  window: { field: "stabilisationSeconds", form: /^(\d{1,4})s$/ },
  idle: { field: "idleSeconds", form: /^(\d{1,5})s$/ },
};

/**
 * @param workers `1..4`
 * @param scale `window=30s`, `up=4`, …
 * @throws PortolanError `cli.bad_usage`
 */
export function parseScaling(workers: string | undefined, scale: readonly string[]): Scaling {
  const [, minimum, maximum] = /^(\d{1,2})\.\.(\d{1,2})$/.exec(workers ?? "") ?? [];
  if (minimum === undefined) throw badUsage(`--workers "${workers ?? ""}"`, "--workers 1..4");
  const scaling: { -readonly [K in keyof Scaling]: Scaling[K] } = {
    minimum: Number(minimum),
    maximum: Number(maximum),
  };
  for (const text of scale) {
    const [, name = "", value = ""] = /^([a-z]+)=(.+)$/.exec(text) ?? [];
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    const [, number] = setting?.form.exec(value) ?? [];
    if (!setting || number === undefined)
      throw badUsage(`--scale "${text}"`, "--scale utilisation=0.7 rows=64 up=2 down=1 window=60s idle=300s");
    scaling[setting.field] = Number(number);
  }
  return scaling;
}

function badUsage(what: string, example: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${what.slice(0, 90)} is not understood`,
    mend: `Write it like ${example}`,
  });
}
