import { readFileSync } from "node:fs";
import { PortolanError } from "@portolan/kernel";

/** What `portolan init --template` offers. Each is a whole charter with the comments that explain its choices. */
export const templateNames = [
  "financial-fraud",
  "healthcare-readmission",
  "manufacturing-maintenance",
  "churn",
  "recommendation",
  "chatbot",
  "flight-delays",
  "readmission",
  "ai4i",
  "credit-default",
] as const;
export type TemplateName = (typeof templateNames)[number];

export function parseTemplateName(text: string): TemplateName | undefined {
  return templateNames.find((name) => name === text);
}

/** The text of a template's `charter.yaml`. */
export function readTemplate(name: TemplateName): string {
  try {
    return readFileSync(new URL(`../templates/${name}.yaml`, import.meta.url), "utf8");
  } catch (cause) {
    throw new PortolanError("kernel.internal", { detail: `the template ${name} is missing`, cause });
  }
}
