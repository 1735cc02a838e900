import { type Environment, environments } from "@portolan/kernel";

/** Aliases and stages of MLflow that say what is served: writing one is asking for a promotion. */
const promotedAs: Readonly<Record<string, Environment>> = {
  champion: "production",
  production: "production",
  staging: "staging",
  dev: "dev",
};

/** The environment of which an alias says what is promoted there; `undefined` for a plain label. Case says nothing. Pure. */
export function environmentOfAlias(alias: string): Environment | undefined {
  const name = alias.toLowerCase();
  return Object.hasOwn(promotedAs, name) ? promotedAs[name] : undefined;
}

/** The environment of a stage: MLflow's two, and `dev`; `undefined` for `None` and `Archived`. Pure. */
export function environmentOfStage(stage: string): Environment | undefined {
  const name = stage.toLowerCase();
  return environments.find((known) => known === name);
}

/** MLflow's one stage of a version: the highest environment that it is promoted in. Pure. */
export function stageOf(promotedIn: readonly Environment[]): "Production" | "Staging" | "None" {
  if (promotedIn.includes("production")) return "Production";
  return promotedIn.includes("staging") ? "Staging" : "None";
}

/** Aliases that a version has by where it is promoted. Pure. */
export function aliasesOf(promotedIn: readonly Environment[]): string[] {
  return Object.entries(promotedAs)
    .filter(([, environment]) => promotedIn.includes(environment))
    .map(([alias]) => alias);
}

/** Why a text is no alias, by MLflow's rules; `undefined` when it is one. Pure. */
export function aliasProblem(alias: string): string | undefined {
  if (!/^[\w.-]{1,255}$/.test(alias)) return "an alias has 1 to 255 letters, digits and _ . -";
  if (alias.toLowerCase() === "latest") return "latest is whichever version is the newest";
  return /^v\d+$/i.test(alias) ? "v and a number is a version" : undefined;
}
