"""Reports with OpenLineage's own Python client, unmodified, and checks events with the client's own classes.

All it knows of the server is OPENLINEAGE_URL and OPENLINEAGE_API_KEY. With a file as its argument it checks the events in it instead.
"""
import enum
import importlib
import json
import pkgutil
import sys
import types
import typing

import attr
import openlineage.client.generated as generated
from openlineage.client import OpenLineageClient
from openlineage.client import event_v2 as events
from openlineage.client.facet_v2 import (
    column_lineage_dataset as column_lineage,
    data_quality_assertions_dataset as assertions,
    data_quality_metrics_input_dataset as metrics,
    error_message_run,
    nominal_time_run,
    ownership_job,
    schema_dataset,
    sql_job,
)
from openlineage.client.generated import base

modules = [importlib.import_module(f"{generated.__name__}.{one.name}") for one in pkgutil.iter_modules(generated.__path__)]
facets = {
    one._get_schema(): one
    for module in modules
    for one in vars(module).values()
    if isinstance(one, type) and issubclass(one, base.BaseFacet)
}


def say(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def structure(kind, value, at):
    """The value as an instance of the client's class: what it lacks, has besides or has in another type is an error."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        chosen = [one for one in arguments if one is not type(None)]
        return None if value is None else structure(chosen[0], value, at)
    if origin is list:
        return [structure(arguments[0], one, f"{at}/{index}") for index, one in enumerate(value)]
    if origin is dict:
        return {key: structure(arguments[1], one, f"{at}/{key}") for key, one in value.items()}
    if kind is typing.Any:
        return value
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if not attr.has(kind):
        fits = (int, float) if kind is float else kind
        if not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{at} is {value!r}, no {kind}")
        return value
    if issubclass(kind, base.BaseFacet):
        kind = facets[value["_schemaURL"]]
    hints = typing.get_type_hints(kind, {**vars(typing), **vars(base), **vars(sys.modules[kind.__module__])})
    fields = {field.name: field for field in attr.fields(kind)}
    unknown = set(value) - set(fields)
    if unknown:
        raise ValueError(f"{at} has {sorted(unknown)}, which {kind.__name__} has not")
    made = kind(**{fields[name].alias: structure(hints[name], one, f"{at}/{name}") for name, one in value.items() if fields[name].init})
    for name in ("schemaURL", "_schemaURL"):
        if name in value and getattr(made, name) != value[name]:
            raise ValueError(f"{at} says {value[name]}, the client {getattr(made, name)}")
    return made


def check(path):
    seen = set()
    with open(path, encoding="utf-8") as file:
        for index, event in enumerate(json.load(file)):
            kind = events.RunEvent if "run" in event else events.JobEvent if "job" in event else events.DatasetEvent
            structure(kind, event, f"event {index}")
            seen.update(part["_schemaURL"].rsplit("/", 1)[1] for part in facets_in(event))
    say("checked", index + 1)
    say("facets", sorted(seen))


def facets_in(value):
    if isinstance(value, dict):
        if "_schemaURL" in value:
            yield value
        for one in value.values():
            yield from facets_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from facets_in(one)


def report():
    client = OpenLineageClient()
    job = events.Job(
        namespace="airflow",
        name="shop.totals",
        facets={
            "sql": sql_job.SQLJobFacet(query="insert into totals select region, sum(amount) from orders group by region"),
            "ownership": ownership_job.OwnershipJobFacet(owners=[ownership_job.Owner(name="team:shop")]),
        },
    )
    table = {"namespace": "postgres://db:5432"}
    schema = lambda *names: {"schema": schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(name=name, type="TEXT") for name in names])}
    orders = events.InputDataset(
        **table,
        name="shop.public.orders",
        facets=schema("region", "amount"),
        inputFacets={
            "dataQualityMetrics": metrics.DataQualityMetricsInputDatasetFacet(
                rowCount=3, columnMetrics={"amount": metrics.ColumnMetrics(nullCount=0, sum=6.5)}
            ),
            "dataQualityAssertions": assertions.DataQualityAssertionsDatasetFacet(
                assertions=[assertions.Assertion(assertion="not_null", success=True, column="amount")]
            ),
        },
    )
    field = lambda name, kind, subtype: column_lineage.InputField(
        **table, name="shop.public.orders", field=name, transformations=[column_lineage.Transformation(type=kind, subtype=subtype)]
    )
    totals = events.OutputDataset(
        **table,
        name="shop.public.totals",
        facets={
            **schema("region", "total"),
            "columnLineage": column_lineage.ColumnLineageDatasetFacet(
                fields={
                    "total": column_lineage.Fields(inputFields=[field("amount", "DIRECT", "AGGREGATION")]),
                    "region": column_lineage.Fields(inputFields=[field("region", "DIRECT", "IDENTITY")]),
                },
                dataset=[field("region", "INDIRECT", "GROUP_BY")],
            ),
        },
    )
    run = events.Run(
        runId="0190b6a2-5d7e-7d9c-8a43-0d6f5b1c2e3f",
        facets={"nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime="2026-11-26T08:00:00Z")},
    )
    failed = events.Run(
        runId="0190b6a2-5d7e-7d9c-8a43-0d6f5b1c2e40",
        facets={"errorMessage": error_message_run.ErrorMessageRunFacet(message="disk full", programmingLanguage="SQL")},
    )
    states, at = events.RunState, "2026-11-26T08:0"
    client.emit(events.RunEvent(eventType=states.START, eventTime=f"{at}0:00.123456789Z", run=run, job=job, inputs=[orders]))
    client.emit(events.RunEvent(eventType=states.COMPLETE, eventTime=f"{at}1:00+00:00", run=run, job=job, inputs=[orders], outputs=[totals]))
    client.emit(events.RunEvent(eventType=states.START, eventTime=f"{at}2:00", run=failed, job=events.Job(namespace="airflow", name="shop.broken"), inputs=[orders]))
    client.emit(events.RunEvent(eventType=states.FAIL, eventTime=f"{at}3:00", run=failed, job=events.Job(namespace="airflow", name="shop.broken")))
    client.emit(events.JobEvent(eventTime=f"{at}4:00", job=events.Job(namespace="dbt", name="shop.view"), inputs=[totals_in(events, totals)], outputs=[]))
    client.emit(events.DatasetEvent(eventTime=f"{at}5:00", dataset=events.StaticDataset(**table, name="shop.public.alone", facets=schema("x"))))
    say("reported", 6)
    try:
        client.emit(events.RunEvent(eventType=states.FAIL, eventTime=f"{at}6:00", run=run, job=job))
        say("another end", "taken")
    except Exception as error:  # noqa: BLE001
        say("another end", str(getattr(getattr(error, "response", None), "status_code", error)))


def totals_in(events, totals):
    return events.InputDataset(namespace=totals.namespace, name=totals.name)


if len(sys.argv) > 1:
    check(sys.argv[1])
else:
    report()
