import { canonicalBytes } from "@portolan/kernel";
import { Compile, type Static, Type } from "@portolan/typebox";

/** File name of the prompt, beside the description in the signed folder of a text version. */
export const promptFileName = "prompt.json";
const promptFormat = "portolan.prompt/1";

/** Characters of the system text, and of the template. */
const mostTextCharacters = 65_536;
/** Different variables of a template. */
const mostVariables = 32;
const mostTokens = 1_000_000;

const closed = { additionalProperties: false } as const;
const Temperature = (description?: string) =>
  Type.Number({ minimum: 0, maximum: 2, ...(description === undefined ? {} : { description }) });
const Share = () => Type.Number({ exclusiveMinimum: 0, maximum: 1 });
const Tokens = () => Type.Integer({ minimum: 1, maximum: mostTokens });
const Text = (description: string) =>
  Type.String({ minLength: 1, maxLength: mostTextCharacters, description });

/** How answers are drawn: what a request gets that states nothing, and what it may state. */
export const PromptSampling = Type.Object(
  {
    temperature: Type.Optional(
      Type.Object(
        {
          default: Temperature("Of requests that state none"),
          minimum: Type.Optional(Temperature("Least that a request may state; absent: no bound")),
          maximum: Type.Optional(Temperature("Most that a request may state; absent: no bound")),
        },
        closed,
      ),
    ),
    topP: Type.Optional(
      Type.Object(
        { default: Share(), minimum: Type.Optional(Share()), maximum: Type.Optional(Share()) },
        closed,
      ),
    ),
    maxTokens: Type.Optional(
      Type.Object(
        { default: Tokens(), maximum: Type.Optional(Tokens()) },
        { ...closed, description: "Of each answer" },
      ),
    ),
  },
  { ...closed, minProperties: 1 },
);
export type PromptSampling = Static<typeof PromptSampling>;

/** What a text version puts before every request, as whoever registers it states it. */
export const StatedPrompt = Type.Object(
  {
    system: Type.Optional(Text("Sent first, as it is: the system message of a chat")),
    template: Type.Optional(
      Text(
        "Sent after the system text, as the user's; each {{name}} is replaced by the request's variable of that name",
      ),
    ),
    sampling: Type.Optional(PromptSampling),
  },
  { ...closed, minProperties: 1 },
);
export type StatedPrompt = Static<typeof StatedPrompt>;

/** The signed content of the file. */
const Prompt = Type.Object({ format: Type.Literal(promptFormat), ...StatedPrompt.properties }, closed);
export type Prompt = Static<typeof Prompt>;

const shape = Compile(Prompt);

/** A piece of a template: text as it is, or the name of what comes in its place. */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "variable"; readonly name: string };

/** Nothing else is a placeholder: no spaces, no expressions. */
const placeholder = /\{\{([a-z][a-z0-9_]{0,39})\}\}/;

/** The pieces of a template in order; `undefined` where `{{` begins something other than a variable. Pure, in one pass. */
export function templateParts(template: string): TemplatePart[] | undefined {
  // Texts at even places, the names between them at odd ones.
  const pieces = template.split(placeholder);
  if (pieces.some((piece, at) => at % 2 === 0 && piece.includes("{{"))) return undefined;
  return pieces.flatMap((piece, at): TemplatePart[] => {
    if (at % 2 === 1) return [{ kind: "variable", name: piece }];
    return piece === "" ? [] : [{ kind: "text", text: piece }];
  });
}

/** What beyond its shape makes a prompt unusable, each in a sentence; empty: nothing. Pure. */
export function promptProblems({ system, template, sampling }: StatedPrompt): string[] {
  return [
    ...[system, template].flatMap((text) =>
      text === undefined || text.isWellFormed() ? [] : ["a text holds half of a surrogate pair"],
    ),
    ...(template === undefined ? [] : templateProblems(template)),
    ...Object.entries(sampling ?? {}).flatMap(([name, bounds]) => boundProblems(name, bounds)),
  ];
}

function templateProblems(template: string): string[] {
  const parts = templateParts(template);
  if (!parts) return ["the template has a {{ that begins no {{variable}}: small letters, digits and _ alone"];
  const names = new Set(parts.flatMap((part) => (part.kind === "variable" ? [part.name] : [])));
  return names.size > mostVariables ? [`the template has more than ${mostVariables} variables`] : [];
}

interface Bounds {
  readonly default: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

function boundProblems(name: string, { default: usual, minimum, maximum }: Bounds): string[] {
  const least = minimum ?? Number.NEGATIVE_INFINITY;
  const most = maximum ?? Number.POSITIVE_INFINITY;
  if (least > most) return [`the minimum of ${name} is above its maximum`];
  return usual >= least && usual <= most ? [] : [`the default of ${name} is outside its bounds`];
}

/** The prompt as it is signed. The same words give the same bytes. Pure. */
export function encodePrompt(prompt: StatedPrompt): Uint8Array {
  return canonicalBytes({ format: promptFormat, ...prompt });
}

/** @returns `undefined` for bytes that are no prompt, or an unusable one */
export function readPrompt(bytes: Uint8Array): Prompt | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return shape.Check(value) && promptProblems(value).length === 0 ? value : undefined;
  } catch {
    return undefined;
  }
}
