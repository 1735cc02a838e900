import type { CiSettings } from "../src/ci/settings.ts";

/** Of a pipeline that tests write. */
export const ciSettings: CiSettings = {
  url: "https://portolan.example.com",
  audience: "https://portolan.example.com",
  useCase: "churn",
  model: "churn",
  branch: "main",
  source: "https://git.example.com/portolan.git",
  ref: "v0.1.0",
  place: "acme/churn",
  issuer: "https://issuer.example.com",
};
