"""`make spark-answers`: asks Apache Spark in ANSI mode every question of the corpus, and writes its
answers down beside the questions.

Needs Java 17 and pyspark, which nothing else of the project needs. Time zone UTC, as in a warehouse
of Databricks.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

os.environ["TZ"] = "UTC"
time.tzset()

from pyspark.errors import PySparkException  # noqa: E402 - it reads the time zone
from pyspark.sql import DataFrame, SparkSession, types  # noqa: E402

from tests.infra.local.sql import product, product_rows, questions  # noqa: E402

WAREHOUSE = tempfile.TemporaryDirectory()


def session() -> SparkSession:
    settings = {
        # Tables of a question are Parquet's, as Spark has no others without a package.
        "spark.sql.warehouse.dir": WAREHOUSE.name,
        "spark.sql.sources.default": "parquet",
        "spark.sql.legacy.createHiveTableByDefault": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        # Each question is asked once: to compile it takes longer than to interpret it.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.debug.maxToStringFields": "1000",
    }
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    logging.getLogger("SQLQueryContextLogger").disabled = True
    return spark


def answered(spark: SparkSession, question: questions.Question) -> questions.Question:
    try:
        frame = asked(spark, question)
        fields = frame.schema.fields
        names = [field.dataType.simpleString() for field in fields]
        if any("interval" in name for name in names):
            frame = frame.selectExpr(*(f"CAST(`{name}` AS STRING)" for name in frame.columns))
        rows = [
            [value_text(value, field.dataType) for value, field in zip(row, fields, strict=True)]
            for row in frame.collect()
        ]
    except PySparkException as error:
        return question.refused(error.getCondition() or type(error).__name__)
    except Exception as error:
        return question.refused(type(error).__name__)
    return question.answered(names, rows)


def asked(spark: SparkSession, question: questions.Question) -> DataFrame:
    """What the last statement answers; the tables of the question before it are gone."""
    *before, last = question.statements
    if before:
        for name in questions.TABLES:
            for kind in ("VIEW", "TABLE"):
                with contextlib.suppress(PySparkException):  # it is of the other kind
                    spark.sql(f"DROP {kind} IF EXISTS {name}")
            shutil.rmtree(Path(WAREHOUSE.name) / name, ignore_errors=True)
        for statement in before:
            spark.sql(statement).collect()
    return spark.sql(last)


def ask_product(spark: SparkSession) -> None:
    """The product's own statements; Spark has no catalogs and schemas of that name here."""

    def local(statement: str) -> str:
        return re.sub(rf"\b{product_rows.CATALOG}\.\w+\.", "", statement)

    def execute(statement: str, parameters: dict[str, str]) -> product.Answer:
        values = {name: local(value) for name, value in parameters.items()}
        frame = spark.sql(local(statement), args=values)
        fields = frame.schema.fields
        rows = [
            [value_text(value, field.dataType) for value, field in zip(row, fields, strict=True)]
            for row in frame.collect()
        ]
        types = [field.dataType.simpleString() for field in fields]
        return product.Answer(names=list(frame.columns), types=types, rows=rows)

    for name, query in (*product_rows.tables(), *product.views()):
        spark.sql(local(query)).coalesce(1).createOrReplaceTempView(local(name))
        spark.sql(f"CACHE TABLE {local(name)}")
    product.write(product.ask_everything(execute))


def value_text(value: Any, data_type: types.DataType) -> str | None:
    """A value as the Statement Execution API sends it."""
    if value is None:
        return None
    plain = plain_value(value, data_type)
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def plain_value(value: Any, data_type: types.DataType) -> Any:
    match data_type:
        case types.ArrayType():
            return [None if v is None else plain_value(v, data_type.elementType) for v in value]
        case types.MapType():
            return {
                value_text(k, data_type.keyType): (
                    None if v is None else plain_value(v, data_type.valueType)
                )
                for k, v in value.items()
            }
        case types.StructType():
            return {
                field.name: None if v is None else plain_value(v, field.dataType)
                for field, v in zip(data_type.fields, value, strict=True)
            }
        case types.TimestampType():
            return moment(value) + "Z"
        case types.TimestampNTZType():
            return moment(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, bool | int | float | str):
        return value
    return str(value)


def moment(value: datetime.datetime) -> str:
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.replace(tzinfo=None).isoformat(timespec=precision)


def main(chosen: list[str]) -> None:
    spark = session()
    spark.sql(questions.typed_rows()).coalesce(1).createOrReplaceTempView("typed")
    spark.sql("CACHE TABLE typed")
    if not chosen or "product" in chosen:
        ask_product(spark)
    for topic in chosen or questions.topics():
        started = time.monotonic()
        if topic == "product":
            continue
        answers = [answered(spark, question) for question in questions.read(topic)]
        questions.write(topic, answers)
        failed = sum(question.fails for question in answers)
        seconds = time.monotonic() - started
        print(f"{topic}: {len(answers)} questions, {failed} errors, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
