"""What an environment file says about one model that an endpoint serves. Pure values."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field
from pydantic_core import InitErrorDetails

from infra.declared.bindings import lacking
from infra.declared.declaration import Declaration, Table, broken_rule, problem, read
from infra.declared.naming import (
    LONGEST_SERVING_NAME,
    CatalogName,
    Identifier,
    SchemaName,
    ServedEntityName,
)
from infra.declared.rules import one_of, whole_number
from infra.declared.secret import HIDDEN, is_reference, looks_secret

MOST_ENVIRONMENT_VARS: Final = 50


Size = Literal["Small", "Medium", "Large"]


Hardware = Literal[
    "CPU",
    "CPU_MEDIUM",
    "CPU_LARGE",
    "GPU_SMALL",
    "GPU_MEDIUM",
    "GPU_LARGE",
    "GPU_XLARGE",
    "GPU_XLARGE_8",
    "MULTIGPU_MEDIUM",
]


Version = Annotated[
    int,
    whole_number(
        1,
        None,
        "a positive whole number: serving takes no alias and no 'latest'",
        "write the number that registration printed, without quotes, for example: 1",
    ),
]


Percent = Annotated[
    int,
    whole_number(
        0,
        100,
        "a whole number of percent from 0 to 100",
        "write the share of this challenger alone, without quotes; the champion gets the rest",
    ),
]


Concurrency = Annotated[
    int,
    whole_number(
        0,
        None,
        "a whole number of requests at once, a multiple of 4",
        "write it without quotes, for example: 4",
    ),
]


def _instance_profile(arn: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:instance-profile/\S+", arn):
        raise broken_rule(
            "the ARN of an instance profile of AWS",
            "write it like arn:aws:iam::123456789012:instance-profile/serving",
        )
    return arn


def _environment_vars(variables: Mapping[str, str]) -> Mapping[str, str]:
    if len(variables) > MOST_ENVIRONMENT_VARS:
        raise broken_rule(
            f"at most {MOST_ENVIRONMENT_VARS} environment variables for a served entity",
            f"remove {len(variables) - MOST_ENVIRONMENT_VARS}",
        )
    return MappingProxyType(dict(variables))


def _environment_var_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise broken_rule(
            "a variable's name: letters, digits and '_', no digit first", "rename the variable"
        )
    return name


EnvironmentVars = Annotated[
    Mapping[Annotated[str, AfterValidator(_environment_var_name)], str],
    AfterValidator(_environment_vars),
]


class ServedModel(Declaration):
    """A version of a registered model and what it runs on."""

    model: Identifier = Field(examples=['model = "pneumonia_poc_classifier"'])
    version: Version = Field(examples=["version = 1"])
    catalog: CatalogName | None = None
    """The environment's, unless the model is registered in another one."""

    schema_name: SchemaName | None = Field(default=None, alias="schema")
    """The environment's `models_schema`, unless the model is registered in another one."""

    served_entity: ServedEntityName | None = None
    """`<model>-<version>`, unless another name is given."""

    workload_size: Annotated[Size, one_of(*get_args(Size))] = "Small"
    workload_type: Annotated[Hardware, one_of(*get_args(Hardware))] = "CPU"
    scale_to_zero: bool = True
    min_provisioned_concurrency: Concurrency | None = None
    max_provisioned_concurrency: Concurrency | None = None
    """Both or none; in the place of `workload_size`."""

    burst_scaling_enabled: bool | None = None
    instance_profile_arn: Annotated[str, AfterValidator(_instance_profile)] | None = None
    environment_vars: EnvironmentVars = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def served_entity_name(self) -> str:
        """The name that routes, logs and clients see."""
        return served_entity_name(self.model, self.version, self.served_entity)

    @property
    def size(self) -> Size | None:
        """The size of its workload; None where its concurrency is declared."""
        return self.workload_size if self.max_provisioned_concurrency is None else None

    @classmethod
    def disagreements(cls, table: Table) -> Iterator[InitErrorDetails]:
        """The served entity's name fits, and no variable holds a secret in plain text."""
        yield from super().disagreements(table)
        name = served_entity_name(
            read(table, "model"), read(table, "version"), read(table, "served_entity")
        )
        yield from _concurrency(table)
        if read(table, "burst_scaling_enabled") is not None:
            yield from lacking("burst_scaling_enabled", read(table, "burst_scaling_enabled"))
        if len(name) > LONGEST_SERVING_NAME:
            yield problem(
                ("model",),
                read(table, "model"),
                f"at most {LONGEST_SERVING_NAME} characters together with the version, because the "
                "served entity is named MODEL-VERSION",
                f"register the model under a shorter name: {name!r} has {len(name)} characters",
            )
        yield from _plain_text_secrets(read(table, "environment_vars"))


def _concurrency(table: Table) -> Iterator[InitErrorDetails]:
    keys = ("min_provisioned_concurrency", "max_provisioned_concurrency")
    bounds = [read(table, key) for key in keys]
    if bounds == [None, None]:
        return
    for key, bound in zip(keys, bounds, strict=True):
        if bound is None or (type(bound) is int and (bound % 4 or (key == keys[1] and not bound))):
            yield problem(
                (key,),
                bound,
                "both bounds of the concurrency, multiples of 4, the upper one above 0",
                "write, for example: min_provisioned_concurrency = 4 and "
                "max_provisioned_concurrency = 8",
            )
    if all(type(bound) is int for bound in bounds) and bounds[0] > bounds[1]:
        yield problem((keys[0],), bounds[0], f"at most {keys[1]} = {bounds[1]}", "exchange the two")
    if isinstance(table, Mapping) and "workload_size" in table:
        yield problem(
            ("workload_size",),
            table["workload_size"],
            "a size or the bounds of the concurrency",
            "remove one of the two",
        )


def served_entity_name(model: object, version: object, own: object = None) -> str:
    """The own name, or `<model>-<version>`, always written out: the provider's own default moves
    with the version and would break routes and dashboards behind our back."""
    return own if isinstance(own, str) else f"{model}-{version}"


def _plain_text_secrets(variables: object) -> Iterator[InitErrorDetails]:
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        if looks_secret(str(name), value):
            rule = "no secret in plain text: it would be in Git, in the JSON and in the state"
        elif isinstance(value, str) and "{{" in value and not is_reference(value):
            rule = "a reference to a secret is the whole value, written {{secrets/scope/key}}"
        else:
            continue
        reference = f"{{{{secrets/SCOPE/{str(name).lower()}}}}}"
        yield problem(
            ("environment_vars", str(name)),
            HIDDEN,
            rule,
            f'put it into a secret scope and write {name} = "{reference}"',
        )


class Challenger(ServedModel):
    """A served model and its share of the traffic, in percent."""

    traffic: Percent = Field(examples=["traffic = 10"])
