/** The peers' packages, by name of their environment; the newest on 2026-11-26. */
export const requirements = {
  fastapi: ["fastapi==0.165.0", "uvicorn[standard]==0.54.0", "orjson==3.13.0", "onnxruntime==1.32.0"],
  litserve: ["litserve==0.2.19", "onnxruntime==1.32.0"],
  mlserver: ["mlserver==1.7.1", "onnxruntime==1.32.0"],
  bentoml: ["bentoml==1.4.40", "onnxruntime==1.32.0"],
  triton: ["nvidia-pytriton==0.7.0", "onnxruntime==1.32.0"],
  feast: ["feast==0.66.0"],
  polars: ["polars==1.44.0"],
  // Its newest release fails to import beside pandas 3.
  evidently: ["evidently==0.7.23", "pandas==2.3.3"],
  mlflow: ["mlflow==3.17.2", "psycopg2-binary==2.9.13"],
  ray: ["ray[serve]==2.60.0", "onnxruntime==1.32.0"],
} as const;
export type PeerName = keyof typeof requirements;
