"""Terraform's plugin protocol (in the real provider's version) over gRPC.

The one module that touches generated protobuf classes (`tf.gen`); they carry no types.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from infra.local.terraform.stand_in.diagnostics import failure
from infra.local.terraform.stand_in.schema import provider_schema
from infra.local.terraform.stand_in.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from infra.local.terraform.stand_in.diagnostics import Diagnostic
    from infra.local.terraform.stand_in.planning import Path
    from infra.local.terraform.stand_in.provider import Provider
    from infra.local.terraform.stand_in.schema import (
        Attribute,
        Block,
        NestedAttributes,
        NestedBlock,
        Schema,
    )

import grpc
from tf.gen import grpc_controller_pb2 as controller
from tf.gen import tfplugin_pb2 as pb

PROTOCOL = 6

_NESTING = {
    "single": pb.Schema.NestedBlock.SINGLE,
    "list": pb.Schema.NestedBlock.LIST,
    "set": pb.Schema.NestedBlock.SET,
}
_OBJECT_NESTING = {
    "single": pb.Schema.Object.SINGLE,
    "list": pb.Schema.Object.LIST,
    "set": pb.Schema.Object.SET,
}


class Service:
    """Each method answers one call of the protocol; the names are the protocol's."""

    def __init__(self, provider: Provider, *, stop: Callable[[], None]) -> None:
        self._provider = provider
        self._stop = stop

    def handlers(self) -> list[Any]:
        """What a gRPC server needs to route calls here."""
        service = pb.DESCRIPTOR.services_by_name["Provider"]
        methods = {
            method.name: grpc.unary_unary_rpc_method_handler(
                _answering(method, getattr(self, method.name)),
                request_deserializer=_message_class(method.input_type).FromString,
                response_serializer=_message_class(method.output_type).SerializeToString,
            )
            for method in service.methods
            if hasattr(self, method.name)
        }
        shutdown = grpc.unary_unary_rpc_method_handler(
            self.Shutdown,
            request_deserializer=controller.Empty.FromString,
            response_serializer=controller.Empty.SerializeToString,
        )
        return [
            grpc.method_handlers_generic_handler(service.full_name, methods),
            grpc.method_handlers_generic_handler("plugin.GRPCController", {"Shutdown": shutdown}),
        ]

    def GetMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        schema = provider_schema()
        return pb.GetMetadata.Response(
            server_capabilities=_capabilities(),
            resources=[
                pb.GetMetadata.ResourceMetadata(type_name=name) for name in schema.resources
            ],
            data_sources=[
                pb.GetMetadata.DataSourceMetadata(type_name=name) for name in schema.data_sources
            ],
        )

    def GetProviderSchema(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return _provider_schema()

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return pb.ValidateProviderConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        problems = self._provider.configure(_value(request.config) or {})
        return pb.ConfigureProvider.Response(diagnostics=_diagnostics(problems))

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        problems = self._provider.validate(request.type_name, _value(request.config))
        return pb.ValidateResourceConfig.Response(diagnostics=_diagnostics(problems))

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return pb.ValidateDataResourceConfig.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        state = self._provider.upgrade(request.type_name, json.loads(request.raw_state.json))
        return pb.UpgradeResourceState.Response(upgraded_state=_dynamic(state))

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        answer = self._provider.read(request.type_name, _value(request.current_state))
        return pb.ReadResource.Response(
            new_state=_dynamic(answer.state),
            private=request.private,
            diagnostics=_diagnostics(answer.diagnostics),
        )

    def PlanResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        plan, problems = self._provider.plan(
            request.type_name, _value(request.prior_state), _value(request.config)
        )
        return pb.PlanResourceChange.Response(
            planned_state=_dynamic(None if plan is None else plan.planned),
            requires_replace=[_path(path) for path in plan.requires_replace] if plan else [],
            planned_private=request.prior_private,
            legacy_type_system=True,
            diagnostics=_diagnostics(problems),
        )

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        answer = self._provider.apply(
            request.type_name, _value(request.prior_state), _value(request.planned_state)
        )
        return pb.ApplyResourceChange.Response(
            new_state=_dynamic(answer.state),
            private=request.planned_private,
            legacy_type_system=True,
            diagnostics=_diagnostics(answer.diagnostics),
        )

    def ImportResourceState(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        answer = self._provider.import_state(request.type_name, request.id)
        imported = []
        if answer.state is not None:
            imported.append(
                pb.ImportResourceState.ImportedResource(
                    type_name=request.type_name, state=_dynamic(answer.state)
                )
            )
        return pb.ImportResourceState.Response(
            imported_resources=imported, diagnostics=_diagnostics(answer.diagnostics)
        )

    def ReadDataSource(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        answer = self._provider.read_data(request.type_name, _value(request.config))
        return pb.ReadDataSource.Response(
            state=_dynamic(answer.state), diagnostics=_diagnostics(answer.diagnostics)
        )

    def GetFunctions(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return pb.GetFunctions.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        """Terraform was interrupted: calls under way may end, so that no state is lost."""
        return pb.StopProvider.Response()

    def Shutdown(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        self._stop()
        return controller.Empty()


def _answering(method: Any, answer: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`answer`, whose faults reach the user as a diagnostic instead of a raw plugin error."""
    response = _message_class(method.output_type)
    if "diagnostics" not in response.DESCRIPTOR.fields_by_name:
        return answer

    def guarded(request: Any, context: Any) -> Any:
        try:
            return answer(request, context)
        except Exception as problem:
            type_ = getattr(request, "type_name", "") or "provider"
            return response(diagnostics=_diagnostics([failure(type_, method.name, problem)]))

    return guarded


@functools.cache
def _provider_schema() -> Any:
    """The same for every command of an attached provider."""
    schema = provider_schema()
    return pb.GetProviderSchema.Response(
        provider=_schema(schema.provider),
        resource_schemas={name: _schema(one) for name, one in schema.resources.items()},
        data_source_schemas={name: _schema(one) for name, one in schema.data_sources.items()},
        server_capabilities=_capabilities(),
    )


def _message_class(descriptor: Any) -> Any:
    message = pb
    for name in descriptor.full_name.removeprefix(f"{pb.DESCRIPTOR.package}.").split("."):
        message = getattr(message, name)
    return message


def _capabilities() -> Any:
    return pb.ServerCapabilities(get_provider_schema_optional=True)


def _value(dynamic: Any) -> Any:
    if dynamic.msgpack:
        return decode(dynamic.msgpack)
    return json.loads(dynamic.json) if dynamic.json else None


def _dynamic(value: object) -> Any:
    return pb.DynamicValue(msgpack=encode(value))


def _diagnostics(problems: Iterable[Diagnostic]) -> list[Any]:
    return [
        pb.Diagnostic(
            severity=pb.Diagnostic.WARNING if problem.is_warning else pb.Diagnostic.ERROR,
            summary=problem.summary,
            detail=problem.detail,
        )
        for problem in problems
    ]


def _path(path: Path) -> Any:
    steps = [
        pb.AttributePath.Step(element_key_int=step)
        if isinstance(step, int)
        else pb.AttributePath.Step(attribute_name=step)
        for step in path
    ]
    return pb.AttributePath(steps=steps)


def _schema(schema: Schema) -> Any:
    return pb.Schema(version=schema.version, block=_block(schema.block))


def _block(block: Block) -> Any:
    return pb.Schema.Block(
        attributes=_attributes(block.attributes),
        block_types=[_nested_block(name, nested) for name, nested in block.blocks.items()],
    )


def _attributes(attributes: Mapping[str, Attribute]) -> list[Any]:
    return [
        pb.Schema.Attribute(
            name=name,
            type=b"" if attribute.nested else json.dumps(attribute.type).encode(),
            nested_type=_nested_attributes(attribute.nested) if attribute.nested else None,
            required=attribute.required,
            optional=attribute.optional,
            computed=attribute.computed,
            sensitive=attribute.sensitive,
        )
        for name, attribute in attributes.items()
    ]


def _nested_attributes(nested: NestedAttributes) -> Any:
    return pb.Schema.Object(
        attributes=_attributes(nested.attributes), nesting=_OBJECT_NESTING[nested.nesting]
    )


def _nested_block(name: str, nested: NestedBlock) -> Any:
    return pb.Schema.NestedBlock(
        type_name=name,
        block=_block(nested.block),
        nesting=_NESTING[nested.nesting],
        min_items=nested.min_items,
        max_items=nested.max_items,
    )
