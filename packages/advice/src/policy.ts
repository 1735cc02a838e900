export type * from "./facts.ts";
export { type Advised, adviceId, type Judgement, judge } from "./judge.ts";
