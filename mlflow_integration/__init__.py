"""MLflow: runs, models, and who serves. The face is ``mlflow_integration.tracker``."""
