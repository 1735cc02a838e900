import type { Evidence } from "./findings.ts";
import { type Program, seenAt } from "./program.ts";

/** Distributions that are called otherwise than the modules in them. */
const distributions: Readonly<Record<string, string>> = {
  sklearn: "scikit-learn",
  skimage: "scikit-image",
  cv2: "opencv-python-headless",
  PIL: "pillow",
  yaml: "pyyaml",
  bs4: "beautifulsoup4",
  dateutil: "python-dateutil",
  dotenv: "python-dotenv",
  Crypto: "pycryptodome",
  psycopg2: "psycopg2-binary",
  MySQLdb: "mysqlclient",
  imblearn: "imbalanced-learn",
  umap: "umap-learn",
  serial: "pyserial",
  jwt: "pyjwt",
  google: "google-cloud-storage",
  mpl_toolkits: "matplotlib",
  pylab: "matplotlib",
  tensorflow_hub: "tensorflow-hub",
};

/** Parts of Jupyter, which a trainer has no use for. */
const ofNotebooks = new Set(["IPython", "ipywidgets", "google.colab", "tqdm.notebook"]);

export interface Requirement {
  /** Name of the distribution. */
  readonly name: string;
  /** `==1.2.3`, or absent where nothing says which. */
  readonly pin?: string;
  readonly evidence?: Evidence;
}

/** What the program imports of other people, each once, with the version that something names. */
export function requirementsOf(program: Program): Requirement[] {
  const { facts, localModules } = program;
  const own = new Set([...facts.standard, ...localModules, "__future__", "__main__"]);
  const pins = pinsOf(program.requirements);
  const found = new Map<string, Requirement>();
  for (const { at, module } of facts.imports) {
    const top = module.split(".")[0] ?? module;
    if (own.has(top) || ofNotebooks.has(top) || ofNotebooks.has(module)) continue;
    const name = normalised(distributions[top] ?? top);
    const pin = pins.get(name);
    const evidence = seenAt(program, at, `import of ${module}`);
    if (!found.has(name)) found.set(name, { name, ...(pin === undefined ? {} : { pin }), evidence });
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** By distribution; only exact versions are pins. */
function pinsOf(requirements: readonly string[]): Map<string, string> {
  return new Map(
    requirements.flatMap((line) => {
      const match = /^\s*([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([\w.!+-]+)/.exec(line);
      return match?.[1] !== undefined && match[2] !== undefined
        ? [[normalised(match[1]), `==${match[2]}`] as const]
        : [];
    }),
  );
}

/** As PEP 503 compares names. */
function normalised(name: string): string {
  return name.replaceAll(/[-_.]+/g, "-").toLowerCase();
}

/** What every trainer that leaves ONNX needs. */
const ofTrainers = ["numpy", "onnx", "protobuf<7", "pyarrow", "scikit-learn", "skl2onnx"];

/** `requirements.in` of the new project: what the trainer needs, and as comments what the proof of concept imported. */
export function requirementsFile(requirements: readonly Requirement[]): string {
  return [
    "# What train.py needs; the requirements-3.N.lock files beside this lock these alone.",
    ...ofTrainers,
    ...(requirements.length > 0
      ? [
          "",
          "# The proof of concept imported these. Take in what the trainer uses, with a version, and lock anew with hashes.",
        ]
      : []),
    ...requirements.map(({ name, pin }) => `# ${name}${pin ?? " (no version is known)"}`),
    "",
  ].join("\n");
}
