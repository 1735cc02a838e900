/** The tag that holds a run's name, in MLflow's clients too. */
export const nameTag = "mlflow.runName";

/** Keys that begin so are ours to set: nobody else says what they say. */
export const ownPrefix = "portolan.";

/** On a run that a client made: `client`. A run of training has none. */
export const originTag = `${ownPrefix}origin`;
